"""Sync objects and implicit fence poll: the search against the naive one.

Random straight-line programs over sync objects, their waits and eventfds, and over polls of a
buffer, come to the same ends and the same findings with and without reduction, and a footprint
that hides something is noticed.

`python -m tests.explore.test_syncobj_differential 10000` compares that many programs.
"""

from __future__ import annotations

import errno
import random
import sys
from typing import Any

import pytest

from dmabuf import Machine, Timeline
from dmabuf.core.dma_buf_poll import Events, ImplicitPoll
from dmabuf.core.resv import Resv, Usage
from dmabuf.core.syncobj import SyncObj
from dmabuf.core.syncobj_eventfd import add_eventfd
from dmabuf.core.syncobj_wait import WaitFlags, wait
from dmabuf.errors import Interrupted
from dmabuf.sync.eventfd import EventFd
from tests.explore.comparison import Compared, compare, main, nothing, only_reads, weaken

EXECUTIONS = 1500
SHORT = 500
PROGRAMS = 40
_KINDS = ("kthread", "kthread", "kthread", "userspace")


class _World:
    """The objects of one execution: two sync objects, a buffer's poll, fences, an eventfd."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.objs = [SyncObj("O"), SyncObj("P")]
        lines = [Timeline("x"), Timeline("y")]
        self.fences = [line.fence() for line in lines for _ in range(2)]
        self.ready = EventFd("ready")
        self.resv = Resv("R")
        self.pins: list[str] = []
        self.poll = ImplicitPoll(
            self.resv, lambda: self.pins.append("pin"), lambda: self.pins.append("unpin")
        )

    @property
    def state(self) -> tuple[Any, ...]:
        """What is where, references, who waits, by name."""
        return (
            tuple(
                (_name(obj.fence), obj.references, len(obj.waiters), len(obj.eventfds))
                for obj in self.objs
            ),
            tuple((f.name, f._state.references, f._state.flags) for f in self.fences),
            self.ready.count,
            (self.poll.active, len(self.poll.waiters), len(self.pins) % 2),
        )


def _name(fence: Any) -> Any:
    """A chain by its points, as contexts are numbered by whoever comes first."""
    if fence is None or not hasattr(fence, "prev_seqno"):
        return getattr(fence, "name", None)
    return (fence.seqno, fence.prev_seqno, _name(fence.fence))


def _adds(world: Any, x: int, y: int) -> None:
    world.objs[x].add_point(world.fences[y], 1 + y)


def _waits(flags: int, point: int = 0, timeout: int | None = None) -> Any:
    def operation(world: Any, x: int, y: int) -> Any:
        limit = (1 << 63) - 1 if timeout is None else timeout
        objs = [world.objs[x]] if y % 2 else [world.objs[x], world.objs[1 - x]]
        try:
            return wait(objs, limit, points=[point] * len(objs), flags=flags)
        except Interrupted:
            return "interrupted"
        except OSError as error:
            return errno.errorcode[error.errno or 0]

    return operation


def _finds(*, for_submit: bool) -> Any:
    def operation(world: Any, x: int, y: int) -> Any:
        try:
            fence = world.objs[x].find_fence(y % 2, for_submit=for_submit)
        except Interrupted:
            return "interrupted"
        except OSError as error:
            return errno.errorcode[error.errno or 0]
        fence.put()
        return fence.seqno

    return operation


def _registers(*, available: bool) -> Any:
    def operation(world: Any, x: int, y: int) -> None:
        add_eventfd(world.objs[x], world.ready, y % 2, available=available)

    return operation


def _uses(usage: Usage) -> Any:
    def operation(world: Any, _x: int, y: int) -> None:
        with world.resv:
            world.resv.reserve_fences(1)
            world.resv.add_fence(world.fences[y], usage)

    return operation


def _polls(world: Any, x: int, y: int) -> Any:
    told: list[Any] = []
    ready = world.poll.poll(Events.IN if x else Events.OUT, told.append if y % 2 else None)
    return ready, world.poll.forget(told.append)


def _sleeps(world: Any, x: int, y: int) -> Any:
    try:
        return world.poll.wait(Events.IN if x else Events.OUT, (None, 1.0, 0, 2.0)[y])
    except Interrupted:
        return "interrupted"


ALL, FOR_SUBMIT, AVAILABLE = map(int, (WaitFlags.ALL, WaitFlags.FOR_SUBMIT, WaitFlags.AVAILABLE))

OPERATIONS: dict[str, Any] = {
    "replace": lambda w, x, y: w.objs[x].replace_fence(w.fences[y]),
    "reset": lambda w, x, _y: w.objs[x].replace_fence(None),
    "add": _adds,
    "add again": _adds,
    "wait": _waits(0),
    "wait a second": _waits(ALL, timeout=10**9),
    "look": _waits(0, timeout=0),
    "wait for submit": _waits(FOR_SUBMIT),
    "wait for all": _waits(FOR_SUBMIT | ALL, point=1),
    "wait available": _waits(AVAILABLE, point=1),
    "wait for submit a second": _waits(AVAILABLE, timeout=10**9),
    "find": _finds(for_submit=False),
    "find for submit": _finds(for_submit=True),
    "query": lambda w, x, y: w.objs[x].query(last_submitted=bool(y % 2)),
    "eventfd": _registers(available=False),
    "eventfd available": _registers(available=True),
    "read": lambda w, _x, _y: w.ready.read(1.0),
    "count": lambda w, _x, _y: w.ready.read_nowait(),
    "readable": lambda w, _x, _y: w.ready.is_readable(),
    "get and put": lambda w, x, _y: w.objs[x].get().put(),
    "put": lambda w, x, _y: w.objs[x].put(),
    "use for writing": _uses(Usage.WRITE),
    "use for reading": _uses(Usage.READ),
    "poll": _polls,
    "poll and sleep": _sleeps,
    "signal fence": lambda w, x, y: w.fences[y].signal(),
    "signal task": lambda w, x, y: w.machine.rt.interrupt(w.tasks[x % len(w.tasks)]),
}

_CHANGING = ("replace", "reset", "add", "add again", "signal fence", "get and put")
_WAITING = ("wait", "wait for submit", "wait for all", "wait available", "look", "find for submit")
_LOOKING = ("find", "query", "eventfd", "eventfd available", "read", "count", "readable")
_USING = ("use for writing", "use for reading", "signal fence", "poll")
_POLLING = ("poll", "poll and sleep", "poll and sleep")
_FAMILIES = (
    (_CHANGING, _WAITING),
    (_CHANGING, _WAITING),
    (_CHANGING, _LOOKING),
    (_USING, _POLLING),
    (_CHANGING, _CHANGING),
)


class Program(Compared):
    """One random design; the same seed gives the same one."""

    operations = OPERATIONS

    def __init__(self, seed: int = 0, *tasks: list[tuple[str, int, int]]) -> None:
        rng = random.Random(seed)
        family, other = rng.choice(_FAMILIES)
        other = rng.choice((other, other, other, sorted(OPERATIONS)))
        self.tasks = [
            [
                (rng.choice(names), int(rng.random() < 0.25), rng.randrange(4))
                for _ in range(1 + (rng.random() < 0.3))
            ]
            for names in (family, other, family)[: 2 + (rng.random() < 0.1)]
        ]
        self.kinds = [rng.choice(_KINDS) for _ in self.tasks]
        self.filled = rng.randrange(3)
        if tasks:
            self.tasks, self.kinds, self.filled = [*tasks], ["kthread"] * len(tasks), 1

    def _make_world(self, machine: Machine) -> _World:
        world = _World(machine)
        if self.filled == 1:
            world.objs[0].replace_fence(world.fences[0])
        elif self.filled == 2:
            world.objs[0].add_point(world.fences[1], 1)
        if self.filled:
            _uses(Usage.READ)(world, 0, 2)
        return world


_COUNTS = [("eventfd available", 0, 0)]
# What a wait is handed or woken by is noticed by none: each such step goes with one on the lock or
# the fence, which orders them all the same.
WEAKENED = [
    pytest.param(
        "syncobj.swap", only_reads, [("find", 1, 0)], [("replace", 1, 0)], id="swap reads"
    ),
    pytest.param(
        "syncobj.fence_get", nothing, [("find", 0, 0)], [("reset", 0, 0)], id="no fence_get"
    ),
    pytest.param("syncobj.get", nothing, [("get and put", 0, 0)], [("put", 0, 0)], id="no get"),
    pytest.param("eventfd.signal", nothing, [("count", 0, 0)], _COUNTS, id="no signal"),
    pytest.param("eventfd.look", nothing, [("count", 0, 0)], _COUNTS, id="no look"),
    pytest.param("eventfd.poll", nothing, [("readable", 0, 0)], _COUNTS, id="no poll"),
]


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, PROGRAMS, 20))
def test_syncobj_differential_same_outcomes_as_naive_search(start: int) -> None:
    """Sleep sets lose no outcome and no finding on random programs over these objects."""
    results = [compare(Program(seed), SHORT) for seed in range(start, start + 20)]

    assert {"same"} <= set(results) <= {"same", "capped"}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "how", "one", "other"), WEAKENED)
def test_syncobj_differential_notices_a_weakened_footprint(
    monkeypatch: pytest.MonkeyPatch, name: str, how: Any, one: Any, other: Any
) -> None:
    """A footprint that hides what the step reads or changes loses outcomes, and that shows."""
    assert "same" == compare(Program(0, one, other), SHORT)
    weaken(monkeypatch, name, how)

    assert compare(Program(0, one, other), SHORT) not in ("same", "capped")


if __name__ == "__main__":
    main(sys.argv[1:], lambda seed: compare(Program(seed), SHORT))
