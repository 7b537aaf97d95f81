"""Audits of one `dmabuf check`: which paths are C source, in which tree, what is found."""

from __future__ import annotations

import argparse
import atexit
import gc
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dmabuf.audit.checks.choice import Choice, choose
from dmabuf.cli.arguments import Unusable
from dmabuf.cli.ends import complain
from dmabuf.report.progress import Progress
from dmabuf.report.source_finding import Audited, Level, SourceFinding
from dmabuf.report.verdict import ExitCode, Trouble

if TYPE_CHECKING:
    from dmabuf.audit.checks.build_files import BuildFiles
    from dmabuf.audit.front.cache import Cache
    from dmabuf.audit.front.gather import Progress as FilesProgress
    from dmabuf.audit.front.shelf import Shelf
    from dmabuf.audit.kept.whole import Result
    from dmabuf.audit.outside.asking import Asked

__all__ = ["Request", "audit_one", "split", "write_design"]

_SUFFIXES = (".c", ".h")
_TREE = ("Kconfig", "Makefile", "include", "drivers")
"""What the root of a kernel tree has."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be audited.

    Attributes:
        shown: as the user named it.
        root: of the tree.
        folders: relative to the root.
    """

    shown: str
    root: Path
    folders: tuple[str, ...]


def split(paths: Sequence[str], trees: Sequence[str]) -> tuple[list[Request], list[str]]:
    """Paths that hold C source, a request for each tree; and those that may hold designs.

    Args:
        paths: of the command line.
        trees: those of --diff; then paths are relative to them.
    """
    if trees:
        return [Request(" ".join(paths), Path(trees[-1]), tuple(paths))], []
    by_root: dict[Path, list[tuple[str, str]]] = {}
    others: list[str] = []
    for path in paths:
        name, has_name = path.partition("::")[::2]
        has_c, has_python = (False, True) if has_name and name else _holds(path)
        if has_c:
            root, folder = _in_tree(Path(path))
            by_root.setdefault(root, []).append((path, folder))
        if has_python or not has_c:
            others.append(path)
    requests = [
        Request(" ".join(p for p, _f in named), root, tuple(f for _p, f in named))
        for root, named in by_root.items()
    ]
    return requests, others


def _holds(path: str) -> tuple[bool, bool]:
    """Does it hold C source, does it hold Python? A file is what its name says."""
    if not os.path.isdir(path):  # noqa: PTH112 - the name may hold anything
        return path.endswith(_SUFFIXES) and os.path.lexists(path), not path.endswith(_SUFFIXES)
    has_c = has_python = False
    for _folder, folders, files in os.walk(path):
        folders[:] = [one for one in folders if not one.startswith(".")]
        has_c = has_c or any(one.endswith(_SUFFIXES) for one in files)
        has_python = has_python or any(one.endswith(".py") for one in files)
        if has_c and has_python:
            break
    return has_c, has_python


def _in_tree(path: Path) -> tuple[Path, str]:
    """The root of the tree that a path is in, and the path in it.

    Outside of a tree reports name files as the user sees them: from the current folder.
    """
    full = Path(os.path.abspath(path))  # noqa: PTH100 - links stay what the user named
    for root in (full, *full.parents):
        if all((root / name).exists() for name in _TREE):
            return root, str(full.relative_to(root))
    here = Path.cwd()
    if full != here and full.is_relative_to(here):
        return here, str(full.relative_to(here))
    return (full, ".") if full.is_dir() else (full.parent, full.name)


def audit_one(
    request: Request, options: argparse.Namespace, choice: Choice, progress: Progress
) -> Audited | Trouble:
    """Audit one tree; with --diff what only the second one has."""
    from dmabuf.audit.front.tree import TreeError

    atexit.register(gc.freeze)  # a program that ends need not be taken apart, which takes a second
    started = time.monotonic()
    try:
        if options.diff:
            before, after = (replace(request, root=Path(tree)) for tree in options.diff)
            there = tuple(one for one in before.folders if (before.root / one).exists())
            old = _audit(replace(before, folders=there), options, progress)[1] if there else []
            known = choice.known | {finding.key for finding in old}
            choice = replace(choice, known=known)
            request = after
        audited, found = _audit(request, options, progress)
    except TreeError as error:
        return Trouble(request.shown, str(error))
    return replace(choose(audited, found, choice), seconds=time.monotonic() - started)


def _audit(
    request: Request, options: argparse.Namespace, progress: Progress
) -> tuple[Audited, list[SourceFinding]]:
    from dmabuf.audit.checks.build_files import BuildFiles
    from dmabuf.audit.front import gather as front
    from dmabuf.audit.front.cache import default_folder
    from dmabuf.audit.front.collector import no_collector
    from dmabuf.audit.kept.whole import Whole
    from dmabuf.explore.budget import parse_jobs

    def say(what: front.Progress | str) -> None:
        progress.tell(f"{request.shown}: {what if isinstance(what, str) else _standing(what)}")

    keep = default_folder() if not options.cache else Path(options.cache)

    def cache() -> Cache | None:
        return front.cache_of(request.root, keep) if options.cache != "-" else None

    try:
        jobs = parse_jobs(options.jobs)
    except ValueError as error:
        raise Unusable(str(error)) from None
    gathered = front.gather(request.root, request.folders, jobs=jobs, cache=cache(), progress=say)
    kept = _kept_at(request, keep, options)
    means = _Means(jobs, keep if options.cache != "-" else None, kept, options.outside, cache, say)
    whole = Whole(kept if not options.outside else None, gathered.files)
    notes: list[str] = []
    result = whole.recall(BuildFiles(str(request.root)).still)
    if result is None:
        build = BuildFiles(str(request.root))
        with no_collector():
            result, notes = _search(request, gathered.files, build, means)
        whole.keep(result, build.said)
    briefs = gathered.files.briefs.values()
    notes = [*gathered.notes, *whole.notes, *notes, *_bounds(result.limits)]
    audited = Audited(
        request.shown,
        files=len(briefs),
        functions=result.functions,
        bytes_read=sum(one.size for one in briefs),
        bytes_in_flaws=gathered.bytes_lost,
        notes=(*gathered.troubles[:_MOST_NOTES], *notes),
    )
    return audited, list(result.findings)


@dataclass(frozen=True, slots=True)
class _Means:
    """What an audit may use.

    Attributes:
        jobs: how many processes.
        keep: folder of the cache; None for none.
        kept: file of the last audit; None for none.
        outside: whether it looks through the rest of the tree, too.
        cache: opens that of the facts.
        say: tells how far it is.
    """

    jobs: int
    keep: Path | None
    kept: Path | None
    outside: bool
    cache: Callable[[], Cache | None]
    say: Callable[[FilesProgress | str], None]


def _search(
    request: Request, files: Shelf, build: BuildFiles, means: _Means
) -> tuple[Result, list[str]]:
    """What is found, and what has to be told of how."""
    from dmabuf.audit.checks.audit import audit
    from dmabuf.audit.checks.spread import Recipe, Spread
    from dmabuf.audit.kept.last import LastAudit
    from dmabuf.audit.kept.whole import Result
    from dmabuf.audit.outside.asking import Reading, ask
    from dmabuf.audit.ways.beyond import NOTHING

    last = LastAudit(means.kept)
    program = last.link(files)
    asked = None
    if means.outside:
        reading = Reading(means.jobs, means.keep, means.cache, means.say)
        asked = ask(request.root, program, files, reading)
    recipe = Recipe(request.root, request.folders, means.keep, means.kept)
    spread = Spread(last, program, recipe, jobs=means.jobs)
    checked = audit(
        program,
        build,
        means.say,
        asked.summaries if asked is not None else NOTHING,
        last.keeper if asked is None else None,
        spread if asked is None else None,
    )
    last.save()
    functions = sum(one.functions for one in files.briefs.values())
    notes = [*last.notes, *spread.notes, *_of_outside(asked)]
    return Result(checked.findings, checked.limits, functions), notes


def _standing(standing: FilesProgress) -> str:
    left = standing.remaining_s
    rest = f", {left:.0f} s left" if left is not None else ""
    return f"{standing.done} of {standing.total} files, {standing.rate:.0f}/s{rest}"


def _kept_at(request: Request, folder: Path, options: argparse.Namespace) -> Path | None:
    """Where this audit is kept: with and without the rest of the kernel are two."""
    from dmabuf.audit.kept.store import where

    if options.cache == "-":
        return None
    tag = ["+outside"] if options.outside else []
    return where(folder, request.root, [*request.folders, *tag])


def _of_outside(asked: Asked | None) -> Iterable[str]:
    """What was read of the rest of the tree, which is kept now."""
    if asked is not None:
        asked.keep()
        yield asked.told()
        yield from asked.troubles[:_MOST_NOTES]


def _bounds(limits: Iterable[tuple[str, int]]) -> Iterable[str]:
    """What was not followed to its end, as one line."""
    if met := ", ".join(f"{count:,} {what}" for what, count in limits):
        yield f"not followed to the end: {met}"


_MOST_NOTES = 20


def write_design(requests: Iterable[Request], options: argparse.Namespace, choice: Choice) -> int:
    """Print the finding that --design names as a Python design; returns the exit code."""
    from dmabuf.audit.checks.design import Untold, design_of

    progress = Progress(None, live=False)
    everything = replace(choice, level=Level.INFO)
    for request in requests:
        found = audit_one(request, options, everything, progress)
        if isinstance(found, Trouble):
            raise Unusable(f"{found.subject}: {found.message}")
        matching = [one for one in found.findings if one.key.startswith(options.design)]
        exact = [one for one in matching if one.key == options.design]
        for finding in exact or matching[:1]:
            if len(matching) > 1 and not exact:
                keys = ", ".join(one.key for one in matching[:3])
                raise Unusable(f"--design {options.design} is one of several: {keys}")
            try:
                print(design_of(finding), end="")
            except Untold as error:
                complain(str(error))
                return int(ExitCode.NOT_AVAILABLE)
            return 0
    raise Unusable(f"no finding has the key {options.design}; the reports name their keys")
