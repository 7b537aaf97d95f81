"""What the command line cannot use, or has not here: one message with place and remedy."""

import re

import pytest

from tests.cli.command import BAD, EXAMPLE


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["check", "nowhere.py"], 2, "nowhere.py: no such file or folder"),
        (["check", "examples/lock_across_wiat.py"], 2, f"did you mean {EXAMPLE}?"),
        (["check", f"{EXAMPLE}::brokn"], 2, "did you mean broken? it has: broken, fixed"),
        (["check", "src/dmabuf/py.typed"], 2, "no design in this file"),
        (["check", "docs"], 2, "docs: no design in this folder"),
        (["check", BAD / "syntax_error.txt"], 2, f"{BAD}/syntax_error.txt:5: is not valid Python"),
        (["check", BAD / "raises_at_import.py"], 2, f"{BAD}/raises_at_import.py:8: raises ValueE"),
        (["check", f"{EXAMPLE}::broken", "--replay", "x"], 2, "is no replay token"),
        (["check", "examples", "--replay", "x"], 2, "FILE::NAME --replay TOKEN"),
        (["check", EXAMPLE, EXAMPLE, "--replay", "x"], 2, "FILE::NAME --replay TOKEN"),
        (["check"], 2, "nothing to check"),
        (["check", EXAMPLE, "--jsno"], 2, "no option --jsno; did you mean --json?"),
        (["check", EXAMPLE, "--budget", "10"], 2, "write 10s, 500ms, 2m, 5000x"),
        (["check", EXAMPLE, "--budget", "0s"], 2, "no budget: '0s'"),
        (["check", EXAMPLE, "--seed", "x"], 2, "invalid int value"),
        (["chek", EXAMPLE], 2, "no command 'chek'; did you mean check?"),
        ([EXAMPLE], 2, f"dmabuf check {EXAMPLE} explores it"),
        (["--jsno"], 2, "no option --jsno"),
        (["rules", "DF22"], 2, "no rule DF22; did you mean DF2"),
        (["rules", "x"], 2, "no rule x; dmabuf rules lists them"),
    ],
)
def test_unusable_input_is_one_message(run, arguments, code, message):
    """What cannot be used is one line on stderr that names it, and nothing on stdout."""
    got, out, err = run(*arguments)

    assert (code, "") == (got, out)
    assert 1 == len(err.splitlines())
    assert err.startswith("dmabuf: ")
    assert message in err


def test_check_goes_on_after_unusable_input(run):
    """One bad path does not keep the others from being explored; the worst code wins."""
    code, out, err = run("check", "nowhere.py", f"{EXAMPLE}::fixed", "-q")

    assert 2 == code
    assert f"{EXAMPLE}::fixed: PROVED\n" == out
    assert "nowhere.py" in err


def test_check_carrier_that_is_absent_is_not_available(run, monkeypatch):
    """Asking for greenlets without greenlet ends with 3 and says how to get it."""
    monkeypatch.setattr("dmabuf.cli.check.has_greenlet", lambda: False)

    code, _out, err = run("check", EXAMPLE, "--carrier", "greenlet")

    assert 3 == code
    assert "pip install 'dmabuf[explore]'" in err


def test_check_without_greenlet_hints_at_it(run, monkeypatch):
    """Where greenlet is absent, one line on stderr says that it makes the search faster."""
    monkeypatch.setattr("dmabuf.cli.check.has_greenlet", lambda: False)

    _code, _out, err = run("check", f"{EXAMPLE}::fixed")
    _code, _out, quiet = run("check", f"{EXAMPLE}::fixed", "-q")

    assert err.startswith("hint: greenlet is not installed; pip install 'dmabuf[explore]'")
    assert "" == quiet


def test_check_harm_is_told_with_file_and_line(run):
    """A design that leaves the machine is a finding whose report names the line."""
    code, out, err = run("check", f"{BAD}/escapes.py::crashes")

    assert (1, "") == (code, err)
    assert "DF005" in out
    assert re.search(r"at: tests/explore/foreign/bad/escapes\.py:\d+", out)


def test_check_escapes_foreign_names(run):
    """Control characters of a design's names do not reach the terminal."""
    _code, out, _err = run("check", BAD / "hides_names.py")

    assert "\x1b" not in out
    assert r"\x1b[31mred" in out
