"""A command line, run in this process."""

import pytest

from dmabuf import cli
from tests.cli.command import ROOT


@pytest.fixture
def run(monkeypatch, capfd):
    """Runs a command line in this process: (exit code, stdout, stderr), no traceback in them."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "DMABUF_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return run
