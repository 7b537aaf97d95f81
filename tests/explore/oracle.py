"""The oracle of the searches: every schedule of a design, one after the other, nothing clever.

`everything` shares no code with the strategies that it judges, only the runtime and, for what a
state of rest means, `take_snapshot`. `reduced` is the search that users get. `differences` says
where the two disagree.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dmabuf.explore.again import check_known, knowing
from dmabuf.explore.dependence import independent
from dmabuf.explore.diagnose import diagnose
from dmabuf.explore.search import Budget, Search
from dmabuf.explore.snapshot import Snapshot, take_snapshot
from dmabuf.explore.strategies.dfs import DepthFirst
from dmabuf.machine import Machine
from dmabuf.rt.api import OPS
from dmabuf.rt.carriers import Greenlets
from dmabuf.rt.explored_task import ExploredTask, Names
from dmabuf.rt.tasks import Tasks

__all__ = ["Naive", "differences", "everything", "keys_below", "normal_form", "reduced"]

Design = Callable[[Machine], object]
Made = tuple[int, tuple[int, ...]]
"""A transition that was made, and its footprint."""

MAX_STEPS = 400


def normal_form(made: list[Made]) -> tuple[Any, ...]:
    """Equal for executions that differ only in the order of independent steps (Foata).

    Each step stands on the first level above all earlier steps that it depends on.
    """
    levels: list[int] = []
    for index, (transition, footprint) in enumerate(made):
        below = [
            levels[before]
            for before in range(index)
            if made[before][0] // 256 == transition // 256
            or not independent(made[before][1], footprint)
        ]
        levels.append(max(below, default=0) + 1)
    return tuple(sorted((level, *step) for level, step in zip(levels, made, strict=True)))


def switches(made: list[Made]) -> int:
    """How often the running task changes."""
    tasks = [transition // 256 for transition, _footprint in made]
    return sum(one != other for one, other in itertools.pairwise(tasks))


class _Each:
    """A strategy for one schedule after the other, in the order of a counter."""

    def __init__(
        self, at_rest: Callable[[Tasks, list[int]], object], *, most: int | None = None
    ) -> None:
        self.at_rest = at_rest
        self.most = most
        self.endless = False
        self.choices: list[tuple[list[int], int]] = []
        self.made: list[Made] = []
        self.steps: list[tuple[str, tuple[int, ...], int]] = []

    def pick(self, runtime: Tasks) -> int:
        depth = len(self.made)
        if depth < len(self.choices):
            options, index = self.choices[depth]
            return options[index]
        enabled = runtime.enabled()
        if all(runtime.by_number[transition // 256].may_stop for transition in enabled):
            self.at_rest(runtime, enabled)
        if depth >= MAX_STEPS:
            self.endless = True
            return -1
        options = self._allowed(enabled)
        if not options:
            return -1
        self.choices.append((options, 0))
        return options[0]

    def _allowed(self, enabled: list[int]) -> list[int]:
        """All of them; where no more switches are allowed, those of the task that runs."""
        if self.most is None or not self.made or switches(self.made) < self.most:
            return enabled
        return [t for t in enabled if t // 256 == self.made[-1][0] // 256]

    def executed(self, transition: int, task: ExploredTask, footprint: tuple[int, ...]) -> None:
        self.made.append((transition, footprint))
        assert task.op is not None
        self.steps.append((task.op.name, footprint, task.number))

    def waking_steps(self) -> list[tuple[str, tuple[int, ...], int]]:
        """Those that may have ended somebody's wait."""
        return [step for step in self.steps if OPS[step[0]].wakes]

    def following(self) -> bool:
        """Go on to the next schedule; False when there is none."""
        self.made, self.steps = [], []
        while self.choices:
            options, index = self.choices.pop()
            if index + 1 < len(options):
                self.choices.append((options, index + 1))
                return True
        return False


@dataclass
class Naive:
    """What every schedule of a design came to.

    Attributes:
        outcomes: of executions that ended by themselves.
        found: by what went wrong, the fewest switches of a schedule with that.
        classes: by normal form, how many executions that ended by themselves.
        wakers: who ended a wait on what, in any of them.
        capped: there were more schedules than allowed.
    """

    outcomes: set[Any] = field(default_factory=set)
    found: dict[Any, int] = field(default_factory=dict)
    snapshots: dict[Any, Snapshot] = field(default_factory=dict)
    classes: Counter[Any] = field(default_factory=Counter)
    wakers: dict[int, set[int]] = field(default_factory=dict)
    executions: int = 0
    capped: bool = False

    def add(self, key: Any, made: list[Made]) -> None:
        """One more schedule in which that went wrong."""
        count = switches(made)
        self.found[key] = min(count, self.found.get(key, count))


def everything(
    design: Design,
    *,
    cap: int,
    names: Names | None = None,
    on_end: Callable[[Tasks, list[Made]], object] | None = None,
) -> Naive:
    """Run all schedules, at most `cap`; `on_end` sees those that end by themselves."""
    known = names or Names()
    return knowing(known, lambda: _everything(design, cap, known, on_end))


def _everything(
    design: Design, cap: int, names: Names, on_end: Callable[[Tasks, list[Made]], object] | None
) -> Naive:
    naive = Naive()

    def at_rest(rt: Tasks, enabled: list[int]) -> None:
        snapshot = _rest(rt, enabled, each)
        if snapshot.is_bad:
            naive.add(("rest", snapshot.key), each.made)
            naive.snapshots.setdefault(snapshot.key, snapshot)

    each = _Each(at_rest)
    while True:
        rt = Tasks(each, names=names, carrier=Greenlets())
        rt.at_end = lambda runtime: _judge(naive, runtime, each)
        rt.run(lambda runtime: design(Machine(runtime)))
        check_known(rt)
        if on_end is not None and rt.failure is None and not rt.reports:
            on_end(rt, each.made)
        _learn_wakers(naive, each.waking_steps())
        if not each.following():
            return naive
        if naive.executions >= cap or each.endless:
            naive.capped = True
            return naive


def keys_below(design: Design, fewest: int, *, names: Names) -> set[Any]:
    """What goes wrong, at rest, in any schedule with fewer switches than that."""
    found: set[Any] = set()
    if not fewest:
        return found

    def at_rest(rt: Tasks, enabled: list[int]) -> None:
        found.add(("rest", _rest(rt, enabled, each).key))

    each = _Each(at_rest, most=fewest - 1)
    while True:
        rt = Tasks(each, names=names, carrier=Greenlets())
        rt.run(lambda runtime: design(Machine(runtime)))
        if not each.following():
            return found


def _rest(rt: Tasks, enabled: list[int], each: _Each) -> Snapshot:
    touched: dict[int, set[int]] = {}
    for transition, footprint in each.made:
        for number in footprint:
            touched.setdefault(number >> 1, set()).add(transition // 256)
    woke = {(task, touched[0] >> 1) for _op, touched, task in each.waking_steps()}
    return take_snapshot(rt, enabled, touched, woke)


def _judge(naive: Naive, rt: Tasks, each: _Each) -> None:
    """Count an execution while its tasks still stand where they stood."""
    naive.executions += 1
    if rt.failure is not None:
        task, error = rt.failure
        naive.add(("failure", task.name, type(error).__name__, str(error)), each.made)
    elif rt.reports:
        code, message, _task = rt.reports[0]
        naive.add(("report", code, message), each.made)
    else:
        naive.outcomes.add(_outcome(rt))
        naive.classes[normal_form(each.made)] += 1


def _learn_wakers(naive: Naive, steps: list[tuple[str, tuple[int, ...], int]]) -> None:
    for _op, footprint, task in steps:
        for number in footprint:
            if number & 1:
                naive.wakers.setdefault(number >> 1, set()).add(task)


def _outcome(rt: Tasks) -> Any:
    world = rt.extras.get("world")
    return None if world is None else (world.observed(), world.final(rt))


@dataclass
class Reduced:
    """What the search with sleep sets came to, in the same words."""

    search: Search
    outcomes: set[Any]
    found: dict[Any, int]
    classes: Counter[Any]
    paths: list[tuple[int, ...]]


def reduced(
    design: Any,
    *,
    names: Names | None = None,
    seed: int = 0,
    carrier: str = "greenlet",
    engine: str = "",
) -> Reduced:
    """Run the search that users get, to its end."""
    outcomes: set[Any] = set()
    classes: Counter[Any] = Counter()
    paths: list[tuple[int, ...]] = []

    def complete(rt: Tasks, strategy: DepthFirst) -> None:
        outcomes.add(_outcome(rt))
        classes[normal_form([(node.chosen, node.footprint) for node in strategy.path])] += 1
        paths.append(tuple(node.chosen for node in strategy.path))

    budget = Budget(seconds=None)
    search = Search(
        design,
        budget,
        seed=seed,
        carrier=carrier,
        engine=engine,
        names=names or Names(),
        on_complete=complete,
    ).run()
    found = {_key(case.key, case.failure): case.switches for case in search.cases.values()}
    return Reduced(search, outcomes, found, classes, paths)


def _key(key: Any, failure: Any) -> Any:
    if failure is None:
        return key
    return "failure", failure[0], type(failure[1]).__name__, str(failure[1])


def differences(naive: Naive, other: Reduced) -> list[str]:
    """Where the two searches disagree; empty if they do not."""
    said = [
        *_unlike("outcome", naive.outcomes, other.outcomes),
        *_unlike("finding", set(naive.found), set(other.found)),
        *_unlike("waker", _pairs(naive.wakers), _pairs(other.search.wakers)),
        *_unlike("rule", _codes(naive, naive.wakers), _codes(naive, other.search.wakers)),
    ]
    for key, fewest in naive.found.items():
        if key in other.found and fewest != other.found[key]:
            said.append(f"switches: {other.found[key]} instead of {fewest} for {key}")
    return said


def redundant(naive: Naive, other: Reduced) -> list[str]:
    """Where the reduced search ran a class of executions not exactly once."""
    said = [f"{count} equivalent executions" for count in other.classes.values() if count > 1]
    if len(naive.classes) != len(other.classes):
        said.append(f"{len(other.classes)} classes instead of {len(naive.classes)}")
    return said


def _unlike(what: str, expected: set[Any], actual: set[Any]) -> list[str]:
    missed = [f"{what} missed: {item}" for item in expected - actual]
    return missed + [f"{what} made up: {item}" for item in actual - expected]


def _pairs(wakers: dict[int, set[int]]) -> set[tuple[int, int]]:
    return {(obj, task) for obj, tasks in wakers.items() for task in tasks}


def _codes(naive: Naive, wakers: dict[int, set[int]]) -> set[str]:
    rests = naive.snapshots.values()
    stops = {(task, fence) for rest in rests for task in rest.stopped for fence in rest.pending}
    return {diagnose(rest, wakers, stops).code for rest in rests}
