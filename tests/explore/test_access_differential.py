"""Accesses to a buffer: the explorer against a model that knows nothing of it.

Random straight-line programs of device and CPU accesses, brackets, moves, mappings and fences.
The oracle walks through all interleavings of a few atomic acts, on a state that is a dozen lines;
the explorer must find the same mistakes of the same tasks, no more and no fewer. A footprint that
hides something makes it miss some.

`python -m tests.explore.test_access_differential 10000` compares that many programs.
"""

from __future__ import annotations

import copy
import random
import re
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest

from dmabuf import Machine, Timeline
from dmabuf.core.access import Accesses, Span
from dmabuf.core.dma_map import Device, Direction, Segment
from dmabuf.explore.search import Budget, Search
from dmabuf.rt.api import OPS, READ, WRITE

PROGRAMS = 240
CHUNK = 30
ACTS_MAX = 11
RANGES = ((0, None), (0, 8), (8, 8))
READING, WRITING = Direction.FROM_DEVICE, Direction.TO_DEVICE

Act = tuple[Any, ...]
Mistake = tuple[str, str]
"""A rule, and the first two words of the message: who does what."""

# --- programs ----------------------------------------------------------------------------------


def _random_act(rng: random.Random) -> list[Act]:
    """One thing that a task does, as atomic acts."""
    kind = rng.choices(
        ("device", "through", "cpu", "naked", "move", "signal", "wait", "unmap", "release"),
        (8, 3, 5, 1, 3, 5, 5, 1, 1),
    )[0]
    write, where = rng.random() < 0.5, rng.randrange(len(RANGES))
    access = (kind, write, where)
    if kind in ("device", "through", "naked"):
        return [("begin", access), ("end", access)]
    if kind == "move":
        return [("begin", ("move", True, 0)), ("end", ("move", True, 0))]
    if kind == "cpu":
        direction = WRITING if write is (rng.random() < 0.85) else READING
        inside = [("begin", access), ("end", access)]
        early = rng.random() < 0.1
        tail = [("close", direction), inside[1]] if early else [inside[1], ("close", direction)]
        return [("open", direction), inside[0], *tail]
    return [(kind, rng.randrange(2))] if kind in ("signal", "wait") else [(kind,)]


def program(seed: int) -> list[list[Act]]:
    """What each task does, in few acts; a table is given back once at most."""
    rng = random.Random(seed)
    while sum(map(len, tasks := _random_tasks(rng))) > ACTS_MAX:
        pass
    return tasks


def _random_tasks(rng: random.Random) -> list[list[Act]]:
    once = {"unmap", "release"}
    tasks: list[list[Act]] = []
    for count in (rng.randint(1, 3), rng.randint(1, 2), *([1] * (rng.random() < 0.3))):
        acts: list[Act] = []
        for _ in range(count):
            new = _random_act(rng)
            if new[0][0] in once:
                once.discard(new[0][0])
            elif new[0][0] in ("unmap", "release"):
                continue
            acts += new
        tasks.append(acts)
    return tasks


# --- the oracle --------------------------------------------------------------------------------


@dataclass
class _State:
    """What is so after some acts."""

    ongoing: list[tuple[int, str, bool, int]] = field(default_factory=list)
    brackets: dict[Direction, int] = field(default_factory=lambda: {READING: 0, WRITING: 0})
    signalled: set[int] = field(default_factory=set)
    mapped: bool = True
    moved: bool = False
    released: bool = False

    def uncovered(self, write: bool) -> bool:
        """Is no bracket open that allows it?"""
        return not self.brackets[WRITING if write else READING]

    def act(self, task: int, act: Act) -> Mistake | None:
        """Do it; what is wrong with it."""
        return getattr(self, f"_{act[0]}")(task, *act[1:])

    def _begin(self, task: int, access: tuple[str, bool, int]) -> Mistake | None:
        code = self._judged(task, *access)
        self.ongoing.append((task, *access))
        verb = "moves" if access[0] == "move" else "writes" if access[1] else "reads"
        return (code, f"t{task} {verb}") if code else None

    def _judged(self, task: int, kind: str, write: bool, where: int) -> str:
        if self.released or (kind == "through" and not self.mapped):
            return "DF004"
        if kind in ("cpu", "naked") and self.uncovered(write):
            return "DF601"
        met = [
            other_kind
            for other, other_kind, other_write, other_where in self.ongoing
            if other != task and (write or other_write) and _meet(where, other_where)
        ]
        if met:
            return "DF603" if "move" in (kind, *met) else "DF604"
        return "DF603" if kind == "through" and self.moved else ""

    def _end(self, task: int, access: tuple[str, bool, int]) -> None:
        self.ongoing.remove((task, *access))
        self.moved |= access[0] == "move"

    def _open(self, _task: int, direction: Direction) -> None:
        self.brackets[direction] += 1

    def _close(self, task: int, direction: Direction) -> Mistake | None:
        mistake = ("DF601", f"t{task} ends")
        if not self.brackets[direction]:
            return mistake
        self.brackets[direction] -= 1
        by_cpu = [write for _t, kind, write, _w in self.ongoing if kind in ("cpu", "naked")]
        return mistake if any(self.uncovered(write) for write in by_cpu) else None

    def _signal(self, _task: int, number: int) -> None:
        self.signalled.add(number)

    def _wait(self, _task: int, _number: int) -> None:
        return None

    def _unmap(self, task: int) -> Mistake | None:
        self.mapped = False
        used = any(kind == "through" for _t, kind, _w, _r in self.ongoing)
        return ("DF004", f"t{task} unmaps") if used else None

    def _release(self, _task: int) -> Mistake | None:
        self.released = True
        if self.ongoing:
            return "DF004", "frame is"
        return ("DF601", "frame is") if any(self.brackets.values()) else None


def _meet(one: int, other: int) -> bool:
    return 0 in (one, other) or one == other


def oracle(tasks: list[list[Act]]) -> set[Mistake]:
    """The first mistake of every interleaving; where two of them meet they go on alike."""
    found: set[Mistake] = set()
    start = (0,) * len(tasks)
    seen = {start}
    stack = [(start, _State())]
    while stack:
        at, before = stack.pop()
        for task, place in enumerate(at):
            act = tasks[task][place] if place < len(tasks[task]) else None
            if act is None or (act[0] == "wait" and act[1] not in before.signalled):
                continue
            state = copy.deepcopy(before)
            mistake = state.act(task, act)
            there = tuple(number + (n == task) for n, number in enumerate(at))
            if mistake is not None:
                found.add(mistake)
            elif there not in seen:
                seen.add(there)
                stack.append((there, state))
    return found


# --- the explorer ------------------------------------------------------------------------------


class _World:
    """The objects of one execution."""

    def __init__(self, machine: Machine, tasks: list[list[Act]]) -> None:
        self.frame = frame = Accesses("frame")
        self.table = Device("gpu").map([Segment(0, 4096)], Direction.BIDIRECTIONAL)
        frame.mapped(self.table)
        self.fences = [Timeline("x").fence(), Timeline("y").fence()]
        for number, acts in enumerate(tasks):
            spans = [self._span(*act[1]) if act[0] == "begin" else None for act in acts]
            machine.kthread(lambda a=acts, s=spans: self._run(a, s), f"t{number}")

    def _span(self, kind: str, write: bool, where: int) -> Span:
        frame = self.frame
        offset, length = RANGES[where]
        if kind == "move":
            return frame.move()
        if kind in ("cpu", "naked"):
            return frame.cpu(write=write, offset=offset, length=length)
        table = self.table if kind == "through" else None
        return frame.device(write=write, offset=offset, length=length, table=table)

    def _run(self, acts: list[Act], spans: list[Span | None]) -> None:
        current: Any = None
        for act, span in zip(acts, spans, strict=True):
            name = act[0]
            if name == "begin":
                current = span
                current.__enter__()
            elif name == "end":
                current.__exit__(None)
            elif name in ("open", "close"):
                getattr(self.frame, name)(act[1])
            elif name == "signal":
                self.fences[act[1]].signal()
            elif name == "wait":
                self.fences[act[1]].wait()
            elif name == "unmap":
                self.frame.unmapped(self.table)
            else:
                self.frame.release()


def explored(tasks: list[list[Act]], order: int = 0) -> set[Mistake]:
    """The mistakes that the search finds, trying schedules in an order made of that seed."""
    world = lambda machine: _World(machine, tasks)  # noqa: E731
    search = Search(world, Budget(seconds=None), seed=order).run()
    reports = [case.report for case in search.cases.values() if case.report is not None]
    return {(code, _who_does_what(message)) for code, message, _task in reports}


def _who_does_what(message: str) -> str:
    found = re.match(r"\w+ \w+", message)
    assert found is not None
    return found[0]


def compare(tasks: list[list[Act]], order: int = 0) -> str:
    """Empty if both agree; else what one of them misses."""
    expected, found = oracle(tasks), explored(tasks, order)
    missed, made_up = sorted(expected - found), sorted(found - expected)
    return f"{tasks}: missed {missed}, made up {made_up}" if missed or made_up else ""


# --- tests -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, PROGRAMS, CHUNK))
def test_access_differential_same_mistakes_as_the_oracle(start: int) -> None:
    """Every mistake of every interleaving is found, and nothing else."""
    seeds = range(start, start + CHUNK)

    assert [] == [said for seed in seeds if (said := compare(program(seed)))]


def test_access_differential_programs_are_of_both_kinds() -> None:
    """Some programs make mistakes, of every rule, and some make none."""
    found = [oracle(program(seed)) for seed in range(40)]

    assert {"DF004", "DF601", "DF603", "DF604"} == {code for one in found for code, _who in one}
    assert 5 <= sum(not one for one in found) <= 35


def _hides(what: str) -> Any:
    """A footprint that leaves something out."""

    def touches(accesses: Accesses, task: Any) -> Any:
        record = (accesses, READ if what == "writes" else WRITE)
        if what == "brackets" or getattr(task.arg, "who", None) is None:
            return (record,)
        return (record, (accesses.brackets, READ)) if task.arg.who.name == "CPU" else (record,)

    return (lambda _accesses, _task: ()) if what == "all" else touches


_WRITES, _READS, _NAKED = ("device", True, 0), ("device", False, 0), ("naked", False, 0)
MISTAKE_AFTER_AN_END: list[list[Act]] = [
    [("wait", 0), ("begin", _READS), ("end", _READS), ("begin", _NAKED), ("end", _NAKED)],
    [("begin", _WRITES), ("signal", 0), ("end", _WRITES)],
]
"""The last mistake can be made only where the reader came after the writer's end."""

WEAKENED = [
    pytest.param("access.begin", "all", id="beginning touches nothing"),
    pytest.param("access.begin", "writes", id="a writer only reads"),
    pytest.param("access.begin", "brackets", id="the CPU does not look at brackets"),
    pytest.param("access.end", "all", id="ending touches nothing"),
    pytest.param("access.open", "all", id="opening a bracket touches nothing"),
    pytest.param("access.close", "all", id="closing a bracket touches nothing"),
    pytest.param("access.unmap", "all", id="unmapping touches nothing"),
    pytest.param("access.release", "all", id="releasing touches nothing"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "what"), WEAKENED)
def test_access_differential_notices_a_weakened_footprint(
    monkeypatch: pytest.MonkeyPatch, name: str, what: str
) -> None:
    """A footprint that hides what the step looks at or changes loses mistakes."""
    monkeypatch.setattr(OPS[name], "touches", _hides(what))

    by_hand = (compare(MISTAKE_AFTER_AN_END, order) for order in range(8))
    assert any(by_hand) or any(compare(program(seed)) for seed in range(PROGRAMS))


if __name__ == "__main__":
    differing = [said for number in range(int(sys.argv[1])) if (said := compare(program(number)))]
    print("\n".join(differing) or "the same")  # noqa: T201 - a command
    sys.exit(bool(differing))
