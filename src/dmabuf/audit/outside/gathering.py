"""The files outside of the audited folders that the audited code calls into, linked.

Those that define a function that is called by name and known otherwise to nobody; and, for a few
rounds, those that define what these functions call. Headers are followed. What is called through
pointers out there is not looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dmabuf.audit.front.across import across
from dmabuf.audit.front.cache import Cache
from dmabuf.audit.front.code import CALL
from dmabuf.audit.front.facts import FileFacts
from dmabuf.audit.front.gather import Progress, gather
from dmabuf.audit.front.outside import Outside
from dmabuf.audit.program.program import Program
from dmabuf.audit.ways.known import KNOWN

__all__ = ["ROUNDS", "Files", "called_outside", "gather_outside"]

ROUNDS: Final = 2
"""Files of what is called, and files of what that calls."""


def called_outside(program: Program) -> frozenset[str]:
    """The functions that a program calls by name, and of which it has no body."""
    names = program.names
    return frozenset(
        name
        for name in program.tables.calling.names()
        if name not in names.routines and name not in names.macros and name not in KNOWN
    )


@dataclass(slots=True)
class Files:
    """Facts of the files outside.

    Attributes:
        files: by path: those outside, and the headers of general use of the audited part.
        wanted: the functions that were asked for and that these files define.
        read: how many files were read for it, their bytes, and bytes that were not understood.
        troubles: a sentence for each thing that was left out.
    """

    files: dict[str, FileFacts] = field(default_factory=dict[str, FileFacts])
    wanted: frozenset[str] = frozenset()
    read: tuple[int, int, int] = (0, 0, 0)
    troubles: list[str] = field(default_factory=list[str])


def gather_outside(
    root: Path,
    audited: Iterable[FileFacts],
    where: Outside,
    wanted: Iterable[str],
    *,
    jobs: int = 0,
    cache: Callable[[], Cache | None] = lambda: None,
    progress: Callable[[Progress], None] | None = None,
    rounds: int = ROUNDS,
) -> Files:
    """Read the files that define functions, and those that define what they call.

    Args:
        root: of the tree.
        audited: facts at hand; their headers of general use are taken from here.
        where: says which file defines a function.
        wanted: functions that are called.
        jobs: processes, as of `gather`.
        cache: opens the cache of facts, once a round: each round adds to it.
        progress: called after each piece of work.
        rounds: how far callees of callees are followed.
    """
    known = {facts.path: facts for facts in audited}
    out = Files(wanted=frozenset(name for name in wanted if where.files(name)))
    fresh: dict[str, FileFacts] = {}
    names = set(out.wanted)
    seen: set[str] = set()
    for _ in range(rounds):
        paths = [path for path in where.having(names - seen) if path not in known]
        seen |= names
        paths = [path for path in paths if path not in fresh]
        if not paths:
            break
        found = gather(
            root, paths, jobs=jobs, cache=cache(), progress=progress, known={**known, **fresh}
        )
        fresh.update(found.files)
        out.troubles.extend(found.troubles)
        names = _reached(fresh.values(), names)
    lost = sum(size for one in fresh.values() for _, size in one.flaws)
    out.read = (len(fresh), sum(one.size for one in fresh.values()), lost)
    general = {path: one for path, one in known.items() if _is_general(path)}
    out.files = across(dict(sorted({**general, **fresh}.items())))
    return out


def _is_general(path: str) -> bool:
    return path.endswith(".h") and path.startswith(("include/", "arch/"))


def _reached(files: Iterable[FileFacts], names: Iterable[str]) -> set[str]:
    """What these functions call by name, in these files and from there."""
    calls: dict[str, set[str]] = {}
    for facts in files:
        for function in facts.functions:
            called = calls.setdefault(function.name, set())
            for instruction in function.code:
                if instruction[0] == CALL and instruction[2][0] == "name":
                    called.add(instruction[2][1])
    found = set(names)
    todo = list(found)
    while todo:
        for name in calls.get(todo.pop(), ()):
            if name not in found and name not in KNOWN:
                found.add(name)
                todo.append(name)
    return found
