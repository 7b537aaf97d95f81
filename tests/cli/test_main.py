"""The command without a subcommand, and its last resort."""

import ast
import os
import subprocess
import sys

import pytest

from dmabuf import __version__
from dmabuf.built import is_built
from dmabuf.core.compiled import is_compiled
from tests.cli.command import EXAMPLE, ROOT, start


def test_version_is_that_of_the_package(run):
    """--version prints name, version, and whether the compiled build is in use."""
    builds = {
        (False, False): "pure Python",
        (True, False): "compiled fences",
        (False, True): "compiled explorer",
        (True, True): "compiled",
    }
    build = builds[is_compiled(), is_built()]

    assert (0, f"dmabuf {__version__} ({build})\n", "") == run("--version")


@pytest.mark.slow
def test_version_says_that_a_pure_build_was_asked_for():
    """DMABUF_PURE leaves a compiled build aside, and --version says so."""
    with start("--version", env={"DMABUF_PURE": "1"}) as process:
        out, _err = process.communicate(timeout=10)

    assert f"dmabuf {__version__} (pure Python)\n" == out


@pytest.mark.slow
def test_version_loads_nothing_heavy():
    """--version pays for nothing that it does not use."""
    code = (
        "import sys; from dmabuf.cli import main; main(['--version']);"
        "heavy = {'argparse', 'inspect', 'json', 'subprocess', 'threading'};"
        "print(sorted(m for m in sys.modules if m in heavy or m.startswith('dmabuf.')))"
    )

    found = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = set(ast.literal_eval(found.stdout.splitlines()[-1]))
    light = {"dmabuf.cli", "dmabuf.core", "dmabuf.core.compiled"}
    light |= {"dmabuf.built"}
    assert light == loaded - {"dmabuf.core._fused"}


def test_help_names_the_commands(run):
    """Help goes to stdout with 0; no command at all is a mistake."""
    code, out, _err = run("--help")
    assert 0 == code
    assert all(word in out for word in ("check", "rules", "130"))

    code, out, err = run()
    assert (2, "") == (code, out)
    assert "usage:" in err


def test_internal_error_is_one_message(run, monkeypatch):
    """A bug of ours is exit code 70 and one line that asks for a report."""

    def broken(_paths):
        raise RuntimeError("oops")

    monkeypatch.setattr("dmabuf.cli.check.find_targets", broken)

    code, out, err = run("check", EXAMPLE)

    assert (70, "") == (code, out)
    assert 1 == len(err.splitlines())
    assert "internal error: RuntimeError: oops; please report it" in err
