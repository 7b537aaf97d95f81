"""Timeouts in Promela: a clock that passes only when a timeout is taken.

A task reads the clock, arms a timeout and waits. `now` is the time, `due[t]` the deadline of task
t, `waits[t]` the step of t that waits with it, 0 for none. A timeout may be taken where the wait
cannot end otherwise and nobody else waits for an earlier deadline, unless that one may stop for
ever and so be late. Times are counted in the greatest unit that all timeouts are multiples of.

    >>> Timeouts.of([], {}, "", in_order=True).variables(2)
    []
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dmabuf.explore.export.lines import Line
from dmabuf.explore.export.promela_words import Untranslatable, Way

__all__ = ["Timeouts"]

_GREATEST = (1 << 31) - 1
_GO_ON = Way()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The timeouts of a design.

    Attributes:
        lines: its tasks.
        me: by task number, its number in the model, from 1.
        prefix: of names.
        in_order: they are taken in order of deadlines.
        unit: ns; 0 if there are no timeouts.
    """

    lines: Sequence[Line]
    me: dict[int, int]
    prefix: str
    in_order: bool
    unit: int

    @staticmethod
    def of(lines: Sequence[Line], me: dict[int, int], prefix: str, *, in_order: bool) -> Timeouts:
        """Those of these tasks. Raises Untranslatable if they have no unit in common."""
        found = [e.timeout for line in lines for e in line.entries if e.timeout is not None]
        unit = max(math.gcd(*found), 1) if found else 0
        if sum(map(abs, found)) > _GREATEST * unit:
            raise Untranslatable("the timeouts have no unit in which 32 bits can count all of them")
        return Timeouts(lines, me, prefix, in_order, unit)

    def variables(self, size: int) -> list[str]:
        """Declarations."""
        if not self.unit:
            return []
        unit = f"int {self.prefix}now; /* in units of {self.unit} ns */"
        return [unit, f"int {self.prefix}due[{size}];", f"byte {self.prefix}waits[{size}];"]

    def clock(self, line: Line, index: int) -> list[Way]:
        """Reading the clock and arming a timeout, where what follows is a wait with a timeout."""
        p, me = self.prefix, self.me[line.number]
        entries = line.entries
        if entries[index].op == "clock.arm" and index + 1 < len(entries):
            timeout = entries[index + 1].timeout
            assert timeout is not None
            due = f"{p}due[{me}] = {p}due[{me}] + {timeout // self.unit}"
            return [Way("", (due, f"{p}waits[{me}] = {index + 2}"))]
        if index + 1 < len(entries) and entries[index + 1].op == "clock.arm":
            return [Way("", (f"{p}due[{me}] = {p}now",))]
        return [_GO_ON]

    def ways(
        self,
        line: Line,
        index: int,
        ways: list[Way],
        ends: list[Way],
        ends_of: Callable[[Line, int], list[Way]],
    ) -> list[Way]:
        """The ways of a wait with a timeout.

        Args:
            line: the task.
            index: of its step.
            ways: those without the timeout.
            ends: those of them that are the end of the wait itself.
            ends_of: the same of another step.
        """
        if line.entries[index].timeout is None:
            return ways
        p, me = self.prefix, self.me[line.number]
        turn = [f"!({way.guard or 'true'})" for way in ends]
        if self.in_order:
            turn += self._earlier(line, ends_of)
        due = f"{p}due[{me}]"
        passes = f"{p}now = ({p}now < {due} -> {due} : {p}now)"
        ways = [*ways, Way(" && ".join(turn), (passes,))]
        after = (f"{due} = 0", f"{p}waits[{me}] = 0")
        # The end of a wait for a fence has a second step, whichever way it ends: it settles or
        # reads the clock.
        then = _GO_ON if line.entries[index].op == "fence.wait" else None
        return [replace(way, does=(*way.does, *after), then=way.then or then) for way in ways]

    def _earlier(self, line: Line, ends_of: Callable[[Line, int], list[Way]]) -> list[str]:
        """For each wait of another task: it is not the one that times out before."""
        p, me = self.prefix, self.me[line.number]
        found: list[str] = []
        for other in self.lines:
            if other is line:
                continue
            number = self.me[other.number]
            for index, entry in enumerate(other.entries):
                if entry.timeout is None or entry.may_stop:
                    continue
                ends = "".join(f" || ({way.guard or 'true'})" for way in ends_of(other, index))
                stands = f"{p}waits[{number}] != {index + 1}"
                found.append(f"({stands} || {p}due[{number}] >= {p}due[{me}]{ends})")
        return found
