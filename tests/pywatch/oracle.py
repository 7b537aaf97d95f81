"""What a run of locks may make of itself, by brute force: the watcher's second opinion.

A program is a list of threads, a thread a list of steps: ("take", lock), ("try", lock),
("free", lock), ("wait", event) or ("set", event). From the plain records every closed chain of
dependencies is listed, without any graph or cache.
"""

from __future__ import annotations

import itertools
import random
import sys
import threading

from dmabuf.pywatch import watch
from dmabuf.pywatch.waits import MARK
from tests.pywatch.helpers import in_turn

EVENT = 100
"""Events have numbers from here."""


def random_program(seed, *, threads=3, locks=4, steps=8, events=0):
    """Balanced programs: nested, hand over hand, with locks tried and with events."""
    chance = random.Random(seed)
    program = []
    for _ in range(threads):
        held, thread = [], []
        for _ in range(steps):
            if events and chance.random() < 0.3:
                thread.append((chance.choice(("wait", "set")), EVENT + chance.randrange(events)))
                continue
            free = [lock for lock in range(locks) if lock not in held]
            if free and (not held or (len(held) < 3 and chance.random() < 0.6)):
                lock = chance.choice(free)
                thread.append(("try" if chance.random() < 0.15 else "take", lock))
                held.append(lock)
            elif held:
                thread.append(("free", held.pop(chance.randrange(len(held)))))
        thread += [("free", lock) for lock in reversed(held)]
        program.append(thread)
    return program


def run(program, locks, events):
    """Do it on real locks, a thread after the other; events are set from the start."""

    def body_of(thread):
        def body():
            for what, number in thread:
                if what == "free":
                    locks[number].release()
                elif what == "wait":
                    assert events[number - EVENT].wait()
                elif what == "set":
                    events[number - EVENT].set()
                else:
                    assert locks[number].acquire(blocking=what == "take")

        return body

    in_turn(*map(body_of, program))


def dependencies(program):
    """(thread, locks held or event to set, lock or event asked for), each once."""
    found = set()
    for thread, steps in enumerate(program):
        held, since = [], set()
        for what, number in steps:
            match what:
                case "free":
                    held.remove(number)
                case "set":
                    found |= {(thread, frozenset((number,)), lock) for lock in since}
                case "wait" if not held:
                    since = set()
                case "wait":
                    found.add((thread, frozenset(held), number))
                case _:
                    if what == "take" and held:
                        found.add((thread, frozenset(held), number))
                    held.append(number)
                    since.add(number)
    return found


def deadlocks(program, longest=4):
    """Every set of (held, asked for) that is a closed chain of different threads."""
    found = set()
    known = dependencies(program)
    chains = [(one,) for one in known]
    for _ in range(longest - 1):
        chains = [
            (*chain, one)
            for chain in chains
            for one in known
            if chain[-1][2] in one[1] and one not in chain
        ]
        for chain in filter(_is_deadlock, chains):
            previous = [chain[index - 1][2] for index in range(len(chain))]
            found.add(frozenset((had, one[2]) for had, one in zip(previous, chain, strict=True)))
    return found


def _is_deadlock(chain):
    if chain[-1][2] not in chain[0][1]:
        return False
    if len({thread for thread, _, _ in chain}) < len(chain):
        return False
    return all(one[1].isdisjoint(other[1]) for one, other in itertools.combinations(chain, 2))


def told(watcher, numbers):
    """The same of the watcher's conflicts, without those that were seen of too few threads."""
    return {
        frozenset((numbers[link.had], numbers[link.needed]) for link in conflict.links)
        for conflict in watcher.conflicts
        if conflict.exact and not conflict.one_thread
    }


def compare(seed, *, classes, **sizes):
    """A random program, the watcher's answer, and that of the oracle."""
    program = random_program(seed, **sizes)
    count = sizes.get("locks", 4)
    with watch() as watcher:
        locks = [watcher.lock(f"lock {number % classes}") for number in range(count)]
        events = [threading.Event() for _ in range(sizes.get("events", 0))]
        for event in events:
            event._flag = True
        run(program, locks, events)
    numbers = {lock.number: index for index, lock in enumerate(locks)}
    numbers |= {getattr(one, MARK).number: EVENT + i for i, one in enumerate(events)}
    return program, told(watcher, numbers), deadlocks(program)


def agrees(ours, theirs, *, pairs):
    """No finding is invented; where there are some one is told, of pairs all where each counts."""
    if pairs and any(len(one) == 2 and one not in ours for one in theirs):
        return False
    return ours <= theirs and bool(ours) == bool(theirs)


def campaign(count):
    """Random programs of all sizes; how many were judged otherwise."""
    wrong = found = 0
    for seed in range(count):
        chance = random.Random(seed)
        sizes = {"threads": chance.randint(2, 4), "locks": chance.randint(2, 5)}
        sizes["events"] = chance.choice((0, 0, 1, 2))
        # Of the locks of one line that a setter took and freed, the watcher knows the last.
        classes = sizes["locks"] if sizes["events"] else chance.randint(1, sizes["locks"])
        program, ours, theirs = compare(seed, classes=classes, **sizes)
        found += bool(theirs)
        if not agrees(ours, theirs, pairs=classes == sizes["locks"] and sizes["events"] < 2):
            wrong += 1
            sys.stdout.write(f"seed {seed}: {program}\n  told {ours}\n  expected {theirs}\n")
    sys.stdout.write(f"{count} programs, {found} with a deadlock, {wrong} judged otherwise\n")
    return wrong


if __name__ == "__main__":
    sys.exit(min(1, campaign(int(sys.argv[1]))))
