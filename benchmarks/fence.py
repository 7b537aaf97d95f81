"""The live fence against threading.Event, concurrent.futures.Future and asyncio.Future.

    python benchmarks/fence.py [--json] [--check]

`create` includes drawing a seqno (`timeline.fence()`); `signal` is without a waiter but with
timestamp and signalling section; `callback` adds one and signals. Nanoseconds of the thread's own
time an operation, the median of interleaved rounds of 500 objects on a warm heap, collector off.
`fence` is pure Python, whatever was built; `fence, compiled` is there where the C build is.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Callable
from typing import Any

from _measure import Must, bytes_each, finish, medians, options

from dmabuf.core.compiled import is_compiled, use
from dmabuf.core.fence_wait import wait_any
from dmabuf.core.timeline import Timeline

BATCH = 500
ROUNDS = 150
MANY = 10_000

loop = asyncio.new_event_loop()
timeline = Timeline("benchmark")


def nothing(_done: object) -> None:
    """A callback."""


def batch(
    work: Callable[[list[Any]], object], make: Callable[[], Any], *, compiled: bool = False
) -> Callable[[], float]:
    """Nanoseconds that `work` takes for each of a batch of new objects."""

    def measure() -> float:
        use(compiled)
        objects = [make() for _ in range(BATCH)]
        started = time.thread_time_ns()
        work(objects)
        return (time.thread_time_ns() - started) / BATCH

    return measure


def creating(make: Callable[[], Any], *, compiled: bool = False) -> Callable[[], float]:
    """Nanoseconds to create one of a batch."""

    def measure() -> float:
        use(compiled)
        started = time.thread_time_ns()
        objects = [make() for _ in range(BATCH)]
        taken = time.thread_time_ns() - started
        del objects
        return taken / BATCH

    return measure


def set_all(objects: list[threading.Event]) -> None:
    """Signal events."""
    for one in objects:
        one.set()


def finish_all(objects: list[Any]) -> None:
    """Complete futures."""
    for one in objects:
        one.set_result(None)


def signal_all(objects: list[Any]) -> None:
    """Signal fences."""
    for one in objects:
        one.signal()


def with_callback(objects: list[Any], complete: Callable[[list[Any]], None]) -> None:
    """One callback each, then complete."""
    for one in objects:
        one.add_done_callback(nothing)
    complete(objects)


def fence_callbacks(objects: list[Any]) -> None:
    """One callback each, then signal."""
    for one in objects:
        one.add_callback(nothing)
    signal_all(objects)


def asyncio_callbacks(objects: list[Any]) -> None:
    """One callback each, complete, and let the loop run them."""
    with_callback(objects, finish_all)
    loop.run_until_complete(asyncio.sleep(0))


def last_one_done(make: Callable[[], Any], complete: Callable[[Any], None]) -> list[Any]:
    """Many objects of which the last is done."""
    objects = [make() for _ in range(MANY)]
    complete(objects[-1])
    return objects


def waiting() -> dict[str, float]:
    """Microseconds to wait for any of 10,000 of which the last is done."""
    fences = last_one_done(timeline.fence, lambda fence: fence.signal())
    futures = last_one_done(concurrent.futures.Future, lambda future: future.set_result(None))

    def timed(work: Callable[[], object]) -> Callable[[], float]:
        def measure() -> float:
            started = time.perf_counter_ns()
            work()
            return (time.perf_counter_ns() - started) / 1000

        return measure

    first = concurrent.futures.FIRST_COMPLETED
    return medians(
        {
            "fence": timed(lambda: wait_any(fences)),
            "Future": timed(lambda: concurrent.futures.wait(futures, return_when=first)),
        },
        rounds=15,
    )


def fences(*, compiled: bool) -> dict[str, Callable[[], float]]:
    """The measurements of a fence, in one of its builds."""
    name = "fence, compiled" if compiled else "fence"
    return {
        f"{name} create": creating(timeline.fence, compiled=compiled),
        f"{name} signal": batch(signal_all, timeline.fence, compiled=compiled),
        f"{name} callback": batch(fence_callbacks, timeline.fence, compiled=compiled),
    }


def all_rows() -> dict[str, dict[str, float]]:
    """What was measured, by candidate."""
    event, future = threading.Event, concurrent.futures.Future
    found = medians(
        {
            "Event create": creating(event),
            "Event signal": batch(set_all, event),
            "Future create": creating(future),
            "Future signal": batch(finish_all, future),
            "Future callback": batch(lambda o: with_callback(o, finish_all), future),
            "asyncio create": creating(loop.create_future),
            "asyncio signal": batch(finish_all, loop.create_future),
            "asyncio callback": batch(asyncio_callbacks, loop.create_future),
            **fences(compiled=False),
            **(fences(compiled=True) if is_compiled() else {}),
        },
        rounds=ROUNDS,
    )
    use(False)
    rows: dict[str, dict[str, float]] = {}
    for name, value in found.items():
        peer, column = name.rsplit(" ", 1)
        rows.setdefault(peer, {})[column + " ns"] = value
    makers = {
        "Event": event,
        "Future": future,
        "asyncio": loop.create_future,
        "fence": timeline.fence,
    }
    for peer, make in makers.items():
        rows[peer]["bytes"] = bytes_each(make)
    for peer, micros in waiting().items():
        rows[peer]["wait_any 10^4 us"] = micros
    return rows


def musts(rows: dict[str, dict[str, float]]) -> list[Must]:
    """The floors: those of the fence are for pure Python, the compiled build has its own."""
    events, futures = rows["Event"], rows["Future"]

    def times(row: dict[str, float], column: str, ours: str = "fence") -> float:
        return row[column] / rows[ours][column]

    found = [
        Must("create against Event", times(events, "create ns"), 4),
        Must("signal against Event", times(events, "signal ns"), 1.8),
        Must("size against Event", times(events, "bytes"), 10),
        Must("callback + signal against Future", times(futures, "callback ns"), 2),
        Must("wait_any of 10,000 against futures.wait", times(futures, "wait_any 10^4 us"), 20),
    ]
    if is_compiled():
        name = "fence, compiled"
        found += [
            Must("compiled: create against Event", times(events, "create ns", name), 4),
            Must("compiled: signal against Event", times(events, "signal ns", name), 3),
            Must(
                "compiled: callback + signal against Future", times(futures, "callback ns", name), 2
            ),
        ]
    return found


def main() -> int:
    """Measure everything and print it."""
    args = options(__doc__ or "")
    rows = all_rows()
    loop.close()
    return finish(args, rows, "ns an operation, bytes an object", musts(rows))


if __name__ == "__main__":
    raise SystemExit(main())
