"""What a run of locks may make of itself, by brute force: the watcher's second opinion.

A program is a list of threads, a thread a list of steps: ("take", lock) or ("free", lock). From
the plain records every closed chain of dependencies is listed, without any graph or cache.
"""

from __future__ import annotations

import itertools
import random
import sys

from dmabuf.pywatch import watch
from tests.pywatch.helpers import in_turn


def random_program(seed, *, threads=3, locks=4, steps=8):
    """Balanced programs: nested, hand over hand, and with locks tried."""
    chance = random.Random(seed)
    program = []
    for _ in range(threads):
        held, thread = [], []
        for _ in range(steps):
            free = [lock for lock in range(locks) if lock not in held]
            if free and (not held or (len(held) < 3 and chance.random() < 0.6)):
                lock = chance.choice(free)
                thread.append(("try" if chance.random() < 0.15 else "take", lock))
                held.append(lock)
            else:
                thread.append(("free", held.pop(chance.randrange(len(held)))))
        thread += [("free", lock) for lock in reversed(held)]
        program.append(thread)
    return program


def run(program, locks):
    """Do it on real locks, a thread after the other."""

    def body_of(thread):
        def body():
            for what, number in thread:
                if what == "free":
                    locks[number].release()
                else:
                    assert locks[number].acquire(blocking=what == "take")

        return body

    in_turn(*map(body_of, program))


def dependencies(program):
    """(thread, locks held, lock asked for), each once."""
    found = set()
    for thread, steps in enumerate(program):
        held = []
        for what, lock in steps:
            if what == "free":
                held.remove(lock)
                continue
            if what == "take" and held:
                found.add((thread, frozenset(held), lock))
            held.append(lock)
    return found


def deadlocks(program, longest=4):
    """Every set of (held, asked for) that is a closed chain of different threads."""
    found = set()
    known = sorted(dependencies(program), key=repr)
    for length in range(2, longest + 1):
        for chain in itertools.permutations(known, length):
            if chain[0] != min(chain, key=repr) or not _is_deadlock(chain):
                continue
            previous = [chain[index - 1][2] for index in range(length)]
            found.add(frozenset((had, one[2]) for had, one in zip(previous, chain, strict=True)))
    return found


def _is_deadlock(chain):
    if len({thread for thread, _, _ in chain}) < len(chain):
        return False
    if any(not one[1].isdisjoint(other[1]) for one, other in itertools.combinations(chain, 2)):
        return False
    return all(chain[index - 1][2] in one[1] for index, one in enumerate(chain))


def told(watcher, numbers):
    """The same of the watcher's certain conflicts."""
    return {
        frozenset((numbers[link.had], numbers[link.needed]) for link in conflict.links)
        for conflict in watcher.conflicts
        if not conflict.is_guess
    }


def compare(seed, *, classes, **sizes):
    """A random program, the watcher's answer, and that of the oracle."""
    program = random_program(seed, **sizes)
    count = sizes.get("locks", 4)
    with watch(patch=False) as watcher:
        locks = [watcher.lock(f"lock {number % classes}") for number in range(count)]
        run(program, locks)
    numbers = {lock.number: index for index, lock in enumerate(locks)}
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
        classes = chance.randint(1, sizes["locks"])
        program, ours, theirs = compare(seed, classes=classes, **sizes)
        found += bool(theirs)
        if not agrees(ours, theirs, pairs=classes == sizes["locks"]):
            wrong += 1
            sys.stdout.write(f"seed {seed}: {program}\n  told {ours}\n  expected {theirs}\n")
    sys.stdout.write(f"{count} programs, {found} with a deadlock, {wrong} judged otherwise\n")
    return wrong


if __name__ == "__main__":
    sys.exit(min(1, campaign(int(sys.argv[1]))))
