"""Ways to weaken dependence, footprints and runtime, each of which the comparison must notice.

Some mistakes are none: that taking a lock only reads it, for example, is never noticed, because
whoever frees it changes it, so the order of two takers is explored all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from dmabuf.core import fence_steps, fence_wait, timeline
from dmabuf.explore.dependence import independent
from dmabuf.explore.strategies import dfs
from dmabuf.rt import tasks
from dmabuf.rt.api import READ, Op
from dmabuf.rt.cpus import Cpus
from dmabuf.sync import completion, irq_work, mutex, shared, spinlock, waitqueue

__all__ = ["MUTANTS", "Mutant"]

Apply = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutant:
    """One mistake.

    Attributes:
        name: what is wrong.
        seed: of a program that notices it.
        families: acts of the programs that may notice.
        apply: makes the mistake.
    """

    name: str
    seed: int
    families: tuple[str, ...]
    apply: Apply


def _only_reads(op: Op) -> Apply:
    """The operation claims to change nothing."""

    def apply(patch: pytest.MonkeyPatch) -> None:
        before = op.touches
        if before is None:
            patch.setattr(op, "access", READ)
        else:
            patch.setattr(op, "touches", lambda o, t: tuple((x, READ) for x, _ in before(o, t)))

    return apply


def _only_first(op: Op) -> Apply:
    """The operation forgets all objects but the first."""

    def apply(patch: pytest.MonkeyPatch) -> None:
        before = op.touches
        assert before is not None
        patch.setattr(op, "touches", lambda o, t: before(o, t)[:1])

    return apply


def _all_but_first(op: Op) -> Apply:
    """The operation forgets its first object."""

    def apply(patch: pytest.MonkeyPatch) -> None:
        before = op.touches
        assert before is not None
        patch.setattr(op, "touches", lambda o, t: before(o, t)[1:])

    return apply


def _nothing(op: Op) -> Apply:
    """The operation claims to touch nothing."""
    return lambda patch: patch.setattr(op, "touches", lambda _o, _t: ())


def _commute(relation: Callable[[Any, Any], bool]) -> Apply:
    """Another notion of independence."""
    return lambda patch: patch.setattr(dfs, "independent", relation)


def _another(where: type, name: str, replacement: Any) -> Apply:
    """Another method of the runtime."""
    return lambda patch: patch.setattr(where, name, replacement)


def _timeless(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Independence that forgets the clock, which is the first object that a runtime adopts."""
    mine, theirs = ([n for n in footprint if n >> 1 != 1] for footprint in (one, other))
    return independent(tuple(mine), tuple(theirs))


MUTANTS = (
    Mutant("everything commutes", 0, ("shared",), _commute(lambda one, other: True)),
    Mutant(
        "reads and writes commute",
        0,
        ("shared",),
        _commute(lambda one, other: not any(n & 1 and n in other for n in one)),
    ),
    Mutant(
        "only the first object counts",
        1,
        ("fence",),
        _commute(lambda a, b: not a or not b or a[0] >> 1 != b[0] >> 1 or not (a[0] | b[0]) & 1),
    ),
    Mutant("mutex.lock reads", 88, ("mutex", "shared"), _only_reads(mutex.LOCK)),
    Mutant("mutex.unlock reads", 5, ("mutex", "shared"), _only_reads(mutex.UNLOCK)),
    Mutant("mutex.trylock reads", 24, ("mutex", "shared"), _only_reads(mutex.TRYLOCK)),
    Mutant("mutex.is_locked sees nothing", 1, ("mutex",), _nothing(mutex.IS_LOCKED)),
    Mutant("spinlock.unlock reads", 12, ("spin", "shared"), _only_reads(spinlock.SPIN_UNLOCK)),
    Mutant("spinlock.trylock reads", 30, ("spin", "shared"), _only_reads(spinlock.SPIN_TRYLOCK)),
    Mutant("shared.read sees nothing", 0, ("shared",), _nothing(shared.LOAD)),
    Mutant("shared.write reads", 10, ("shared",), _only_reads(shared.STORE)),
    Mutant("shared.add reads", 1, ("shared",), _only_reads(shared.ADD)),
    Mutant("shared.exchange reads", 0, ("shared",), _only_reads(shared.EXCHANGE)),
    Mutant("completion.complete reads", 0, ("completion",), _only_reads(completion.COMPLETE)),
    Mutant(
        "completion.complete_all reads", 10, ("completion",), _only_reads(completion.COMPLETE_ALL)
    ),
    Mutant("completion.wait reads", 14, ("completion",), _only_reads(completion.WAIT)),
    Mutant("completion.try_wait reads", 258, ("completion",), _only_reads(completion.TRY_WAIT)),
    Mutant("completion.reinit reads", 54, ("completion",), _only_reads(completion.REINIT)),
    Mutant("waitqueue.prepare reads", 11, ("queue",), _only_reads(waitqueue.PREPARE)),
    Mutant("waitqueue.wake reads", 42, ("queue",), _only_reads(waitqueue.WAKE)),
    Mutant("fence.signal reads", 1, ("fence",), _only_reads(fence_steps.SIGNAL)),
    Mutant("fence.signal ignores the lock", 1, ("fence",), _only_first(fence_steps.SIGNAL)),
    Mutant("fence.unlock reads", 159, ("fence",), _only_reads(fence_steps.UNLOCK)),
    Mutant("fence.unlock ignores the lock", 159, ("fence",), _only_first(fence_steps.UNLOCK)),
    Mutant("fence.wait ignores the lock", 159, ("fence",), _only_first(fence_steps.WAIT)),
    Mutant("fence.look sees nothing", 174, ("fence", "time"), _nothing(fence_steps.LOOK)),
    Mutant("fence.add_callback reads", 164, ("fence",), _only_reads(fence_steps.ADD_CALLBACK)),
    Mutant("fence.is_signaled sees nothing", 1, ("fence",), _nothing(fence_steps.TEST)),
    Mutant("timeline.draw reads", 10, ("dynamic", "fence"), _only_reads(timeline.DRAW)),
    Mutant("wait_any.wake reads", 5, ("any",), _only_reads(fence_wait.WAKE)),
    Mutant("irq_work.queue reads", 3, ("work", "shared"), _only_reads(irq_work.QUEUE)),
    Mutant(
        "handlers and the CPUs they take commute",
        42,
        ("irq", "spin"),
        _another(Cpus, "widen", lambda _self, _task, touched: touched),
    ),
    Mutant("nobody touches the clock", 0, ("time",), _commute(_timeless)),
    Mutant("clock.arm sees nothing", 0, ("time",), _nothing(tasks.CLOCK_ARM)),
    Mutant("clock.now sees nothing", 0, ("time",), _nothing(tasks.CLOCK_NOW)),
)
"""All of them are noticed; `test_differential` says so."""
