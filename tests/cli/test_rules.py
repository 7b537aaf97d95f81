"""`dmabuf rules`: the catalogue, a page, the designs run."""

import json
import re

import pytest

from dmabuf.codes import CODES
from dmabuf.rules import RuleRun


def test_rules_lists_every_rule(run):
    """Each rule of the catalogue is listed with sentence, strength and statement."""
    code, out, _err = run("rules")

    assert 0 == code
    assert list(CODES) == re.findall(r"^(DF\d+)  [LDMA]  (?:must|should|ideal) ", out, re.MULTILINE)


def test_rules_json_of_named_rules_has_their_pages(run):
    """Reasons, sources, checks and the text of the designs, as on the page for people."""
    code, out, _err = run("rules", "DF202", "df001", "--json")
    data = json.loads(out)
    page = data["rules"][0]["page"]

    assert 0 == code
    assert ["DF202", "DF001"] == [rule["id"] for rule in data["rules"]]
    assert {"Counterexample", "Fix"} <= {design["role"] for design in page["designs"]}
    assert all("def " in design["text"] for design in page["designs"])
    assert page["why"]
    assert all(one["says"] for one in page["sources"])
    assert all(one["where"].startswith("dmabuf.") for one in page["checks"])
    assert "002" in data["documents"]


def test_rules_json_is_the_catalogue(run):
    """With --json the catalogue is a document."""
    _code, out, _err = run("rules", "--json")

    document = json.loads(out)
    assert "dmabuf.rules/1" == document["schema"]
    assert list(CODES) == [rule["id"] for rule in document["rules"]]


def test_rules_page_tells_all_of_a_rule(run):
    """The page of a rule has statement, reason, sources, its designs' source, and the remedy."""
    code, out, err = run("rules", "df202")

    assert (0, "") == (code, err)
    assert out.startswith("DF202 A lock held across a fence wait")
    words = " ".join(out.split())
    for expected in (
        CODES["DF202"].remedy,
        "strength: must",
        "protects: L",
        "Why",
        "Sources",
        "Counterexample @design def lock_across_wait(machine: Machine)",
        "Fix @design def drops_the_lock_first(machine: Machine)",
        "Near-miss",
        "Checks - run:",
        "- explore:",
    ):
        assert expected in words


def test_rules_run_prints_a_line_per_design(run):
    """--run explores a rule's designs and ends with 0 when every verdict is as declared."""
    code, out, _err = run("rules", "DF001", "--run")

    assert 0 == code
    assert re.search(r"DF001  two_orders +expected VIOLATED DF001, got VIOLATED DF001  ok", out)
    assert re.search(r"DF001  one_order +expected PROVED, got PROVED  ok", out)
    assert "1 rule: every verdict is as declared" in out


@pytest.mark.parametrize("rule", ["DF001", "DF201", "DF604"])
def test_rules_run_of_one_shows_how_it_is_broken(run, rule):
    """The counterexample's schedule and what went wrong, in about ten lines."""
    _code, out, _err = run("rules", rule, "--run")

    shown = out.split("\n\n")[1].splitlines()
    assert f" breaks {rule}:" in shown[0]
    assert 6 <= len(shown) <= 12


def test_rules_run_of_several_shows_verdicts_only(run):
    """Pages of schedules would hide which rule differs."""
    _code, out, _err = run("rules", "DF001", "DF002", "--run")

    assert " breaks " not in out


def test_rules_run_that_differs_exits_1(run, monkeypatch):
    """One verdict that is not as declared is exit code 1, and its line says so."""

    def differs(rule):
        return RuleRun(rule.code, ok=False, lines=(("d", "PROVED", "BOUNDED"),), seconds=0.0)

    monkeypatch.setattr("dmabuf.rules.run_rule", differs)

    code, out, _err = run("rules", "DF001", "DF002", "--run")
    assert 1 == code
    assert "DF001  d  expected PROVED, got BOUNDED  DIFFERS" in out
    assert "2 not as declared" in out

    code, out, _err = run("rules", "DF001", "--run", "--json")
    assert 1 == code
    assert [{"design": "d", "expected": "PROVED", "got": "BOUNDED"}] == (
        json.loads(out)["runs"][0]["designs"]
    )
