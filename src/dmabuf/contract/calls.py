"""Waits for calls that memory management makes: of MMU notifiers and of shrinkers.

Mirrors: mm/mmu_notifier.c (mmu_interval_read_begin, mmu_interval_notifier_remove), mm/shrinker.c,
facts

Whoever unregisters one, or begins to look at a range, waits until calls under way have ended. So
no lock that such a call takes may be held then; and as such a call may wait for fences, nobody on
the way to a signal may wait for it. That is so whether or not a call is under way at that moment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dmabuf.contract.known import Known, TaskHolder
from dmabuf.contract.modes import RECURSIVE
from dmabuf.contract.prime import NOTIFIER
from dmabuf.contract.usage import NO_IRQ
from dmabuf.mm import mmu_notifier, shrinker
from dmabuf.rt.api import Op

__all__ = ["Calls"]

_INVALIDATION = "invalidations to end"


class Calls:
    """Calls under way, and who waits for their end.

    Args:
        known: classes and holders.
    """

    def __init__(self, known: Known) -> None:
        self._known = known
        self._order = known.order

    def before(self) -> dict[Op, Callable[[TaskHolder, Op, Any], None]]:
        """What is heard before a step."""
        waits = (mmu_notifier.READ_BEGIN, mmu_notifier.REMOVE, mmu_notifier.DROP)
        return {**dict.fromkeys(waits, self._invalidation), shrinker.GO: self._shrinker}

    def after(self) -> dict[Op, Callable[[TaskHolder, Op, Any], None]]:
        """What is heard after one."""
        return {
            shrinker.GET: self._called,
            shrinker.PUT: lambda holder, _op, one: self._has_been_called(holder, one),
        }

    def _invalidation(self, holder: TaskHolder, _op: Op, _obj: Any) -> None:
        self._order.touch(holder, _INVALIDATION, self._known.roles[NOTIFIER], NO_IRQ)

    def _shrinker(self, holder: TaskHolder, _op: Op, one: Any) -> None:
        cls = self._known.of(one)
        if cls is not None:
            self._order.touch(holder, one, cls, NO_IRQ)

    def _called(self, holder: TaskHolder, _op: Op, one: Any) -> None:
        cls = self._known.of(one)
        if cls is not None and holder.task.value:
            self._order.acquire(holder, one, cls, RECURSIVE, 0, NO_IRQ)

    def _has_been_called(self, holder: TaskHolder, one: Any) -> None:
        self._order.release(holder, one)
