"""How a command ends: its complaints, the files it writes, and the exit code of what went wrong."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from dmabuf.cli.arguments import Unusable
from dmabuf.report.columns import clean
from dmabuf.report.source_finding import Audited
from dmabuf.report.style import Style
from dmabuf.report.terminal import wants_colour, width_of_terminal
from dmabuf.report.verdict import ExitCode, Trouble, Verdict

__all__ = ["complain", "end_of", "print_json", "style_of_stdout", "write_audits", "write_files"]

_BROKEN_PIPE = 141


def end_of(error: BaseException) -> int:
    """The exit code for what a command raised, after one message and no traceback."""
    if isinstance(error, Unusable):
        complain(str(error))
        return int(ExitCode.USAGE)
    if isinstance(error, KeyboardInterrupt):
        return int(ExitCode.INTERRUPTED)
    if isinstance(error, BrokenPipeError):
        _discard_stdout()
        return _BROKEN_PIPE
    return _internal(error)


def complain(message: str) -> None:
    """One line on stderr."""
    print(f"dmabuf: {clean(message)}", file=sys.stderr)


def _discard_stdout() -> None:
    """Nobody reads any more; the interpreter's flush at exit must not complain."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _internal(error: BaseException) -> int:
    if os.environ.get("DMABUF_DEBUG"):
        import traceback

        traceback.print_exception(error)
    if isinstance(error, OSError):
        complain(f"cannot go on: {error.strerror or error}")
    else:
        told = f"{type(error).__name__}: {error}"
        complain(f"internal error: {told}; please report it (DMABUF_DEBUG=1 shows where)")
    return int(ExitCode.INTERNAL)


def style_of_stdout() -> Style:
    """How wide and how colourful results may be."""
    return Style(width_of_terminal(sys.stdout), wants_colour(sys.stdout))


def print_json(data: dict[str, Any]) -> None:
    """One document on stdout."""
    print(json.dumps(data, indent=2))


def write_audits(audits: Sequence[Audited], *, html: str, sarif: str, version: str) -> ExitCode:
    """Write what was found in C source to the files of --html and --sarif, those named."""
    from dmabuf.report.audit_page import audit_page
    from dmabuf.report.export import write_text
    from dmabuf.report.sarif import sarif_document

    try:
        if html:
            write_text(html, audit_page(audits))
        if sarif:
            write_text(sarif, json.dumps(sarif_document(audits, version=version), indent=1))
    except OSError as error:
        complain(f"cannot write {error.filename}: {error.strerror}")
        return ExitCode.USAGE
    return ExitCode.CLEAN


def write_files(results: Sequence[Verdict | Trouble], *, html: str, trace: str) -> ExitCode:
    """Write the files of --html and --trace, those that are named."""
    from dmabuf.report.export import write_views

    try:
        write_views(results, html=html, trace=trace)
    except OSError as error:
        complain(f"cannot write {error.filename}: {error.strerror}")
        return ExitCode.USAGE
    return ExitCode.CLEAN
