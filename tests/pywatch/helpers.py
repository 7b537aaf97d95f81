"""Threads that are all there at the same time and do their part one after the other.

So every order is deterministic, nothing really waits, and yet no thread comes before another as
far as starts and joins of threads tell.
"""

import threading
from _thread import allocate_lock


def in_turn(*bodies):
    """Each body in a thread of its own, all started before the first one begins."""
    turns = [allocate_lock() for _ in bodies]
    errors = []

    def run(index):
        with turns[index]:
            try:
                bodies[index]()
            except BaseException as error:  # noqa: BLE001 - told by the caller
                errors.append(error)
        if index + 1 < len(bodies):
            turns[index + 1].release()

    for turn in turns:
        turn.acquire()
    threads = [
        threading.Thread(target=run, args=(index,), name=body.__name__)
        for index, body in enumerate(bodies)
    ]
    for thread in threads:
        thread.start()
    turns[0].release()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def told(watcher):
    """The sentences of all findings."""
    return [finding.message for finding in watcher.findings]


def takes(*locks):
    """A body that takes these locks one inside the other, and frees them."""

    def taker():
        for lock in locks:
            lock.acquire()
        for lock in reversed(locks):
            lock.release()

    return taker
