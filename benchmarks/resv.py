"""Reservation objects: what a call costs, and how it grows.

    python benchmarks/resv.py [--json] [--check]

Beside each call stands a dict from context to (fence, usage) behind a threading.Lock, which keeps
one fence per context and knows nothing of slots, usages, owners or acquire contexts. Growth: one
buffer passed between three contexts a million times; ten thousand objects taken in one acquire
context and freed in three orders, against a tenth of them (1.0 is linear).
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from _measure import Must, finish, medians, options

from dmabuf.core.fence import Fence
from dmabuf.core.resv import Resv, Usage, usage_rw
from dmabuf.core.timeline import Timeline
from dmabuf.sync.ww_acquire import WwAcquire, ww_acquire

BATCH = 2_000
ROUNDS = 30
PASSES = 1_000_000
MANY = 10_000
FENCES_MAX = 3
GROWTH_MAX = 1.5

lines = [Timeline(f"context {n}") for n in range(3)]


class Plain:
    """One fence per context behind a lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.fences: dict[int, tuple[Fence, int]] = {}

    def add(self, fence: Fence, usage: int) -> None:
        """Have it instead of the context's older one."""
        with self.lock:
            self.fences[fence.context] = (fence, usage)

    def wait(self, usage: int) -> None:
        """Wait for all that have at most this usage."""
        with self.lock:
            fences = [fence for fence, its in self.fences.values() if its <= usage]
        for fence in fences:
            fence.wait()


def each(work: Callable[[], object], count: int = BATCH) -> Callable[[], float]:
    """Nanoseconds of one of `count` calls."""

    def measure() -> float:
        started = time.perf_counter_ns()
        for _ in range(count):
            work()
        return (time.perf_counter_ns() - started) / count

    return measure


def calls() -> dict[str, dict[str, float]]:
    """Nanoseconds a call, ours and plain."""
    resv, plain, lock = Resv("bo"), Plain(), threading.Lock()
    done = lines[0].fence()
    done.signal()
    idle, plain_idle = Resv("idle"), Plain()

    def add() -> None:
        fence = lines[0].fence()
        resv.lock()
        resv.reserve_fences(1)
        resv.add_fence(fence, Usage.WRITE)
        resv.unlock()

    def locked() -> None:
        resv.lock()
        resv.unlock()

    def plain_locked() -> None:
        with lock:
            pass

    with idle:
        idle.reserve_fences(1)
        idle.add_fence(done, Usage.WRITE)
    plain_idle.add(done, Usage.WRITE)
    found = medians(
        {
            "lock": each(locked),
            "plain lock": each(plain_locked),
            "add": each(add),
            "plain add": each(lambda: plain.add(lines[0].fence(), Usage.WRITE)),
            "wait": each(lambda: idle.wait(Usage.READ)),
            "plain wait": each(lambda: plain_idle.wait(Usage.READ)),
            "test": each(lambda: idle.test_signaled(usage_rw(write=True))),
        },
        rounds=ROUNDS,
    )
    ours = {name: value for name, value in found.items() if not name.startswith("plain ")}
    return {
        "Resv": ours,
        "dict and lock": {
            name.removeprefix("plain "): value for name, value in found.items() if name not in ours
        },
    }


def passed(count: int) -> tuple[float, int]:
    """Seconds for so many passes of one buffer between three contexts; the most fences it had.

    Work of a context is done three passes later, so each of them has a pending fence in it.
    """
    resv = Resv("frame")
    pending = deque(lines[turn % 3].fence() for turn in range(3))
    most = 0
    started = time.perf_counter()
    for turn in range(count):
        fence = lines[turn % 3].fence()
        with resv:
            resv.reserve_fences(1)
            resv.add_fence(fence, Usage.WRITE)
        assert resv.fences is not None
        most = max(most, len(resv.fences.entries))
        pending.append(fence)
        pending.popleft().signal()
    return time.perf_counter() - started, most


def take_all(objects: Iterable[Resv], ctx: WwAcquire) -> None:
    """Lock each in one context."""
    for one in objects:
        one.lock(ctx)


def in_order(objects: list[Resv], order: str) -> list[Resv]:
    """In which order they are unlocked."""
    if order == "last first":
        return objects[::-1]
    if order == "any":
        return random.Random(1).sample(objects, len(objects))
    return objects


def taken(count: int, order: str) -> float:
    """Microseconds for each of so many objects to be locked in one context and unlocked."""
    objects = [Resv(f"bo {n}") for n in range(count)]
    freed = in_order(objects, order)
    started = time.perf_counter_ns()
    with ww_acquire() as ctx:
        take_all(objects, ctx)
        ctx.done()
        for one in freed:
            one.unlock()
    return (time.perf_counter_ns() - started) / count / 1000


def main() -> int:
    """Measure everything and print it."""
    args = options(__doc__ or "")
    rows = calls()
    seconds, most = passed(PASSES)
    half, _most = passed(PASSES // 10)
    rows["a million passes"] = {"seconds": seconds, "fences": float(most)}
    musts = [
        Must("fences a buffer of three contexts keeps, at most 3", FENCES_MAX / most, 1.0),
        Must("passes: linear", GROWTH_MAX / (seconds / half / 10), 1.0),
    ]
    for order in ("first first", "last first", "any"):
        few = min(taken(MANY // 10, order) for _ in range(5))
        many = min(taken(MANY, order) for _ in range(3))
        rows[f"10,000 locked, freed {order}"] = {"us each": many, "us each of 1,000": few}
        musts.append(Must(f"freed {order}: linear", GROWTH_MAX / (many / few), 1.0))
    return finish(args, rows, "ns an operation unless said", musts)


if __name__ == "__main__":
    raise SystemExit(main())
