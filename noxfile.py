"""Sessions for development: `nox` runs all gates, `nox -s tests` the tests on every Python here."""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2026.10.20"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False  # absent ones end up in the summary as skipped
nox.options.sessions = ["lint", "types", "layers", "tests"]

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: rules and format."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Both type checkers."""
    session.install("-e", ".[dev]")
    session.run("mypy")
    session.run("basedpyright")


@nox.session
def layers(session: nox.Session) -> None:
    """Imports point down."""
    session.install("-e", ".[dev]")
    session.run("lint-imports", "--no-logo")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The tests on one Python; a Python that is not here is named, not assumed."""
    session.install("-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Every benchmark script, or those named after `--`."""
    session.install("-e", ".[explore]")
    for script in session.posargs or sorted(map(str, Path("benchmarks").glob("[!_]*.py"))):
        session.run("python", script)
