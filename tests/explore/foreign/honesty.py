"""Injected limits, exceptions, hangs and sources of non-determinism: how many become a pass?

    python -m tests.explore.foreign.honesty [COUNT [FIRST]]

A design that is proved as it stands is spoilt at one operation of one task, or its search is given
a limit that it does not finish under. Whatever comes of that, PROVED is a lie.
"""

from __future__ import annotations

import collections
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dmabuf import Completion, Mutex, Shared, Status, Timeline, check_design, design
from dmabuf.explore.foreign.chance import guarded
from dmabuf.explore.jobs.parallel import Crew, Given, InProcess
from dmabuf.explore.portfolio import DPOR, NAIVE, SLEEP
from dmabuf.explore.search import Budget

__all__ = ["Injected", "control", "inject", "main"]

TASKS = 3
OPERATIONS = 5
ENGINES = ("", SLEEP, DPOR, NAIVE)
STEPS = 60
EXCEPTIONS = (
    ValueError,
    AssertionError,
    MemoryError,
    RecursionError,
    StopIteration,
    KeyboardInterrupt,
    SystemExit,
    GeneratorExit,
    BaseException,
)


def _chance() -> None:
    random.random()


def _clock() -> None:
    time.time()


def _entropy() -> None:
    os.urandom(4)


class Injected:
    """The design, spoilt at one operation of one task.

    Args:
        seed: of what each task does.
        at: (task, operation) that is spoilt.
        spoil: what happens there; it is given the world and how many executions were begun.
    """

    def __init__(
        self, seed: int, at: tuple[int, int], spoil: Callable[[Any, int], object] | None
    ) -> None:
        chance = random.Random(f"honesty:{seed}")
        self.tasks = [
            [chance.choice(("lock", "read", "write", "ask")) for _ in range(OPERATIONS)]
            for _ in range(TASKS)
        ]
        self.at = at
        self.spoil = spoil
        self.executions = 0

    @property
    def design(self) -> Any:
        """As `check_design` wants it."""

        @design
        def fn(machine: Any) -> None:
            self.executions += 1
            world = _World()
            for number, operations in enumerate(self.tasks):
                machine.kthread(lambda n=number, o=operations: self._run(world, n, o), f"t{number}")

        return fn

    def _run(self, world: _World, number: int, operations: list[str]) -> None:
        for index, name in enumerate(operations):
            if self.spoil is not None and (number, index) == self.at:
                self.spoil(world, self.executions)
            getattr(world, name)(number)
        if number == 0:
            world.fence.signal()


class _World:
    """The objects of one execution."""

    def __init__(self) -> None:
        self.mutex = Mutex("A")
        self.cells = [Shared(0, f"cell {number}") for number in range(2)]
        self.fence = Timeline("gpu").fence()
        self.never = Completion("never")

    def lock(self, number: int) -> None:
        with self.mutex:
            pass

    def read(self, number: int) -> None:
        self.cells[number % 2].read()

    def write(self, number: int) -> None:
        self.cells[number % 2].write(number)

    def ask(self, number: int) -> None:
        self.fence.is_signaled()


# -- what is injected ------------------------------------------------------------------------------


def _raises(chance: random.Random) -> Callable[[Any, int], object]:
    kind = chance.choice(EXCEPTIONS)

    def spoil(_world: Any, _execution: int) -> None:
        raise kind("injected")

    return spoil


def _waits(_chance: random.Random) -> Callable[[Any, int], object]:
    return lambda world, _execution: world.never.wait_for_completion()


def _keeps(_chance: random.Random) -> Callable[[Any, int], object]:
    return lambda world, _execution: world.mutex.lock()


def _loops(_chance: random.Random) -> Callable[[Any, int], object]:
    def spoil(world: Any, _execution: int) -> None:
        while not world.cells[0].read() < 0:
            pass

    return spoil


def _differs(chance: random.Random) -> Callable[[Any, int], object]:
    """Another operation, object or number of operations, in every second or third execution."""
    period = chance.choice((2, 3))
    name = chance.choice(("lock", "write", "read", "ask"))

    def spoil(world: Any, execution: int) -> None:
        if execution % period == 0:
            getattr(world, name)(execution // period)

    return spoil


def _asks_elsewhere(chance: random.Random) -> Callable[[Any, int], object]:
    ask = chance.choice((_chance, _clock, _entropy))
    return lambda _world, _execution: ask()


SPOILS = (_raises, _waits, _keeps, _loops, _differs, _asks_elsewhere)


def _check(injected: Injected, engine: str, *, crew: bool, **how: Any) -> str:
    """The status, or what was raised instead of one."""
    fn = injected.design
    workers = Crew(InProcess, Given(fn)) if crew else None
    how.setdefault("budget", Budget(None, 150, STEPS))
    with guarded():
        try:
            return check_design(fn, "fn", engine=engine, crew=workers, **how).status.value
        except BaseException as error:  # noqa: BLE001 - anything is better than a false pass
            return type(error).__name__


def control(seed: int) -> Any:
    """The verdict about the design as it stands."""
    return check_design(Injected(seed, (0, 0), None).design, "fn", budget=Budget(None, 20_000))


def inject(seed: int) -> tuple[str, str]:
    """Spoil one design in one way: (what was done, the status that came of it)."""
    chance = random.Random(f"inject:{seed}")
    at = (chance.randrange(TASKS), chance.randrange(OPERATIONS))
    engine, crew = chance.choice(ENGINES), chance.random() < 0.3
    kind = chance.randrange(len(SPOILS) + 2)
    if kind < len(SPOILS):
        make = SPOILS[kind]
        injected = Injected(seed, at, make(chance))
        return make.__name__, _check(injected, engine, crew=crew)
    made = control(seed).executions
    injected = Injected(seed, at, None)
    if kind == len(SPOILS) and made > 1:
        budget = Budget(None, chance.randrange(1, made))
        return "limit", _check(injected, engine, crew=crew, budget=budget)
    steps = chance.randrange(1, TASKS * OPERATIONS)
    limit = replace(Budget(None, 150), steps_per_execution=steps)
    return "steps", _check(injected, engine, crew=crew, budget=limit)


def main(arguments: list[str]) -> int:
    """Inject, count, and name the seeds of false passes."""
    count = int(arguments[0]) if arguments else 1000
    first = int(arguments[1]) if len(arguments) > 1 else 0
    found: dict[str, collections.Counter[str]] = {}
    passes: list[int] = []
    for seed in range(first, first + count):
        name, status = inject(seed)
        found.setdefault(name, collections.Counter())[status] += 1
        if status == Status.PROVED.value:
            passes.append(seed)
    for name, statuses in sorted(found.items()):
        said = ", ".join(f"{many} {status}" for status, many in statuses.most_common())
        sys.stdout.write(f"{name.lstrip('_'):16} {said}\n")
    sys.stdout.write(f"{count} injections, {len(passes)} false passes {passes[:10]}\n")
    return int(bool(passes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
