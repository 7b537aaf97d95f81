"""`dmabuf check`: results, options, exit codes."""

import json
import re

import pytest

from tests.cli.command import BAD, EXAMPLE


def test_check_reports_findings_and_proofs(run):
    """Each design of a file has its report on stdout, in order; the worst decides the code."""
    code, out, err = run("check", EXAMPLE)

    assert 1 == code
    assert "" == err
    assert out.startswith(f"{EXAMPLE}::broken: VIOLATED\n\n  DF202 ")
    assert f"\n{EXAMPLE}::fixed: PROVED\n" in out
    assert out.endswith("\n2 designs: 1 PROVED, 1 VIOLATED\n")


def test_check_writes_a_page_and_a_trace(run, tmp_path):
    """--html and --trace write the same results to files, beside what is printed."""
    page, trace = tmp_path / "page.html", tmp_path / "trace.json"

    code, out, err = run("check", EXAMPLE, "-q", "--html", page, "--trace", trace)

    assert (1, "") == (code, err)
    assert 2 == len(out.splitlines())
    text = page.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert f"{EXAMPLE}::broken" in text
    assert f"{EXAMPLE}::fixed" in text
    assert any(event["ph"] == "s" for event in json.loads(trace.read_text())["traceEvents"])


@pytest.mark.parametrize("option", ["--html", "--trace"])
def test_check_refuses_a_file_it_cannot_write(run, tmp_path, option):
    """Before the search where that can be known, after it where not; in one line."""
    missing, folder, full = tmp_path / "no" / "x", tmp_path, "/dev/full"

    for file, said in ((missing, "there is no folder"), (folder, "it is a folder")):
        code, out, err = run("check", EXAMPLE, option, file)
        assert (2, "") == (code, out)
        assert said in err
    code, out, err = run("check", EXAMPLE, "-q", option, full)
    assert 2 == code
    assert f"cannot write {full}: No space left on device" in err
    assert 2 == len(out.splitlines())


def test_check_replay_line_replays(run):
    """The printed replay command shows the same finding and schedule, also to a JSON reader."""
    _code, out, _err = run("check", f"{EXAMPLE}::broken")
    command = re.search(r"replay: dmabuf (.*)", out)[1].split()

    code, again, _err = run(*command)
    _code, data, _err = run(*command, "--json")

    assert 1 == code
    assert again.split("remedy")[0] == out.replace(" (the fewest possible)", "").split("remedy")[0]
    assert "this one schedule was run" in again
    assert [" ".join(["dmabuf", *command])] == [
        " ".join(finding["replay"]) for finding in json.loads(data)["results"][0]["findings"]
    ]


def test_check_clean_design_exits_0(run):
    """A proof alone is exit code 0."""
    code, out, err = run("check", f"{EXAMPLE}::fixed")

    assert (0, "") == (code, err)
    assert out.startswith(f"{EXAMPLE}::fixed: PROVED")


def test_check_quiet_is_one_line_per_design(run):
    """With --quiet each result is one line; findings in C source come before."""
    _code, out, err = run("check", "examples", "--quiet")

    assert "" == err
    designs = [line for line in out.splitlines() if "::" in line]
    assert [True] * 2 == [line.startswith(f"{EXAMPLE}::") for line in designs[:2]]


def test_check_json_is_one_document_with_the_schema(run):
    """With --json stdout is one document; troubles are in it and on no other stream."""
    code, out, err = run("check", EXAMPLE, "nowhere.py", "--json")

    document = json.loads(out)
    assert (2, "") == (code, err)
    assert "dmabuf.check/1" == document["schema"]
    assert [("verdict", 1), ("verdict", 0), ("trouble", 2)] == [
        (result["kind"], result["exit_code"]) for result in document["results"]
    ]


@pytest.mark.slow
def test_check_budget_that_ends_is_exit_4(run):
    """A budget that runs out is undecided, by time and by executions."""
    code, out, _err = run("check", BAD / "loops.py", "--budget", "300ms")
    assert 4 == code
    assert "INCONCLUSIVE" in out
    assert "limit reached: 0.3 s" in " ".join(out.split())

    code, out, _err = run("check", BAD / "loops.py", "--budget", "20x")
    assert 4 == code
    assert "limit reached: 20 executions" in " ".join(out.split())


def test_check_seed_and_carrier_keep_the_verdict(run):
    """Another order, and another carrier, come to the same conclusion."""
    for how in (("--seed", "7"), ("--carrier", "threads"), ("--carrier", "greenlet")):
        code, out, _err = run("check", EXAMPLE, "-q", *how)

        assert 1 == code
        assert ["VIOLATED", "PROVED"] == re.findall(r": ([A-Z]+)", out)


def test_check_counts_files_without_designs(run, tmp_path):
    """Files of a folder that hold no design are counted and are no error."""
    (tmp_path / "plain.py").write_text("x = 1")
    (tmp_path / "reexports.py").write_text("from dmabuf import design as mark\n")
    (tmp_path / "d.py").write_text("from dmabuf import design\n@design\ndef d(machine): pass\n")

    code, out, _err = run("check", tmp_path, "--json")

    document = json.loads(out)
    assert (0, 3, 2) == (code, document["files"], document["files_without_design"])


def test_check_design_in_a_file_called_like_a_module(run, tmp_path):
    """Files named after modules that the explorer uses do not get into its way."""
    for name in ("json", "queue", "random", "signal", "dmabuf", "threading"):
        (tmp_path / f"{name}.py").write_text(
            "from dmabuf import design\n@design\ndef d(machine): pass\n"
        )

    code, out, _err = run("check", tmp_path, "-q")

    assert 0 == code
    assert 6 == out.count(": PROVED")
