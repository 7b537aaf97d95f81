"""Results written to files beside the text: a page, a trace.

>>> unwritable("no/such/folder/report.html")
'cannot write no/such/folder/report.html: there is no folder no/such/folder'
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from dmabuf.report.verdict import Trouble, Verdict

__all__ = ["unwritable", "write_text", "write_views"]


def unwritable(*files: str) -> str:
    """Why one of the files can never be written; empty if nothing is known against them."""
    for file in filter(None, files):
        path = Path(file)
        if path.is_dir():
            return f"cannot write {file}: it is a folder; name a file in it"
        if not path.parent.is_dir():
            return f"cannot write {file}: there is no folder {path.parent}"
    return ""


def write_views(results: Sequence[Verdict | Trouble], *, html: str = "", trace: str = "") -> None:
    """Write the page and the trace to the files that are named. Raises OSError."""
    if html:
        from dmabuf.report.html import html_page

        write_text(html, html_page(results))
    if trace:
        from dmabuf.report.chrome import trace_data

        write_text(trace, json.dumps(trace_data(results), indent=1))


def write_text(file: str, text: str) -> None:
    """Write one file. Raises OSError that names it."""
    try:
        Path(file).write_text(text, "utf-8", errors="backslashreplace")
    except OSError as error:  # a full disk does not say which file it is
        raise OSError(error.errno, error.strerror, file) from None
