"""The fewest shortages of memory that break a design.

A design says how many allocations of a run may find memory short (`machine.memory(pressure=3)`).
What breaks already with one is easier to understand with one, so once it is known to break, fewer
are explored.

    >>> from dmabuf.machine import design
    >>> @design
    ... def allocates(machine): machine.memory(pressure=3)
    >>> pressure_of(allocates), pressure_of(Limited(allocates, 2))
    (3, 2)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

from dmabuf.machine import PRESSURE_LIMIT, Design, Machine
from dmabuf.mm.page_alloc import memory_of
from dmabuf.report.verdict import Status, Verdict
from dmabuf.rt.strategy import FirstEnabled
from dmabuf.rt.tasks import Tasks

__all__ = ["Limited", "pressure_of", "with_the_fewest"]


class Limited:
    """A design in which memory is short so many times at most.

    Args:
        design: the design.
        most: the shortages of a run.
    """

    __dmabuf_design__ = True

    def __init__(self, design: Design, most: int) -> None:
        self.design = design
        self.most = most
        self.__name__ = design.__name__
        self.__code__ = getattr(design, "__code__", None)

    def __call__(self, machine: Machine, /) -> object:
        """Construct the design's objects and start its tasks."""
        machine.rt.extras[PRESSURE_LIMIT] = self.most
        return self.design(machine)


def pressure_of(design: Design) -> int:
    """How many shortages a design asks for, so far as its body says; 0 if that cannot be run."""
    found: list[int] = []

    def body(rt: Tasks) -> None:
        with contextlib.suppress(Exception):  # the search has told what is wrong with it
            design(Machine(rt))
            memory = memory_of(rt)
            found.append(memory.pressure if memory is not None else 0)
            rt.over = True  # nothing is to run

    Tasks(FirstEnabled()).run(body)
    return found[0] if found else 0


def with_the_fewest(
    verdict: Verdict, check: Callable[[Design], Verdict], design: Design
) -> Verdict:
    """The verdict on a design that breaks, with the fewest shortages that break it.

    Args:
        verdict: with all of them.
        check: explores a design.
        design: the design.
    """
    most = pressure_of(design)
    for fewer in range(most):
        found = check(Limited(design, fewer))
        if found.status is Status.VIOLATED:
            return replace(found, notes=(*found.notes, _in_words(fewer)))
    return replace(verdict, notes=(*verdict.notes, _in_words(most))) if most else verdict


def _in_words(shortages: int) -> str:
    if not shortages:
        return "memory need not be short to break it"
    times = "once" if shortages == 1 else f"{shortages} times"
    return f"memory has to be short {times} to break it"
