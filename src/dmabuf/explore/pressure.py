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

from dmabuf.explore.search import Budget
from dmabuf.machine import PRESSURE_LIMIT, Design, Machine
from dmabuf.mm.page_alloc import memory_of
from dmabuf.report.verdict import Status, Verdict
from dmabuf.rt.strategy import FirstEnabled
from dmabuf.rt.tasks import Tasks

__all__ = ["Limited", "pressure_of", "with_the_fewest"]

_SECONDS = 2.0
"""For the searches with fewer shortages, all together, on top of the budget of the first."""


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
    verdict: Verdict, check: Callable[[Design, Budget], Verdict], design: Design
) -> Verdict:
    """The verdict on a design that breaks, led by what the fewest shortages break.

    Args:
        verdict: with all of them.
        check: explores a design within a budget of its own.
        design: the design.
    """
    most = pressure_of(design)
    is_sure = True
    for fewer in range(most):
        found = check(Limited(design, fewer), Budget(seconds=_SECONDS / most))
        if found.status is Status.VIOLATED:
            known = {(one.code, one.message) for one in found.findings}
            others = [one for one in verdict.findings if (one.code, one.message) not in known]
            note = _in_words(fewer, is_sure=is_sure)
            return replace(
                verdict, findings=(*found.findings, *others), notes=(*verdict.notes, note)
            )
        is_sure = is_sure and found.status is Status.PROVED
    if not most:
        return verdict
    return replace(verdict, notes=(*verdict.notes, _in_words(most, is_sure=is_sure)))


def _in_words(shortages: int, *, is_sure: bool) -> str:
    if not shortages:
        return "memory need not be short to break it"
    times = "once" if shortages == 1 else f"{shortages} times"
    if is_sure:
        return f"memory has to be short {times} to break it"
    return f"it breaks with memory short {times}; whether less will do was not explored to the end"
