"""A program of a few lines, and the ways in it."""

from __future__ import annotations

from dmabuf.audit.front.extract import extract
from dmabuf.audit.program.program import Program
from dmabuf.audit.ways.effect import Kind, Way
from dmabuf.audit.ways.ways import Ways

__all__ = ["PATH", "allocations", "program_of", "ways_from"]

PATH = "drivers/gpu/drm/toy/toy.c"


def program_of(text: str, **others: str) -> Program:
    """A driver of one file, and other files by `folder__name`: drivers/gpu/drm/folder/name.c."""
    files = [extract(PATH, text.encode())]
    for name, more in others.items():
        path = f"drivers/gpu/drm/{name.replace('__', '/')}.c"
        files.append(extract(path, more.encode()))
    return Program(files)


def ways_from(program: Program, name: str) -> list[Way]:
    """All ways from a function."""
    routine = program.names.routines[name][0]
    return Ways(program).of(routine)


def allocations(text: str, name: str = "root", **others: str) -> list[tuple[str, ...]]:
    """The functions on each way from `name` to an allocation that may reclaim."""
    return [
        tuple(hop.callee for hop in way.hops)
        for way in ways_from(program_of(text, **others), name)
        if way.effect.kind is Kind.RECLAIM
    ]
