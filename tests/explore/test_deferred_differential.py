"""The search against the naive one, over programs of deferred work: nothing is lost.

`python -m tests.explore.test_deferred_differential 1000` compares that many programs.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from dmabuf import Mutex, Shared, SpinLock
from dmabuf.machine import Machine
from dmabuf.sync.rcu import (
    RcuHead,
    RcuPointer,
    call_rcu,
    rcu_barrier,
    rcu_read_lock,
    synchronize_rcu,
)
from dmabuf.sync.tasklet import Tasklet
from dmabuf.sync.timer import Timer
from dmabuf.sync.workqueue import DelayedWork, Work, WorkQueue
from tests.explore.comparison import (
    Compared,
    compare,
    compared,
    main,
    only_first,
    only_reads,
    weaken,
)

NAIVE = 6000


class _World:
    """The objects of one execution; only those of the families that the program uses."""

    def __init__(self, families: set[str], ordered: bool) -> None:
        self.cell, self.lock, self.spin = Shared(0, "cell"), Mutex("L"), SpinLock("s")
        if "work" in families:
            self.queue = WorkQueue("q", ordered=ordered)
            self.first = Work(lambda: self.cell.add(1), "first")
            self.second = Work(self._locked, "second")
        if "delayed" in families:
            self.slow = WorkQueue("slow", ordered=True)
            self.delayed = DelayedWork(lambda: self.cell.add(2), "delayed")
        if "timer" in families:
            self.timer = Timer(lambda: self.cell.add(4), "timer")
            self.spinner = Timer(self._spinning, "spinner")
        if "tasklet" in families:
            self.tasklet = Tasklet(self._again, "tasklet")
            self.runs = 0
        if "rcu" in families:
            self.head = RcuHead("old", "head")
            self.pointer: RcuPointer[Any] = RcuPointer(self.head, "pointer")

    @property
    def state(self) -> Any:
        """What the cell holds."""
        return self.cell._value

    def _locked(self) -> None:
        with self.lock:
            self.cell.add(8)

    def _again(self) -> None:
        self.runs += 1
        self.cell.add(32)
        if self.runs == 1:
            self.tasklet.schedule()

    def _spinning(self) -> None:
        with self.spin:
            self.cell.add(16)


def _under(lock, call):
    with lock:
        return call()


def _reads(w):
    with rcu_read_lock():
        head = w.pointer.dereference()
        return head.read() if head is not None else None


def _removes(w):
    w.pointer.assign(None)
    synchronize_rcu()


def _frees_later(w):
    if w.pointer.replace(None) is not None:
        w.head.kfree_rcu()


OPERATIONS = {
    "work": {
        "queue first": lambda w: w.queue.queue(w.first),
        "queue second": lambda w: w.queue.queue(w.second),
        "flush": lambda w: w.first.flush(),
        "cancel": lambda w: w.first.cancel(),
        "cancel_sync": lambda w: w.second.cancel_sync(),
        "cancel_sync locked": lambda w: _under(w.lock, w.second.cancel_sync),
        "flush queue": lambda w: w.queue.flush(),
        "disable": lambda w: w.first.disable(),
        "busy": lambda w: w.second.is_busy(),
        "lock": lambda w: _under(w.lock, lambda: w.cell.add(1)),
    },
    "delayed": {
        "queue delayed": lambda w: w.slow.queue_delayed(w.delayed, 1),
        "mod delayed": lambda w: w.slow.mod_delayed(w.delayed, 2),
        "cancel delayed": lambda w: w.delayed.cancel_sync(),
        "flush delayed": lambda w: w.delayed.flush_delayed(),
        "drain": lambda w: w.slow.drain(),
        "pending": lambda w: w.delayed.is_pending(),
    },
    "timer": {
        "mod": lambda w: w.timer.mod(1),
        "mod spinner": lambda w: w.spinner.mod(1),
        "reduce": lambda w: w.timer.mod(0.5, reduce=True),
        "delete": lambda w: w.timer.delete(),
        "delete_sync": lambda w: w.spinner.delete_sync(),
        "delete_sync locked": lambda w: _under(w.spin, w.spinner.delete_sync),
        "shutdown": lambda w: w.timer.shutdown(),
        "pending": lambda w: w.timer.is_pending(),
        "read": lambda w: w.cell.read(),
    },
    "tasklet": {
        "schedule": lambda w: w.tasklet.schedule(),
        "kill": lambda w: w.tasklet.kill(),
        "disable": lambda w: w.tasklet.disable(),
        "disable_nosync": lambda w: w.tasklet.disable_nosync(),
        "enable": lambda w: w.tasklet.enable(),
        "read": lambda w: w.cell.read(),
    },
    "rcu": {
        "read": _reads,
        "remove": _removes,
        "free later": _frees_later,
        "synchronize": lambda w: synchronize_rcu(),
        "call": lambda w: call_rcu(lambda: w.cell.add(1)),
        "barrier": lambda w: rcu_barrier(),
        "cell": lambda w: w.cell.read(),
    },
}


class Program(Compared):
    """One random straight-line design; the same seed gives the same one."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.families = {sorted(OPERATIONS)[seed % len(OPERATIONS)]}
        names = [(f, name) for f in sorted(self.families) for name in sorted(OPERATIONS[f])]
        self.tasks = [[rng.choice(names) for _ in range(rng.randint(1, 2))] for _ in range(2)]
        self.ordered = rng.random() < 0.5

    def _make_world(self, machine: Machine) -> _World:
        del machine
        return _World(self.families, self.ordered)

    def _do(self, name: str, world: Any, arguments: Sequence[Any]) -> Any:
        (operation,) = arguments
        return operation, repr(OPERATIONS[name][operation](world))


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 20, 5))
def test_deferred_differential_same_outcomes_as_naive_search(start):
    """The footprints of deferred work lose no outcome and no finding."""
    results = [compare(Program(seed), NAIVE) for seed in range(start, start + 5)]

    assert {"same"} <= set(results) <= {"same", "capped"}
    assert results.count("same") >= 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "seed"),
    [
        pytest.param("work.cancel", 9, id="cancel changes nothing"),
        pytest.param("timer.mod", 8, id="mod changes nothing"),
        pytest.param("timer.take", 8, id="expiry changes nothing"),
        pytest.param("rcu_pointer.assign", 46, id="assign changes nothing"),
        pytest.param("tasklet.schedule", 12, id="schedule changes nothing"),
    ],
)
def test_deferred_differential_notices_a_weakened_footprint(monkeypatch, name, seed):
    """A footprint that forgets a conflict loses outcomes of a known program, and that shows."""
    before = compare(Program(seed), NAIVE)
    weaken(monkeypatch, name, only_reads)

    after = compare(Program(seed), NAIVE)

    assert "same" == before
    assert after not in ("same", "capped")


# --- by hand: what random programs of this size do not notice ------------------------------------


def _queued_by_two(machine, log):
    queue = WorkQueue("q", ordered=True)
    items = [Work(lambda: log.append("a"), "a"), Work(lambda: log.append("b"), "b")]
    machine.kthread(lambda: queue.queue(items[0]), "A")
    machine.kthread(lambda: queue.queue(items[1]), "B")


def _asks_after_the_work(machine, log):
    queue, cell = WorkQueue("q", ordered=True), Shared(0, "cell")
    work = Work(lambda: cell.write(1), "work")
    machine.kthread(lambda: queue.queue(work), "A")
    machine.kthread(lambda: log.append((cell.read(), work.is_busy())), "B")


def _waits_for_a_writing_reader(machine, log):
    cell = Shared(0, "cell")
    RcuPointer(None, "domain")

    def read():
        with rcu_read_lock():
            cell.write(1)
            cell.write(2)

    machine.kthread(read, "A")
    machine.kthread(lambda: (synchronize_rcu(), log.append(cell.read())), "B")


def _frees_what_is_read(machine, _log):
    head = RcuHead(1, "head")
    machine.kthread(head.free, "A")
    machine.kthread(head.read, "B")


BY_HAND = [
    pytest.param("workqueue.queue", only_first, _queued_by_two, id="queue forgets it"),
    pytest.param("workqueue.end", only_reads, _asks_after_the_work, id="end reads"),
    pytest.param("rcu.begin", only_reads, _waits_for_a_writing_reader, id="begin reads"),
    pytest.param("rcu_head.free", only_reads, _frees_what_is_read, id="free reads"),
]


@pytest.mark.parametrize(("name", "how", "program"), BY_HAND)
def test_deferred_differential_by_hand_notices(monkeypatch, name, how, program):
    """Both searches agree on the program, and no longer with a weakened footprint."""
    naive = compared(program, sleep=False)
    honest = compared(program, sleep=True)
    weaken(monkeypatch, name, how)

    weakened = compared(program, sleep=True)

    assert naive == honest
    assert naive != weakened


if __name__ == "__main__":
    main(sys.argv[1:], lambda seed: compare(Program(seed), NAIVE))
