"""Waiting for many, and awaiting one: against futures, asyncio and poll on eventfds.

    python benchmarks/waits.py [--json] [--check]

`done` waits for any of many of which the last is done; `blocked` sleeps first, until another
thread finishes one. `drain` registers 10,000 once and takes them out one by one, each as soon as
it completes: in one thread, and while another thread completes them. `await` suspends a coroutine
and completes what it awaits; `callback` adds one and completes. Medians of interleaved rounds.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import select
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from _measure import Must, finish, medians, options

from dmabuf.core.fence_wait import wait_any
from dmabuf.core.timeline import Timeline
from dmabuf.core.wait_set import WaitSet

FEW = 100
MANY = 10_000
EVENTFDS = 400  # as many as an ordinary limit on open files allows
BATCH = 500
ROUNDS = 11
IN_EVENTS = 24
"""10 us, told in calls of Event.set (0.41 us undisturbed), as machines are shared and differ."""
FIRST = concurrent.futures.FIRST_COMPLETED

Future = concurrent.futures.Future
timeline = Timeline("benchmark")
loop = asyncio.new_event_loop()


def nothing(_done: object) -> None:
    """A callback."""


def finish_future(future: Any) -> None:
    """Complete a future of either kind."""
    future.set_result(None)


def signal(fence: Any) -> None:
    """Signal a fence."""
    fence.signal()


def timed(work: Callable[[], object], each: int = 1) -> float:
    """Microseconds that one of `each` took."""
    started = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - started) / 1000 / each


def any_future(objects: list[Any]) -> None:
    """Wait for the first future."""
    concurrent.futures.wait(objects, return_when=FIRST)


def any_asyncio(objects: list[Any]) -> None:
    """Wait for the first future of asyncio."""
    loop.run_until_complete(asyncio.wait(objects, return_when=FIRST))


PEERS: dict[str, tuple[Callable[[], Any], Callable[[Any], None], Callable[[list[Any]], object]]] = {
    "fence": (timeline.fence, signal, wait_any),
    "Future": (Future, finish_future, any_future),
    "asyncio": (loop.create_future, finish_future, any_asyncio),
}
"""Of each peer: how to make one, how to complete it, how to wait for any."""


# -- wait for any -------------------------------------------------------------------------------


def done(peer: str, count: int) -> Callable[[], float]:
    """Wait for any of `count` of which the last is done."""
    make, complete, wait = PEERS[peer]

    def measure() -> float:
        objects = [make() for _ in range(count)]
        complete(objects[-1])
        return timed(lambda: wait(objects))

    return measure


def blocked(peer: str, count: int) -> Callable[[], float]:
    """Wait for any of `count`, the last of which another thread completes a moment later."""
    make, complete, wait = PEERS[peer]

    def measure() -> float:
        objects = [make() for _ in range(count)]
        delay = 0.05 if count == MANY else 0.002  # longer than it takes to fall asleep
        ended: list[int] = []

        def completer() -> None:
            time.sleep(delay)
            ended.append(time.perf_counter_ns())
            if peer == "asyncio":
                loop.call_soon_threadsafe(complete, objects[-1])
            else:
                complete(objects[-1])

        thread = threading.Thread(target=completer)
        thread.start()
        slept = timed(lambda: wait(objects))
        thread.join()
        return slept - delay * 1e6

    return measure


# -- take out one by one ------------------------------------------------------------------------


def register_fences() -> float:
    """Register fences that are pending."""
    fences = [timeline.fence() for _ in range(MANY)]
    waiting = WaitSet()
    taken = timed(lambda: waiting.add_all(fences), MANY)
    waiting.close()
    return taken


def drain_fences(where: str) -> Callable[[], float]:
    """Signal and take out, in turn or by two threads."""

    def in_turn(fences: list[Any], waiting: WaitSet) -> None:
        for fence in fences:
            fence.signal()
            waiting.wait()

    def by_two(fences: list[Any], waiting: WaitSet) -> None:
        thread = threading.Thread(target=lambda: [fence.signal() for fence in fences])
        thread.start()
        for _ in waiting:
            pass
        thread.join()

    def measure() -> float:
        fences = [timeline.fence() for _ in range(MANY)]
        waiting = WaitSet(fences)
        work = in_turn if where == "in turn" else by_two
        return timed(lambda: work(fences, waiting), MANY)

    return measure


def drain_futures(where: str) -> Callable[[], float]:
    """Complete and take out through `as_completed`, which is the set that futures have."""

    def in_turn(futures: list[Any]) -> None:
        futures[0].set_result(None)
        for count, _ in enumerate(concurrent.futures.as_completed(futures), 1):
            if count < len(futures):
                futures[count].set_result(None)

    def by_two(futures: list[Any]) -> None:
        thread = threading.Thread(target=lambda: [f.set_result(None) for f in futures])
        thread.start()
        for _ in concurrent.futures.as_completed(futures):
            pass
        thread.join()

    def measure() -> float:
        futures: list[Any] = [Future() for _ in range(MANY)]
        work = in_turn if where == "in turn" else by_two
        return timed(lambda: work(futures), MANY)

    return measure


def drain_eventfds() -> float:
    """Write, poll, read: one descriptor after the other."""
    fds = [os.eventfd(0) for _ in range(EVENTFDS)]
    poll = select.epoll()
    for fd in fds:
        poll.register(fd, select.EPOLLIN)

    def work() -> None:
        for fd in fds:
            os.eventfd_write(fd, 1)
            for ready, _events in poll.poll(maxevents=1):
                os.eventfd_read(ready)

    taken = timed(work, EVENTFDS)
    poll.close()
    for fd in fds:
        os.close(fd)
    return taken


def poll_eventfds() -> float:
    """Plain poll for any of a few, the last of which is ready."""
    fds = [os.eventfd(0) for _ in range(FEW)]
    os.eventfd_write(fds[-1], 1)

    def work() -> None:
        poll = select.poll()
        for fd in fds:
            poll.register(fd, select.POLLIN)
        poll.poll()

    taken = timed(work)
    for fd in fds:
        os.close(fd)
    return taken


def set_events() -> float:
    """The unit: threading.Event.set without a waiter."""
    events = [threading.Event() for _ in range(MANY)]

    def work() -> None:
        for event in events:
            event.set()

    return timed(work, MANY)


# -- await and callback -------------------------------------------------------------------------


def awaited(make: Callable[[], Awaitable[Any]], complete: Callable[[Any], None]) -> float:
    """Suspend on each of a batch; the loop completes it and resumes."""

    async def work() -> float:
        objects = [make() for _ in range(BATCH)]
        running = asyncio.get_running_loop()
        started = time.perf_counter_ns()
        for one in objects:
            running.call_soon(complete, one)
            await one
        return (time.perf_counter_ns() - started) / 1000 / BATCH

    return loop.run_until_complete(work())


def called_back(peer: str) -> Callable[[], float]:
    """Add a callback to each of a batch and complete them."""
    make, complete, _wait = PEERS[peer]

    def measure() -> float:
        objects = [make() for _ in range(BATCH)]

        def work() -> None:
            for one in objects:
                if peer == "fence":
                    one.add_callback(nothing)
                else:
                    one.add_done_callback(nothing)
            for one in objects:
                complete(one)
            if peer == "asyncio":
                loop.run_until_complete(asyncio.sleep(0))

        return timed(work, BATCH)

    return measure


def candidates() -> dict[str, Callable[[], float]]:
    """Everything that is measured, as "peer|column"."""
    found: dict[str, Callable[[], float]] = {}
    for peer in PEERS:
        for count, short in ((FEW, "10^2"), (MANY, "10^4")):
            found[f"{peer}|done {short}"] = done(peer, count)
            found[f"{peer}|blocked {short}"] = blocked(peer, count)
        found[f"{peer}|callback"] = called_back(peer)
    for where in ("in turn", "by two"):
        found[f"fence|drain {where}"] = drain_fences(where)
        found[f"Future|drain {where}"] = drain_futures(where)
    found["Event|signal"] = set_events
    found["fence|register"] = register_fences
    found["eventfd|done 10^2"] = poll_eventfds
    found["eventfd|drain in turn"] = drain_eventfds
    found["fence|await"] = lambda: awaited(timeline.fence, signal)
    found["asyncio|await"] = lambda: awaited(loop.create_future, finish_future)
    found["Future|await"] = lambda: awaited(wrapped, lambda one: one.origin.set_result(None))
    return found


class _Wrapped:
    """A thread's future, awaited as asyncio offers it."""

    def __init__(self) -> None:
        self.origin: Future[None] = Future()

    def __await__(self) -> Any:
        return asyncio.wrap_future(self.origin).__await__()


def wrapped() -> _Wrapped:
    """One more of them."""
    return _Wrapped()


def main() -> int:
    """Measure everything and print it."""
    args = options(__doc__ or "")
    rows: dict[str, dict[str, float]] = {}
    for name, value in medians(candidates(), rounds=ROUNDS).items():
        peer, column = name.split("|")
        rows.setdefault(peer, {})[column] = value
    loop.close()

    def times(peer: str, column: str) -> float:
        return rows[peer][column] / rows["fence"][column]

    ours = rows["fence"]
    ten_us = rows["Event"]["signal"] * IN_EVENTS
    musts = [
        Must("wait_any of 10,000, one done, to futures.wait", times("Future", "done 10^4"), 20),
        Must("wait_any of 10,000, one done, to asyncio.wait", times("asyncio", "done 10^4"), 20),
        Must("wait_any of 100, one done, to futures.wait", times("Future", "done 10^2"), 3),
        Must("wait_any of 100, one done, to poll of eventfds", times("eventfd", "done 10^2"), 1),
        Must("wait_any of 10,000, blocked, to futures.wait", times("Future", "blocked 10^4"), 0.8),
        Must("drain in turn to as_completed", times("Future", "drain in turn"), 1.3),
        Must("drain in turn to epoll of eventfds", times("eventfd", "drain in turn"), 0),
        Must("drain in turn: 10 us over it", ten_us / ours["drain in turn"], 1),
        Must("drain by two threads: 10 us over it", ten_us / ours["drain by two"], 1),
        Must("callback + signal to Future (floor: fence.py)", times("Future", "callback"), 0),
        Must("await + signal to a wrapped Future", times("Future", "await"), 1.5),
    ]
    return finish(args, rows, "us a wait, a fence, an await", musts)


if __name__ == "__main__":
    raise SystemExit(main())
