"""What the command that CI calls says and answers, without a machine."""

import subprocess

import pytest

from tests.agreement import in_vm
from tools.vm.__main__ import MISSING


def _answers(monkeypatch, prepared, ran):
    def run(words, **_how):
        status = prepared if "--prepare" in words else ran
        return subprocess.CompletedProcess(words, status, "", "vm: cannot run: no qemu; get it")

    monkeypatch.setattr(subprocess, "run", run)


def test_no_vm_is_said_and_is_no_pass(monkeypatch, capsys):
    """One line with the reason, and a status of its own."""
    _answers(monkeypatch, prepared=MISSING, ran=0)

    status = in_vm.main([])

    said = "agreement: SKIPPED, because no qemu; get it\n"
    assert (MISSING, said) == (status, capsys.readouterr().out)


@pytest.mark.parametrize(("ran", "expected"), [(0, 0), (1, 1), (3, 1), (124, 1), (125, 1)])
def test_failures_are_never_taken_for_no_vm(monkeypatch, ran, expected):
    """Whatever status the suite ends with."""
    _answers(monkeypatch, prepared=0, ran=ran)

    assert expected == in_vm.main([])


def test_suite_comes_before_random_calls():
    """The second runs only if the first is green."""
    command = in_vm.inside([], 10, 3)

    suite, calls = command.split(" && ")
    assert "tests/agreement" in suite
    assert "random_calls --steps 10 --seed 3" in calls
    assert " && " not in in_vm.inside([], 0, 1)
