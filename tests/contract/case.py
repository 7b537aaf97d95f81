"""What the cases are made of: one task after the other, so that nothing really deadlocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dmabuf.contract.sections import NEWEST, Semantics
from dmabuf.machine import Machine
from dmabuf.sync.rcu import call_rcu
from tests.support import Ground

__all__ = ["Case", "as_of", "handle", "in_turn", "softirq"]

Case = Callable[[Ground], object]


def as_of(semantics: Semantics = NEWEST, *, mmu_notifier: bool = True) -> Callable[[Case], Case]:
    """Judge a case as another kernel would."""

    def mark(fn: Any) -> Case:
        fn.how = {"semantics": semantics, "mmu_notifier": mmu_notifier}
        marked: Case = fn
        return marked

    return mark


def in_turn(rt: Ground, *fns: Callable[[], object], **how: Any) -> None:
    """Run each in a task of its own, when the one before has ended or blocked."""
    for fn in fns:
        rt.spawn(fn, name=fn.__name__, **how)
        rt.settle()


def handle(rt: Ground, fn: Callable[[], object]) -> None:
    """Run a function as an interrupt handler."""
    line = Machine(rt.runtime).irq(fn, fn.__name__)
    line.raise_irq()
    rt.settle()


def softirq(rt: Ground, fn: Callable[[], object]) -> None:
    """Run a function as a softirq."""
    call_rcu(fn, rt.runtime)
    rt.settle()
