"""Results as JSON."""

import json
from pathlib import Path

from dmabuf.report.finding import Finding, Place, Step, Taken, Wait
from dmabuf.report.json import check_document, code_data
from dmabuf.report.timeline import Lane, Span, Timeline
from dmabuf.report.verdict import ExitCode, Status, Trouble, Verdict

PLACE = Place("/d/f.py", 3, "f")
FINDING = Finding(
    "DF202",
    "m",
    ("DF101",),
    PLACE,
    (
        Wait(
            "t",
            "waits for",
            "A",
            ("u",),
            definite=True,
            holds=("B",),
            place=PLACE,
            stack=(PLACE,),
            taken=(Taken("B", (PLACE, PLACE)),),
        ),
    ),
    ("t",),
    (Step("t", "locks A", "mutex.lock", PLACE, stack=(PLACE,)),),
    token="1.a.b",
    stack=(PLACE,),
    taken=(Taken("A", (PLACE,)),),
    timeline=Timeline(
        (Lane("t", "kthread", 1),),
        (Span("lock", "A", "t", 0, 2), Span("wait", "A", "u", 1, by=("t",), via="lock")),
    ),
)
VERDICT = Verdict("f.py::d", Status.VIOLATED, (FINDING,), executions=3)
TROUBLE = Trouble("g.py", "is binary", "name another", PLACE, ExitCode.NOT_AVAILABLE)


def document():
    """A document with one result of each kind, as a reader gets it."""
    made = check_document([VERDICT, TROUBLE], version="1.2.3", exit_code=1, files=2, empty_files=1)
    return json.loads(json.dumps(made))


def test_check_document_has_schema_and_results_in_order():
    """The document says what it is, how the command ends, and each result's kind."""
    found = document()

    assert "dmabuf.check/1" == found["schema"]
    assert (1, 2, 1, False) == (
        found["exit_code"],
        found["files"],
        found["files_without_design"],
        found["interrupted"],
    )
    assert ["verdict", "trouble"] == [result["kind"] for result in found["results"]]


def test_check_document_keeps_the_verdict():
    """What is read back is the verdict that was written."""
    data = document()["results"][0]
    for extra in ("kind", "exit_code"):
        del data[extra]
    for finding in data["findings"]:
        assert "DF202" == finding.pop("rule")["id"]
        assert ["dmabuf", "check", "f.py::d", "--replay", "1.a.b"] == finding.pop("replay")
        graph = finding.pop("wait_graph")
        assert [["t", "B", "A", "u"], [[1, 0], [0, 2], [2, 3]]] == [
            [node["name"] for node in graph["nodes"]],
            [[edge["source"], edge["target"]] for edge in graph["edges"]],
        ]

    assert Verdict.from_data(data) == VERDICT


def test_check_document_trouble_says_place_and_code():
    """A trouble has its message, place and exit code."""
    assert {
        "kind": "trouble",
        "subject": "g.py",
        "message": "is binary",
        "remedy": "name another",
        "place": {"file": "/d/f.py", "line": 3, "function": "f"},
        "exit_code": 3,
    } == document()["results"][1]


def test_code_data_of_an_unknown_rule_is_none():
    """A rule that is not in the catalogue has no entry."""
    assert code_data("DF999") is None


def test_every_key_is_documented():
    """Each key of the document stands in docs/reference/json.md."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "json.md").read_text("utf-8")
    found = document()
    result, trouble = found["results"]
    finding = result["findings"][0]
    graph, timeline = finding["wait_graph"], finding["timeline"]
    entries = (found, result, trouble, finding, *finding["waits"], *finding["steps"])
    entries += (*graph["nodes"], *graph["edges"], *timeline["lanes"], *timeline["spans"])
    keys = {key for entry in (*entries, finding["rule"], finding["place"]) for key in entry}

    assert [] == sorted(key for key in keys if f"`{key}`" not in page and f'"{key}"' not in page)
