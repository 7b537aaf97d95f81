"""What the command of random calls says and hands on, without a machine."""

import subprocess

from dmabuf.errors import NotAvailable
from tests.agreement import random_calls
from tools.vm.__main__ import MISSING


def _no_device():
    raise NotAvailable("no vgem is here")


def test_missing_device_is_one_sentence(monkeypatch, capsys):
    """A status of its own and the remedy, instead of a traceback."""
    monkeypatch.setattr(random_calls, "Kernel", _no_device)

    status = random_calls.main(["--only", "7.12"])

    said = "random calls: cannot compare: no vgem is here; --in-vm has all, --alone needs nothing\n"
    assert (MISSING, said) == (status, capsys.readouterr().out)


def test_what_was_asked_for_reaches_the_vm(monkeypatch):
    """One program, a seed, a number of steps: the command in the guest gets them as given."""
    commands = []

    def run(words, **_how):
        commands.append(words)
        return subprocess.CompletedProcess(words, 1, "", "no compiler")

    monkeypatch.setattr(subprocess, "run", run)

    status = random_calls.main(
        ["--in-vm", "--only", "7.12", "--alone", "--steps", "9", "--seed", "2"]
    )

    inside = commands[-1][commands[-1].index("--") + 1 :]
    assert 1 == status
    assert ["--steps", "9", "--seed", "2", "--only", "7.12", "--alone"] == inside[3:]
