"""The validator: what it costs on a run that does little but lock, and how it grows.

    python benchmarks/validator.py [--json] [--check]

Lock-heavy: two locks, taken one inside the other, one microsecond of work in the inner section.
The base is our own mutex that nobody observes; beside it stand the same with an instrument that
only listens, with the validator, with a plain dict from (held, taken) to a count, fed by the same
steps, and threading.Lock. Ratios of CPU time, as the machines that run this are shared.

Growth: 10,000 classes and a million acquisitions, in chains of up to five locks of which 60,000
are new, fed to the core as plain records; a plain dict of the same pairs stands beside it, which
finds no cycle. Then the same chains with all classes in an order that opposes their use.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

from _measure import Must, finish, medians, options

from dmabuf.contract.classes import LockClass
from dmabuf.contract.order import Holder, Order
from dmabuf.contract.validator import Validator
from dmabuf.rt.ambient import use
from dmabuf.rt.api import Op, Outcome, Task
from dmabuf.rt.threads import Threads
from dmabuf.sync.mutex import LOCK, UNLOCK, Mutex

PASSES = 2_000
ROUNDS = 15
WORK_NS = 1_000
CLASSES = 10_000
ACQUISITIONS = 1_000_000
NEW = 60_000
COST_MAX = 4.0
SECONDS_MAX = 60.0


class Ear:
    """Listens, and does nothing with it."""

    def announced(self, task: Task, op: Op, obj: Any) -> None:
        """Before a step."""

    def stepped(self, task: Task, op: Op, obj: Any, outcome: Outcome) -> None:
        """After one."""

    def blocked(self, task: Task, op: Op, obj: Any) -> None:
        """A wait."""

    def created(self, task: Task, obj: Any) -> None:
        """A new object."""

    def reported(self, code: str, message: str) -> None:
        """A broken rule."""


class Pairs(Ear):
    """Counts which lock is taken while which is held, and draws no conclusion."""

    def __init__(self) -> None:
        self.pairs: dict[tuple[int, int], int] = {}
        self.held: list[int] = []

    def announced(self, task: Task, op: Op, obj: Any) -> None:
        """A lock is asked for."""
        if op is LOCK:
            for held in self.held:
                pair = (held, id(obj))
                self.pairs[pair] = self.pairs.get(pair, 0) + 1
            self.held.append(id(obj))

    def stepped(self, task: Task, op: Op, obj: Any, outcome: Outcome) -> None:
        """A lock is free."""
        if op is UNLOCK:
            self.held.pop()


def work() -> None:
    """A microsecond."""
    until = time.perf_counter_ns() + WORK_NS
    while time.perf_counter_ns() < until:
        pass


def sections(outer: Any, inner: Any) -> float:
    """CPU nanoseconds of one pass through both locks."""
    started = time.thread_time_ns()
    for _ in range(PASSES):
        with outer, inner:
            work()
    return (time.thread_time_ns() - started) / PASSES


def lock_heavy(make: Callable[[], Any] | None) -> Callable[[], float]:
    """Two mutexes on a runtime with what `make` makes attached to it."""

    def measure() -> float:
        runtime = Threads()
        with use(runtime):
            if make is None:
                return sections(Mutex("A"), Mutex("B"))
            listener = make()
            if isinstance(listener, Validator):
                listener.attach(runtime)
            else:
                runtime.attach(listener)
            return sections(Mutex("A"), Mutex("B"))

    return measure


def plain_locks() -> float:
    """The same with the locks of `threading`."""
    return sections(threading.Lock(), threading.Lock())


def chains(seed: int) -> list[list[int]]:
    """Chains of locks, by number in the order of their taking: the first are new, others not."""
    chance = random.Random(seed)
    found: list[list[int]] = []
    taken = 0
    while taken < NEW:
        base = chance.randrange(CLASSES - 200)
        chain = sorted(chance.sample(range(base, base + 200), chance.randint(1, 5)))
        found.append(chain)
        taken += len(chain)
    return found


def grow(names: list[int]) -> tuple[float, float]:
    """Seconds of the core, and of a dict of pairs, for the same records."""
    made = chains(1)
    started = time.process_time()
    order = Order(print)
    classes: list[LockClass] = []
    for number in range(CLASSES):
        cls = order.classes.of(number, f"lock {number}")
        assert cls is not None
        classes.append(cls)
    holder = Holder("one")
    count = 0
    while count < ACQUISITIONS:
        for chain in made:
            for number in chain:
                cls = classes[names[number]]
                order.acquire(holder, cls, cls)
            for number in reversed(chain):
                order.release(holder, classes[names[number]])
            count += len(chain)
    core = time.process_time() - started
    assert not order.reached.told()
    return core, _pairs(made, names)


def _pairs(made: list[list[int]], names: list[int]) -> float:
    started = time.process_time()
    pairs: dict[tuple[int, int], int] = {}
    held: list[int] = []
    count = 0
    while count < ACQUISITIONS:
        for chain in made:
            for number in chain:
                for one in held:
                    pair = (one, names[number])
                    pairs[pair] = pairs.get(pair, 0) + 1
                held.append(names[number])
            held.clear()
            count += len(chain)
    return time.process_time() - started


def main() -> int:
    """Measure and print."""
    args = options(__doc__)
    found = medians(
        {
            "mutex, unobserved": lock_heavy(None),
            "mutex, an idle instrument": lock_heavy(Ear),
            "mutex, a dict of pairs": lock_heavy(Pairs),
            "mutex, the validator": lock_heavy(Validator),
            "threading.Lock": plain_locks,
        },
        rounds=ROUNDS,
    )
    base = found["mutex, unobserved"]
    rows = {name: {"ns a pass": value, "cost": value / base} for name, value in found.items()}
    shuffled = list(range(CLASSES))
    random.Random(2).shuffle(shuffled)
    musts = [
        Must(
            "lock-heavy run, at most four times", COST_MAX / rows["mutex, the validator"]["cost"], 1
        )
    ]
    for title, names in (("made in order", list(range(CLASSES))), ("made in no order", shuffled)):
        core, dict_s = grow(names)
        rows[f"10^4 classes, 10^6 acquisitions, {title}"] = {"s": core}
        rows[f"the same pairs in a dict, {title}"] = {"s": dict_s}
        musts.append(Must(f"{title}, at most 60 s", SECONDS_MAX / core, 1))
    return finish(args, rows, "CPU time", musts)


if __name__ == "__main__":
    raise SystemExit(main())
