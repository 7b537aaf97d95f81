"""`dmabuf check --export`: a design in another tool's language, or one message why not."""

import json

import pytest

from tests.cli.command import BAD, EXAMPLE

TRIES = """
from dmabuf import Mutex, design

@design
def tries(machine):
    lock = Mutex("A")

    def task():
        if lock.trylock():
            lock.unlock()

    machine.kthread(task, "one")
    machine.kthread(task, "two")
"""


def test_export_writes_the_design_to_stdout(run):
    """The text for SPIN alone is on stdout, also of a design that is wrong."""
    code, out, err = run("check", "--export", "promela", f"{EXAMPLE}::broken")

    assert (0, "") == (code, err)
    assert out.startswith(f"/* {EXAMPLE}::broken: 2 tasks")
    assert 2 == out.count("active proctype thread_")


def test_export_in_json_is_a_result(run):
    """With --json the text is a result of its own kind."""
    _code, text, _err = run("check", "--export", "promela", f"{EXAMPLE}::fixed")

    code, out, _err = run("check", "--export", "promela", f"{EXAMPLE}::fixed", "--json")

    (result,) = json.loads(out)["results"]
    assert (0, "export", "promela", text) == (
        code,
        result["kind"],
        result["language"],
        result["text"],
    )


def test_export_that_is_refused_names_line_step_and_remedy(run, tmp_path):
    """One line: where, which step, why, what to do; exit code 2."""
    (tmp_path / "tries.py").write_text(TRIES)

    code, out, err = run("check", "--export", "promela", tmp_path / "tries.py")

    assert (2, "", 1) == (code, out, len(err.splitlines()))
    assert "tries.py:10: has no faithful export: step 2 of" in err
    assert "(mutex.unlock of A)" in err
    assert "an export takes tasks whose steps do not depend on outcomes" in err


def test_export_that_met_a_limit_is_undecided(run):
    """A design of which not every schedule was run is not exported; exit code 4."""
    code, out, err = run("check", "--export", "promela", f"{EXAMPLE}::broken", "--budget", "1x")

    assert (4, "") == (code, out)
    assert "limit reached: 1 executions" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tex", f"{EXAMPLE}::fixed"], "invalid choice: 'tex' (choose from"),
        (["promela", EXAMPLE], "an export holds one design; name one: "),
        (["promela", "examples"], "--export takes one design: dmabuf check --export promela FILE"),
        (["promela", EXAMPLE, "--html", "x"], "so it does not go with --html"),
        (["promela", EXAMPLE, "--replay", "x"], "so it does not go with --replay"),
    ],
)
def test_export_that_makes_no_sense_is_one_message(run, arguments, message):
    """What goes together with no export is refused by name."""
    code, out, err = run("check", "--export", *arguments)

    assert (2, "", 1) == (code, out, len(err.splitlines()))
    assert message in err


def test_export_of_a_design_that_harms_is_a_finding(run):
    """A design that ends its process is told as in any other search."""
    code, out, err = run("check", "--export", "promela", f"{BAD}/escapes.py::crashes")

    assert (1, "") == (code, err)
    assert "DF005" in out
