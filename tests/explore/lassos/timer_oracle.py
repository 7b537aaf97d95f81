"""Every run of a program, one after the other, and what its timeouts are for: by definition.

Shares no code with `lassos.timers` and the strategies; what it calls a run is a list of moments,
each with what is pending and awaited, and the step that follows.

`python -m tests.explore.lassos.timer_oracle N` compares N programs.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass, field
from typing import Any

from dmabuf import Completion, Machine, Timeline
from dmabuf.core.fence import Fence
from dmabuf.core.fence_steps import is_flagged
from dmabuf.explore.lassos.timers import standing_by
from dmabuf.explore.portfolio import DPOR, GRAPH, SLEEP
from dmabuf.explore.search import Budget, Search
from dmabuf.rt.explored_task import Names
from dmabuf.rt.strategy import TIMEOUT, VARIANTS
from dmabuf.rt.tasks import Tasks

__all__ = ["Runs", "differences", "every_run", "generate"]

MOST_RUNS = 400
_MOST_STEPS = 60


def generate(seed: int) -> Any:
    """A program of two or three tasks that complete, wait with and without a time, and signal."""
    rng = random.Random(seed)
    kinds = rng.choices([*["kthread"] * 5, "hardware", "reliable", "user"], k=rng.randint(2, 3))
    words = [[_word(rng) for _ in range(rng.randint(1, 3))] for _kind in kinds]

    def program(machine: Machine) -> None:
        fences = [Timeline(f"f{n}").fence() for n in range(2)]
        for fence in fences:
            fence.publish()
        done = [Completion(f"c{n}") for n in range(2)]
        for number, (kind, mine) in enumerate(zip(kinds, words, strict=True)):
            _start(machine, kind, lambda mine=mine: _run(machine, mine, fences, done), f"t{number}")

    return program


def _word(rng: random.Random) -> tuple[str, int, float]:
    word = rng.choice(["complete", "timed", "timed", "signal", "signal", "chance", "chance"])
    return word, rng.randrange(2), rng.choice([1.0, 1.0, 2.0])


def _start(machine: Machine, kind: str, run: Any, name: str) -> None:
    if kind == "user":
        machine.userspace(run, name)
    elif kind == "kthread":
        machine.kthread(run, name)
    else:
        machine.hardware(run, name, hangs=kind == "hardware")


def _run(machine: Machine, words: Any, fences: list[Fence], done: list[Completion]) -> None:
    skip = False
    for word, which, seconds in words:
        if skip:
            skip = False
        elif word == "complete":
            done[which].complete()
        elif word == "wait":
            done[which].wait()
        elif word == "timed":
            done[which].wait(timeout=seconds)
        elif word == "signal":
            fences[which].check_and_signal()
        else:
            skip = machine.may_fail()


@dataclass
class Moment:
    """A state of a run and the step that follows it (-1: none)."""

    pending: frozenset[int]
    armed: frozenset[tuple[int, int]]
    is_suspect: bool
    step: int = -1

    @property
    def expires(self) -> set[tuple[int, int]]:
        """The timed wait that the step ends by time."""
        if self.step % VARIANTS != TIMEOUT:
            return set()
        return {one for one in self.armed if one[0] == self.step // VARIANTS}


@dataclass
class Runs:
    """All runs of a program."""

    runs: list[list[Moment]] = field(default_factory=list)

    def suspects(self) -> set[tuple[frozenset[int], frozenset[tuple[int, int]]]]:
        """What is pending and awaited where only time goes on."""
        return {
            (one.pending, one.armed)
            for run in self.runs
            for one in run
            if one.is_suspect and one.pending
        }

    def _signals(self, fence: int) -> list[tuple[list[Moment], int]]:
        return [
            (run, index)
            for run in self.runs
            for index in range(len(run) - 1)
            if fence in run[index].pending and fence not in run[index + 1].pending
        ]

    def stands_by(self, timer: tuple[int, int], fence: int) -> bool:
        """Is there a run in which it is awaited and not needed?"""
        signals = self._signals(fence)
        came = [set().union(*(m.expires for m in run[: k + 1])) for run, k in signals]
        passes = set.intersection(*came) if came else set()
        for run, k in signals:
            for i in range(k + 1):
                before = set().union(*(m.expires for m in run[:i]))
                after = set().union(*(m.expires for m in run[i : k + 1]))
                awaited = timer in run[i].armed and fence in run[i].pending
                if awaited and before <= passes and after <= passes - {timer}:
                    return True
        return False


class _Each:
    """One run after the other, in the order of a counter."""

    def __init__(self) -> None:
        self.choices: list[tuple[list[int], int]] = []
        self.run: list[Moment] = []

    def pick(self, runtime: Tasks) -> int:
        depth = len(self.run)
        enabled = runtime.enabled()
        self.run.append(_moment(runtime, enabled))
        if not enabled or depth > _MOST_STEPS:
            return -1
        if depth == len(self.choices):
            self.choices.append((enabled, 0))
        options, index = self.choices[depth]
        self.run[-1].step = options[index]
        return options[index]

    def executed(self, transition: int, task: Any, footprint: tuple[int, ...]) -> None:
        pass

    def next(self) -> bool:
        self.run = []
        while self.choices:
            options, index = self.choices.pop()
            if index + 1 < len(options):
                self.choices.append((options, index + 1))
                return True
        return False


def _moment(rt: Tasks, enabled: list[int]) -> Moment:
    fences = [one for one in rt.objects if isinstance(one, Fence)]
    waiting = [t for t in rt.tasks if t.deadline is not None and t.op is not None]
    kernel = [t for t in waiting if t.kind.value == "kthread" and not t.op.guard(t.obj, t)]
    able = {rt.by_number[step // VARIANTS] for step in enabled}
    late = {rt.by_number[step // VARIANTS] for step in enabled if step % VARIANTS == TIMEOUT}
    busy = [t for t in able if t.kind.value == "kthread" and t not in late]
    works = any(t.kind.value == "hardware" for t in {*able, *waiting})
    return Moment(
        frozenset(rt.number_of(one) for one in fences if not is_flagged(one)),
        frozenset((t.number, rt.number_of(t.op.awaited(t.obj))) for t in kernel),
        not busy and not works and any(t.kind.value == "kthread" for t in late),
    )


def every_run(program: Any, names: Names) -> Runs | None:
    """All runs; None if there are too many."""
    each, found = _Each(), Runs()
    while True:
        Tasks(each, names=names).run(lambda rt: program(Machine(rt)))
        found.runs.append(each.run)
        if len(found.runs) > MOST_RUNS:
            return None
        if not each.next():
            return found


def differences(seed: int) -> tuple[list[str], int] | None:
    """Where searches and definition disagree, and the suspect states; None for a large program."""
    program, names = generate(seed), Names()
    runs = every_run(program, names)
    if runs is None:
        return None
    found: list[str] = []
    expected = runs.suspects()
    for engine in (SLEEP, DPOR, GRAPH):
        search = Search(program, Budget(seconds=None), engine=engine, names=names).run()
        if expected != {(frozenset(key[1]), frozenset(key[2])) for key in search.suspects}:
            found.append(f"program {seed}: suspect states of {engine}")
    asked = {(t, f) for pending, armed in expected for t in armed for f in pending}
    stands = {(timer, fence) for timer, fence in asked if runs.stands_by(timer, fence)}
    if stands != standing_by(search.strategy, asked):
        found.append(f"program {seed}: what stands by")
    return found, len(expected)


def main(count: int) -> int:
    """Compare so many programs."""
    results = [differences(seed) for seed in range(count)]
    small = [one for one in results if one is not None]
    for one in small:
        sys.stdout.writelines(f"{said}\n" for said in one[0])
    suspicious = sum(bool(one[1]) for one in small)
    sys.stdout.write(f"{len(small)} of {count} programs, {suspicious} with suspect states\n")
    return int(any(one[0] for one in small))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
