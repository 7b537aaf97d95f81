"""The functions that a way goes through, with where it leaves each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.effect import Hop

__all__ = ["passed"]


def passed(hops: Iterable[Hop], program: Program) -> Iterator[tuple[Hop, Routine]]:
    """Each hop with its function; one whose function is not in the program is left out.

    Args:
        hops: of a way.
        program: where functions are looked up.
    """
    for hop in hops:
        routine = program.function(hop.place.function, hop.place.file)
        if routine is not None:
            yield hop, routine
