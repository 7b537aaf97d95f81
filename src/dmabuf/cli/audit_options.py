"""What `dmabuf check` can be told about C source, and what of that goes together."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from dmabuf.audit.checks.choice import Choice, ChoiceError, read_baseline, read_suppressions
from dmabuf.cli.arguments import Unusable
from dmabuf.cli.auditing import Request
from dmabuf.report.source_finding import Level

__all__ = ["about_source", "add_audit_options", "choice_of"]

_LEVELS = [level.value for level in Level]


def add_audit_options(parser: argparse.ArgumentParser) -> None:
    """Add them, under a heading of their own."""
    group = parser.add_argument_group("C source")
    add = group.add_argument
    add("--level", choices=_LEVELS, default="warning", help="the least grave findings to show")
    add("--sarif", metavar="FILE", default="", help="write SARIF 2.1.0 with code flows")
    add("--baseline", metavar="FILE", default="", help="leave out what this --json output has")
    add("--diff", metavar="TREE", nargs=2, default=[], help="PATH in two trees: what is new")
    add("--suppressions", metavar="FILE", default="", help="lines `KEY  # reason` to leave out")
    add("--design", metavar="KEY", default="", help="write one finding as a design to stdout")
    add("--outside", action="store_true", help="look through what the rest of the tree does, too")
    add("--cache", metavar="FOLDER", default="", help="where facts are kept; - for nowhere")


def about_source(
    options: argparse.Namespace, requests: Sequence[Request], others: Sequence[str]
) -> str:
    """Why these options do not go with these paths; empty if they do."""
    given = [name for name in _SOURCE_ONLY if getattr(options, name)]
    if given and not requests:
        return f"--{given[0]} is about C source, and no PATH holds any"
    designs = any(not Path(one).is_dir() for one in others)
    if requests and options.html and designs:
        return "--html writes a page about designs or about C source; name them in two calls"
    return ""


_SOURCE_ONLY = ("sarif", "baseline", "diff", "suppressions", "design", "outside")


def choice_of(options: argparse.Namespace) -> Choice:
    """What is to be shown. Raises Unusable."""
    known = _read(options.baseline, read_baseline) if options.baseline else frozenset[str]()
    left = _read(options.suppressions, read_suppressions) if options.suppressions else []
    return Choice(Level(options.level), known, tuple(left))


_T = TypeVar("_T")


def _read(file: str, parse: Callable[[str], _T]) -> _T:
    try:
        return parse(Path(file).read_text("utf-8"))
    except OSError as error:
        raise Unusable(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Unusable(f"{file}: is no text in UTF-8") from None
    except ChoiceError as error:
        raise Unusable(f"{file}: {error}") from None
