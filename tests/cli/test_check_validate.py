"""`dmabuf check --validate`: predictions of the validator with what became of them."""

import json

import pytest

DESIGNS = """
from dmabuf import Mutex, design

@design
def gated(machine):
    a, b, gate = Mutex("A"), Mutex("B"), Mutex("gate")

    def use(first, second):
        with gate, first, second:
            pass

    machine.kthread(lambda: use(a, b), "one")
    machine.kthread(lambda: use(b, a), "two")
"""


@pytest.fixture
def file(tmp_path):
    """A file with a design whose locks are taken in two orders, under a third."""
    path = tmp_path / "gated.py"
    path.write_text(DESIGNS)
    return str(path)


def test_validate_refutes_what_cannot_happen(run, file):
    """The prediction is there, the outcome first, and the exit code is 0."""
    code, out, _err = run("check", "--validate", file)

    assert 0 == code
    assert "REFUTED    DF001" in out
    assert "every schedule was explored" in out


def test_validate_is_in_json(run, file):
    """Each prediction with its outcome."""
    _code, out, _err = run("check", "--validate", "--json", file)

    (result,) = json.loads(out)["results"]
    assert [("REFUTED", "DF001")] == [
        (one["outcome"], one["predicted"]["code"]) for one in result["predicted"]
    ]


def test_without_it_nothing_is_predicted(run, file):
    """It is asked for."""
    _code, out, _err = run("check", file)

    assert "REFUTED" not in out


def test_validate_does_not_go_with_replay(run, file):
    """One message, exit code 2."""
    code, _out, err = run("check", "--validate", "--replay", "1.a.b", f"{file}::gated")

    assert 2 == code
    assert "--validate watches random runs" in err
