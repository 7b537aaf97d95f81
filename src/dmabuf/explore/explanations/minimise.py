"""The same finding with less: fewer steps and choices, then fewer context switches.

Four stages, each of which keeps the rule, the sentence and the chain of the finding:

1. the causal past: steps on which the tasks of the chain do not depend are left out (they may
   still happen, they change nothing);
2. steps are taken away from the end of each task, and choices, timeouts and interrupts are
   replaced by the ordinary outcome, as long as the finding stays (A. Zeller and R. Hildebrandt,
   "Simplifying and Isolating Failure-Inducing Input", 2002, with a task as the unit);
3. the rest is put into the order with the fewest switches (`shrink`);
4. schedules with fewer switches are searched breadth first; where that ends by itself there is no
   such schedule at all.

A schedule that leaves steps out is judged after all other tasks have run on to their rest, so it is
never shorter than its finding. The limit is a number of steps, not a time: the same design has
the same report on every machine.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dmabuf.explore.explanations.shrink import (
    Event,
    causal_past,
    few_switches,
    fewest_switches,
    switches_of,
)
from dmabuf.explore.lassos.timers import suspect
from dmabuf.explore.properties import build
from dmabuf.explore.snapshot import Snapshot, take_snapshot
from dmabuf.explore.strategies.replay import Replay
from dmabuf.machine import Design
from dmabuf.rt.carriers import carrier_named
from dmabuf.rt.explored_task import ExploredTask, Names
from dmabuf.rt.strategy import TIMEOUT, VARIANTS, task_of, variant_of
from dmabuf.rt.tasks import Tasks

__all__ = ["Goal", "Shown", "Trials", "minimise"]

MAX_EVENTS = 600
"""A longer schedule is not put into another order: finding the order costs its square."""

Pairs = list[tuple[int, int]]
Judge = Callable[[Tasks, Snapshot | None], object]


@dataclass(frozen=True, slots=True)
class Goal:
    """What has to stay.

    Attributes:
        key: what `judge` says of the finding.
        judge: what an execution comes to, given its state of rest (None where it was ended by a
            report or an exception).
        chain: numbers of the tasks that the finding is about; all their steps that count are
            shown. Empty if that is not known.
        time_passes: False where the finding is that only time goes on.
    """

    key: object
    judge: Judge
    chain: tuple[int, ...] = ()
    time_passes: bool = True


@dataclass(slots=True)
class Shown:
    """A schedule that shows the goal.

    Attributes:
        events: its steps.
        ordinals: by task number, the ordinal.
        snapshot: the state in which everything came to rest after it.
        fewest: no schedule that shows the goal has fewer switches.
        tasks: how many tasks there were, whether they made a step or not.
    """

    events: list[Event]
    ordinals: dict[int, int]
    snapshot: Snapshot | None
    tasks: int
    fewest: bool = False

    @property
    def pairs(self) -> Pairs:
        """(task number, variant) of each step."""
        return [(event.task, variant_of(event.transition)) for event in self.events]

    @property
    def moves(self) -> Pairs:
        """(task ordinal, variant) of each step: what a token holds."""
        return [(self.ordinals[who], variant) for who, variant in self.pairs]

    @property
    def size(self) -> tuple[int, int, int]:
        """What is to be small: tasks that move, choices that are not ordinary, steps."""
        odd = sum(variant != 0 for _who, variant in self.pairs)
        return len({event.task for event in self.events}), odd, len(self.events)


class Trials:
    """Runs schedules of one design until `steps` have been made."""

    def __init__(self, design: Design, names: Names, carrier: str, steps: int) -> None:
        self.design = design
        self.names = names
        self.carrier = carrier
        self.left = steps

    def show(self, pairs: Sequence[tuple[int, int]], goal: Goal) -> Shown | None:
        """The schedule as it went, if it shows the goal; impossible steps are skipped."""
        if self.left <= 0:
            return None
        run = _Run(pairs, goal.chain, time_passes=goal.time_passes)
        rt = run.of(self)
        if rt.failure is None and not rt.reports and run.snapshot is None:
            return None  # it never came to rest, or a task of the chain went on
        ended_early = rt.failure is not None or bool(rt.reports)
        if ended_early and run.completed:
            return None
        if goal.judge(rt, run.snapshot) != goal.key:
            return None
        ordinals = {task.number: task.ordinal for task in rt.tasks}
        return Shown(run.events, ordinals, run.snapshot, len(rt.tasks))

    def numbered(self, moves: Sequence[tuple[int, int]]) -> Pairs:
        """(task number, variant) for (task ordinal, variant)."""
        found: Pairs = []
        replay = Replay(moves, on_step=lambda task, way, _touched: found.append((task.number, way)))
        rt = Tasks(replay, names=self.names, carrier=carrier_named(self.carrier))
        rt.run(lambda runtime: build(self.design, runtime))
        self.left -= len(found) + replay.left_out + 2 * len(rt.tasks) + 1
        return found

    def reach(
        self,
        pairs: Sequence[tuple[int, int]],
        on: int,
        at: Callable[[_Reached], bool],
        *,
        time_passes: bool,
    ) -> None:
        """Make the steps, then let task `on` go on; `at` is told every state, and may end it."""
        _Reach(pairs, on, at, time_passes=time_passes).of(self)


class _Run:
    """One trial: the steps asked for, then the others until everything rests."""

    def __init__(
        self, pairs: Sequence[tuple[int, int]], chain: Collection[int], *, time_passes: bool
    ) -> None:
        self.events: list[Event] = []
        self.touched: dict[int, set[int]] = {}
        self.woke: set[tuple[int, int]] = set()
        self.snapshot: Snapshot | None = None
        self.completed = 0
        self.replay = Replay(
            pairs,
            by_number=True,
            at_end=self._at_end,
            on_step=self._made,
            completed=self._after,
            keep=chain,
            time_passes=time_passes,
        )

    def of(self, trials: Trials) -> Tasks:
        """Run it."""
        rt = Tasks(self.replay, names=trials.names, carrier=carrier_named(trials.carrier))
        rt.run(lambda runtime: build(trials.design, runtime))
        trials.left -= len(self.events) + self.completed + 2 * len(rt.tasks) + 1
        return rt

    def _made(self, task: ExploredTask, variant: int, footprint: tuple[int, ...]) -> None:
        self.events.append(Event(task.number, task.number * VARIANTS + variant, footprint))
        self._note(task, footprint)

    def _after(self, task: ExploredTask, variant: int, footprint: tuple[int, ...]) -> None:
        del variant
        self.completed += 1
        self._note(task, footprint)

    def _note(self, task: ExploredTask, footprint: tuple[int, ...]) -> None:
        for touch in footprint:
            self.touched.setdefault(touch >> 1, set()).add(task.number)
        if task.op is not None and task.op.wakes:
            self.woke.add((task.number, footprint[0] >> 1))

    def _at_end(self, rt: Tasks, enabled: list[int]) -> None:
        if self.replay.rested:
            past = self.touched, self.woke
            if self.replay.time_passes:
                self.snapshot = take_snapshot(rt, enabled, *past)
            else:
                self.snapshot = suspect(rt, enabled, lambda: past)


@dataclass(slots=True)
class _Reached:
    """A state on the way of a search: the steps that led there and what is possible."""

    events: list[Event]
    enabled: list[int]
    able: set[int]
    """Tasks that go on by themselves."""


class _Reach:
    """The strategy that makes some steps and then lets one task go on as far as it can."""

    def __init__(
        self,
        pairs: Sequence[tuple[int, int]],
        on: int,
        at: Callable[[_Reached], bool],
        *,
        time_passes: bool,
    ) -> None:
        self.time_passes = time_passes
        self.pairs = pairs
        self.on = on
        self.at = at
        self.events: list[Event] = []

    def of(self, trials: Trials) -> None:
        """Run it."""
        rt = Tasks(self, names=trials.names, carrier=carrier_named(trials.carrier))
        rt.run(lambda runtime: build(trials.design, runtime))
        trials.left -= len(self.events) + 2 * len(rt.tasks) + 1
        if rt.failure is not None or rt.reports:
            self.at(_Reached(list(self.events), [], set()))

    def pick(self, runtime: Tasks) -> int:
        """The next step asked for; then those of the one task, at its choices the first way."""
        enabled = runtime.enabled()
        depth = len(self.events)
        if depth < len(self.pairs):
            who, variant = self.pairs[depth]
            return who * VARIANTS + variant
        able = {
            task_of(one)
            for one in enabled
            if not runtime.by_number[task_of(one)].may_stop
            and (self.time_passes or variant_of(one) != TIMEOUT)
        }
        is_known = self.at(_Reached(list(self.events), enabled, able))
        mine = [one for one in enabled if task_of(one) == self.on]
        return mine[0] if len(mine) == 1 and not is_known and depth < MAX_EVENTS else -1

    def executed(self, transition: int, task: ExploredTask, footprint: tuple[int, ...]) -> None:
        """Note the step."""
        self.events.append(Event(task.number, transition, footprint))


def minimise(trials: Trials, pairs: Pairs, goal: Goal, *, fewest: bool = False) -> Shown | None:
    """The simplest schedule for the goal that the trials' steps are enough to find.

    Args:
        trials: runs schedules, within a limit.
        pairs: (task number, variant) of a schedule that shows the goal.
        goal: what has to stay.
        fewest: no schedule without left-out steps has fewer switches than this one.

    Returns None if the schedule does not show the goal when it is run again.
    """
    shown = trials.show(pairs, goal)
    if shown is None:
        return None
    switches = switches_of(shown.events)
    known = fewest and shown.tasks == len(goal.chain)  # then nothing can be left out anywhere
    shown = _with_less(trials, shown, goal)
    shown = _in_fewest_switches(trials, shown, goal)
    shown.fewest = known and switches_of(shown.events) == switches
    if not shown.fewest:
        shown = _search_below(trials, shown, goal)
    return shown


# -- less ------------------------------------------------------------------------------------------


def _with_less(trials: Trials, shown: Shown, goal: Goal) -> Shown:
    """Take away steps and choices as long as that helps."""
    if goal.chain:
        past = causal_past(shown.events, goal.chain)
        shown = _smaller(trials, shown, _pairs_of(past), goal) or shown
    improved = True
    while improved and trials.left > 0:
        improved = False
        for pairs in _reductions(shown):
            better = _smaller(trials, shown, pairs, goal)
            if better is not None:
                shown, improved = better, True
                break
            if trials.left <= 0:
                break
    return shown


def _smaller(trials: Trials, shown: Shown, pairs: Pairs, goal: Goal) -> Shown | None:
    if len(pairs) == len(shown.events) and pairs == shown.pairs:
        return None
    found = trials.show(pairs, goal)
    return found if found is not None and found.size < shown.size else None


def _pairs_of(events: Sequence[Event]) -> Pairs:
    return [(event.task, variant_of(event.transition)) for event in events]


def _reductions(shown: Shown) -> Iterator[Pairs]:
    """Schedules with a task's last steps taken away, most first, or with an ordinary outcome."""
    pairs = shown.pairs
    places: dict[int, list[int]] = {}
    for index, (who, _variant) in enumerate(pairs):
        places.setdefault(who, []).append(index)
    for mine in sorted(places.values(), key=len):
        count = len(mine)
        while count:
            gone = set(mine[-count:])
            yield [pair for index, pair in enumerate(pairs) if index not in gone]
            count //= 2
    for index, (who, variant) in enumerate(pairs):
        if variant:
            yield [*pairs[:index], (who, 0), *pairs[index + 1 :]]


# -- fewer switches --------------------------------------------------------------------------------


def _in_fewest_switches(trials: Trials, shown: Shown, goal: Goal) -> Shown:
    """The same steps in the order that switches least."""
    if len(shown.events) > MAX_EVENTS:
        return shown
    switches = switches_of(shown.events)
    order = fewest_switches(shown.events, switches) or few_switches(shown.events)
    if switches_of(order) >= switches:
        return shown
    return trials.show(_pairs_of(order), goal) or shown


def foata(events: Sequence[Event]) -> frozenset[tuple[int, int]]:
    """Equal for schedules that differ only in the order of independent steps.

    D. Foata's normal form: each step stands on the first level above all those it depends on.
    """
    wrote: dict[int, int] = {}
    read: dict[int, int] = {}
    went: dict[int, int] = {}
    found: set[tuple[int, int]] = set()
    for event in events:
        level = went.get(event.task, 0)
        for touch in event.footprint:
            level = max(level, wrote.get(touch >> 1, 0))
            if touch & 1:
                level = max(level, read.get(touch >> 1, 0))
        level += 1
        went[event.task] = level
        for touch in event.footprint:
            table = wrote if touch & 1 else read
            table[touch >> 1] = max(level, table.get(touch >> 1, 0))
        found.add((level, event.transition))
    return frozenset(found)


class _Fewer:
    """Breadth-first search over schedules by their number of switches."""

    def __init__(self, trials: Trials, shown: Shown, goal: Goal) -> None:
        self.trials = trials
        self.shown = shown
        self.goal = goal
        self.seen: set[Any] = set()
        self.judged: set[Any] = set()
        self.level: list[tuple[list[Event], int]] = []
        self.following: list[tuple[list[Event], int]] = []
        self.candidates: list[list[Event]] = []

    def search(self) -> Shown:
        """Something with fewer switches, or the proof that there is nothing."""
        best = switches_of(self.shown.events)
        self.level = [([], task) for task in self.shown.ordinals]
        for _switches in range(best):
            self.following = []
            while self.level:
                events, on = self.level.pop()
                if self.trials.left <= 0:
                    return self.shown
                at = functools.partial(self._at, on)
                on_time = self.goal.time_passes
                self.trials.reach(_pairs_of(events), on, at, time_passes=on_time)
                found = self._judge_candidates()
                if found is not None:
                    return found
            self.level = self.following
        if self.trials.left > 0:
            self.shown.fewest = True
        return self.shown

    def _at(self, on: int, at: _Reached) -> bool:
        """One state: may it show the goal, who could go on from here, and is it known?"""
        form = foata(at.events)
        if (form, on) in self.seen:
            return True
        self.seen.add((form, on))
        if form not in self.judged and not at.able.intersection(self.goal.chain):
            self.judged.add(form)
            self.candidates.append(at.events)
        mine = [one for one in at.enabled if task_of(one) == on]
        if len(mine) > 1:
            for one in mine:
                self._branch(at.events, on, one)
        if at.events and at.events[-1].task == on:
            others = dict.fromkeys(task_of(one) for one in at.enabled)
            self.following += [(at.events, other) for other in others if other != on]
        return False

    def _branch(self, events: list[Event], on: int, transition: int) -> None:
        """At a choice each way is a schedule of its own."""
        self.level.append(([*events, Event(on, transition, ())], on))

    def _judge_candidates(self) -> Shown | None:
        candidates, self.candidates = self.candidates, []
        for events in candidates:
            found = self.trials.show(_pairs_of(events), self.goal)
            if found is not None and len(found.events) == len(events):
                return found
        return None


def _search_below(trials: Trials, shown: Shown, goal: Goal) -> Shown:
    """Look for schedules with fewer switches than this one."""
    if not switches_of(shown.events):
        shown.fewest = True
        return shown
    found = _Fewer(trials, shown, goal).search()
    if found is not shown:
        found = _with_less(trials, found, goal)
        found.fewest = True  # everything with fewer has been looked at
    return found
