"""What functions beyond the audited files do: what a way is told where these files end.

The words only. Who finds it out is `audit.outside`; without it nothing is known beyond.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dmabuf.audit.ways.effect import Effect, Hop, LockClass, Way
from dmabuf.audit.ways.scopes import Bracket
from dmabuf.audit.ways.values import Value

__all__ = ["NOTHING", "OUTSIDE", "Beyond", "Deed", "Doing"]

OUTSIDE = "outside"
"""How a function beyond is reached, a word of `Hop.how`."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that a function does, itself or through others.

    Attributes:
        effect: what is done.
        hops: the lines from the function to it, outermost first; the last one does it.
        conditions: guards that could not be decided, as C text.
        sure: between 0 and 1.
    """

    effect: Effect
    hops: tuple[Hop, ...]
    conditions: tuple[str, ...] = ()
    sure: float = 1.0


@dataclass(frozen=True, slots=True)
class Doing:
    """A function beyond.

    Attributes:
        asks: the parameters that matter for what it does, as `Relevance` tells them.
        acts: something may be done by it, whatever it is given.
        leaves: what it leaves open, or closes.
    """

    asks: Mapping[int, bool] = field(default_factory=dict[int, bool])
    acts: bool = False
    leaves: Bracket = field(default_factory=Bracket)


class Beyond(Protocol):
    """Answers about functions that are not in a program."""

    def functions(self) -> Mapping[str, Doing]:
        """Those with a body that is known, by name."""
        raise NotImplementedError

    def deeds(
        self, name: str, values: tuple[Value, ...], scopes: frozenset[str]
    ) -> tuple[Deed, ...]:
        """What one of them does, surest first.

        Args:
            name: of the function.
            values: of its arguments, in order; shorter than them if the rest is unknown.
            scopes: that are open where it is called.
        """
        raise NotImplementedError

    def holding(self, lock: LockClass, *, in_reclaim: bool) -> Way | None:
        """A way from a function that holds a lock to something that may wait for a fence.

        Args:
            lock: the class.
            in_reclaim: it is a notifier or a shrinker that takes the lock.
        """
        raise NotImplementedError


class _Nothing:
    """Knows no function."""

    def functions(self) -> Mapping[str, Doing]:
        return {}

    def deeds(
        self, name: str, values: tuple[Value, ...], scopes: frozenset[str]
    ) -> tuple[Deed, ...]:
        del name, values, scopes
        return ()

    def holding(self, lock: LockClass, *, in_reclaim: bool) -> Way | None:
        del lock, in_reclaim
        return None


NOTHING: Beyond = _Nothing()
