"""What is on which stream: colours, progress, signals, readers that go away."""

import os
import pty
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.command import BAD, EXAMPLE, start


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": "0"}, False),
    ],
)
def test_colours_are_for_terminals_or_on_demand(run, monkeypatch, environment, coloured):
    """Without a terminal there are no colours; FORCE_COLOR adds them, NO_COLOR wins."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    _code, out, _err = run("check", f"{EXAMPLE}::fixed")

    assert coloured is ("\x1b[" in out)


@pytest.mark.slow
def test_check_on_a_terminal_is_coloured_and_live():
    """A terminal gets colours and one live line, which is gone before results are printed."""
    master, slave = pty.openpty()
    environment = {"TERM": "xterm", "NO_COLOR": "", "FORCE_COLOR": ""}
    arguments = ("check", BAD / "loops.py", "--budget", "1500ms")
    with start(*arguments, stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        seen = b""
        with suppress(OSError):  # how Linux says that the other end is closed
            while data := os.read(master, 4096):
                seen += data
    os.close(master)

    assert 4 == process.returncode
    progress, clear, report = seen.decode().rpartition("\r\x1b[K")
    assert "executions" in progress
    assert clear
    assert "\x1b[33;1mINCONCLUSIVE\x1b[0m" in report


@pytest.mark.slow
def test_interrupt_prints_what_is_known_and_exits_130():
    """Ctrl-C ends the search, prints the designs done and where the present one stood."""
    with start("check", f"{EXAMPLE}::fixed", BAD / "loops.py", "--budget", "20s") as process:
        first = process.stdout.readline()
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.7)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)

    assert 130 == process.returncode
    assert f"{EXAMPLE}::fixed: PROVED\n" == first
    assert re.search(rf"{BAD}/loops.py(::for_ever)?: INCONCLUSIVE", out)
    assert "limit reached: interrupted" in " ".join(out.split())
    assert "dmabuf: interrupted\n" == err


@pytest.mark.slow
def test_closed_pipe_ends_quietly():
    """A reader that goes away (`| head -1`) ends the run without a word."""
    with start("check", EXAMPLE) as process:
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()

    assert "" == err
    assert process.returncode in (1, 141)


@pytest.mark.slow
def test_full_disk_is_one_message():
    """Output that cannot be written is told in one line."""
    with Path("/dev/full").open("w") as full, start("check", EXAMPLE, stdout=full) as process:
        err = process.stderr.read()

    assert 70 == process.returncode
    assert "dmabuf: cannot go on: No space left on device\n" == err
