"""ww_mutex and dma_resv: the search against the naive one.

Random straight-line programs over acquire contexts, reservation objects and fences come to the
same ends and the same findings with and without reduction, and a footprint that hides something
is noticed.

`python -m tests.explore.test_resv_differential 10000` compares that many programs.
"""

from __future__ import annotations

import random
import sys
from typing import Any

import pytest

from dmabuf import Machine, Timeline
from dmabuf.core.resv import Resv, Usage
from dmabuf.core.resv_iter import ResvIter
from dmabuf.errors import Interrupted, WouldDeadlock
from dmabuf.sync.ww_acquire import ww_acquire
from tests.explore.comparison import (
    Compared,
    compare,
    main,
    nothing,
    only_first,
    only_reads,
    weaken,
)

EXECUTIONS = 1500
SHORT = 500
PROGRAMS = 40
_KINDS = ("kthread", "kthread", "kthread", "userspace")


class _World:
    """The objects of one execution: two objects with a slot taken, and two timelines' fences."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.resvs = [Resv("R"), Resv("S")]
        lines = [Timeline("x"), Timeline("y")]
        self.fences = [line.fence() for line in lines for _ in range(2)]

    @property
    def state(self) -> tuple[Any, ...]:
        """Slots, references, who holds and who queues, by name."""
        return (
            tuple(tuple(_slots(resv)) for resv in self.resvs),
            tuple((f.name, f._state.references, f._state.flags) for f in self.fences),
            tuple(
                (str(resv.ww.owner), tuple(task.name for task, _ctx in resv.ww.queue))
                for resv in self.resvs
            ),
        )


def _slots(resv: Resv) -> list[tuple[str, int]]:
    entries = resv.fences.entries if resv.fences is not None else []
    return [(fence.name, int(usage)) for fence, usage in entries]


def _adds(usage: Usage) -> Any:
    def operation(world: Any, x: int, y: int) -> Any:
        with world.resvs[x % 2] as resv:
            resv.reserve_fences(1)
            resv.add_fence(world.fences[y], usage)
            return _slots(resv)

    return operation


def _replaces(world: Any, x: int, y: int) -> None:
    with world.resvs[x % 2] as resv:
        resv.replace_fences(world.fences[x].context, world.fences[y], Usage.READ)


def _grows(world: Any, x: int, _y: int) -> None:
    with world.resvs[x % 2] as resv:
        resv.reserve_fences(6)


def _copies(world: Any, x: int, _y: int) -> Any:
    with world.resvs[x % 2] as resv:
        resv.copy_fences(world.resvs[1 - x % 2])
        return _slots(resv)


def _walks(world: Any, x: int, _y: int) -> Any:
    with ResvIter(world.resvs[x % 2], Usage.READ) as cursor:
        return [(fence.name, cursor.is_restarted) for fence in cursor]


def _gets(world: Any, x: int, _y: int) -> Any:
    return [fence.name for fence in world.resvs[x % 2].get_fences(Usage.BOOKKEEP)]


def _waits(world: Any, x: int, y: int) -> Any:
    try:
        return world.resvs[x % 2].wait(Usage.READ, (None, 1.0, 0, 2.0)[y])
    except Interrupted:
        return "interrupted"


def _both(world: Any, x: int, _y: int) -> Any:
    """Take both in some order, backing off once."""
    first, second = world.resvs[x % 2], world.resvs[1 - x % 2]
    with ww_acquire() as ctx:
        ctx.lock(first)
        try:
            ctx.lock_interruptible(second)
        except WouldDeadlock:
            ctx.unlock_all()
            ctx.lock_slow()
            return "backed off"
        except Interrupted:
            return "interrupted"
        return ctx.acquired


def _takes_one(world: Any, x: int, y: int) -> Any:
    with ww_acquire() as ctx:
        return world.resvs[x % 2].ww.trylock(ctx) if y % 2 else ctx.lock(world.resvs[x % 2])


def _tries(world: Any, x: int, _y: int) -> Any:
    resv = world.resvs[x % 2]
    if not resv.trylock():
        return False
    resv.unlock()
    return True


OPERATIONS: dict[str, Any] = {
    "add write": _adds(Usage.WRITE),
    "add read": _adds(Usage.READ),
    "replace": _replaces,
    "grow": _grows,
    "copy": _copies,
    "walk": _walks,
    "get": _gets,
    "wait": _waits,
    "both": _both,
    "both again": _both,
    "one": _takes_one,
    "trylock": _tries,
    "is locked": lambda w, x, y: w.resvs[x % 2].is_locked(),
    "test": lambda w, x, y: w.resvs[x % 2].test_signaled(Usage.READ),
    "signal fence": lambda w, x, y: w.fences[y].signal(),
    "signal task": lambda w, x, y: w.machine.rt.interrupt(w.tasks[x % len(w.tasks)]),
}


_LOCKING = ("both", "both again", "one", "trylock", "is locked", "signal task")
_CHANGING = ("add write", "add read", "replace", "grow", "copy", "signal fence")
_LOOKING = ("walk", "get", "wait", "test")


class Program(Compared):
    """One random design; the same seed gives the same one."""

    operations = OPERATIONS

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        family = rng.choice((_LOCKING, _CHANGING, _CHANGING))
        other = rng.choice((_LOOKING, _LOOKING, _LOCKING, sorted(OPERATIONS)))
        self.tasks = [
            [
                (rng.choice(names), int(rng.random() < 0.25), rng.randrange(4))
                for _ in range(rng.randint(1, 2))
            ]
            for names in (family, other, family)[: 2 + (rng.random() < 0.2)]
        ]
        self.kinds = [rng.choice(_KINDS) for _ in self.tasks]
        self.filled = rng.randrange(3)

    def _make_world(self, machine: Machine) -> _World:
        world = _World(machine)
        with world.resvs[0] as resv:
            resv.reserve_fences(2)
            for fence in world.fences[: 2 * self.filled : 2]:
                resv.add_fence(fence, Usage.READ)
        return world


WEAKENED = [
    pytest.param("ww_mutex.lock", only_reads, 5, id="asking for the lock reads only"),
    pytest.param("ww_mutex.unlock", only_reads, 17, id="unlocking reads only"),
    pytest.param("ww_mutex.trylock", only_reads, 43, id="trying reads only"),
    pytest.param("ww_mutex.is_locked", nothing, 43, id="asking touches nothing"),
    pytest.param("resv.restart", only_first, 7, id="a walk begins without looking at the list"),
    pytest.param("resv.set", only_reads, 7, id="setting a slot reads only"),
]


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, PROGRAMS, 20))
def test_resv_differential_same_outcomes_as_naive_search(start: int) -> None:
    """Sleep sets lose no outcome and no finding on random programs over these objects."""
    results = [compare(Program(seed), SHORT) for seed in range(start, start + 20)]

    assert {"same"} <= set(results) <= {"same", "capped"}
    assert results.count("capped") <= 14


@pytest.mark.slow
@pytest.mark.parametrize(("name", "how", "seed"), WEAKENED)
def test_resv_differential_notices_a_weakened_footprint(
    monkeypatch: pytest.MonkeyPatch, name: str, how: Any, seed: int
) -> None:
    """A footprint that hides what the step reads or changes loses outcomes, and that shows."""
    weaken(monkeypatch, name, how)

    assert compare(Program(seed), SHORT) not in ("same", "capped")


if __name__ == "__main__":
    main(sys.argv[1:], lambda seed: compare(Program(seed), EXECUTIONS))
