"""How much the validator keeps, and what it says when that is not enough.

A limit that was reached is told with the number of records it concerns; it is never a pass.

    >>> reached = Reached(Limits(classes=1))
    >>> reached.note("classes"); reached.note("classes"); reached.told()
    ['more than 1 lock classes: 2 times locks of other classes were not looked at']
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits", "Reached"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The sizes of its tables.

    Attributes:
        classes: lock classes.
        chains: different ways of having taken locks, which are remembered as looked at.
        depth: locks that one task holds at a time.
        frames: frames of a stack, the innermost ones.
        findings: different findings.
    """

    classes: int = 1 << 15
    chains: int = 1 << 18
    depth: int = 64
    frames: int = 48
    findings: int = 1000


_SAYS = {
    "classes": "lock classes: {} times locks of other classes were not looked at",
    "chains": "chains of locks: {} acquisitions were looked at without remembering it",
    "depth": "locks held by one task: {} acquisitions beyond that were not looked at",
    "frames": "frames in a stack: {} stacks were cut",
    "findings": "findings: {} others are not listed",
}


class Reached:
    """Which limits were reached, and how often.

    Args:
        limits: the limits.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.counts: dict[str, int] = {}

    def note(self, name: str) -> None:
        """One more thing did not fit."""
        self.counts[name] = self.counts.get(name, 0) + 1

    def told(self) -> list[str]:
        """A sentence for each limit that was reached."""
        return [
            f"more than {getattr(self.limits, name)} {_SAYS[name].format(count)}"
            for name, count in self.counts.items()
        ]
