"""Go round a cycle of states in a run, and note what is wrong all the while.

Canonical states do not tell one fence from the next that takes its place: a loop that makes a
fence and signals it each turn has one pending in every state, though none for ever. So the cycle is
gone round as often as there are pending fences, plus once: the ones that are still pending then
will be for ever, as each turn does to them what the last one did to those in their place.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dmabuf.explore.lassos.facts import Facts, facts_of
from dmabuf.explore.properties import build, unmet
from dmabuf.explore.snapshot import Snapshot, take_snapshot
from dmabuf.explore.states.fingerprint import Fingerprints, known_fences
from dmabuf.explore.states.opaque import Opaque
from dmabuf.machine import Design
from dmabuf.rt.api import OPS
from dmabuf.rt.carriers import Carrier
from dmabuf.rt.explored_task import Names
from dmabuf.rt.strategy import TIMEOUT, VARIANTS
from dmabuf.rt.tasks import Tasks

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask

__all__ = ["Round", "go_round", "snapshot_of_turn"]

_MOST_TURNS = 12


class Round:
    """The strategy: a stem, then turns; what was seen on the way.

    Attributes:
        snapshot: the state after the last turn, and what is wrong in all of them.
        moves: (task ordinal, variant) of the stem and one turn.
        passed: how much time one turn takes, in ns.
        only_timers: nothing but timeouts, and what timers do, happens in a turn.
        reads_clock: the clock is read in a turn.
        failed: a step was not possible.
    """

    def __init__(self, stem: tuple[int, ...], turn: tuple[int, ...]) -> None:
        self.stem = stem
        self.turn = turn
        self.snapshot: Snapshot | None = None
        self.moves: list[tuple[int, int]] = []
        self.passed = 0
        self.only_timers = True
        self.reads_clock = False
        self.failed = False
        self._made = 0
        self._most = _MOST_TURNS
        self._began = 0
        self._facts: list[Facts] = []
        self._pending: set[int] = set()
        self._touched: dict[int, set[int]] = {}
        self._woke: set[tuple[int, int]] = set()

    def pick(self, runtime: Tasks) -> int:
        """The next step of the stem or the turn; -1 after the last turn."""
        enabled = runtime.enabled()
        done = self._made - len(self.stem)
        if done >= 0 and done % len(self.turn) == 0:
            self._look(runtime, enabled, turns=done // len(self.turn))
            if self.snapshot is not None:
                return -1
        elif 0 < done < len(self.turn):
            self._facts.append(facts_of(runtime, enabled, (), unmet(runtime)))
        step = self.stem[self._made] if done < 0 else self.turn[done % len(self.turn)]
        self.failed = step not in enabled
        return -1 if self.failed else step

    def _look(self, runtime: Tasks, enabled: list[int], *, turns: int) -> None:
        pending = {runtime.number_of(f) for f in known_fences(runtime, self._touched).values()}
        now = runtime.clock.now()
        if turns == 0:
            self._pending, self._began = pending, now
            self._most = min(len(pending) + 1, _MOST_TURNS)
            self._facts.append(facts_of(runtime, enabled, (), unmet(runtime)))
            return
        if turns == 1:
            self.passed = now - self._began
        if turns >= self._most:
            self._judge(runtime, enabled, self._pending & pending)

    def _judge(self, runtime: Tasks, enabled: list[int], pending: set[int]) -> None:
        loops = tuple(sorted({step // VARIANTS for step in self.turn}))
        owed = [t for t in self._facts[0].owed if all(t in one.owed for one in self._facts)]
        rest = take_snapshot(runtime, enabled, self._touched, self._woke)
        blocked = {task: entry for task, entry in rest.blocked.items() if task not in loops}
        never = [one for one in rest.unmet if all(one in facts.unmet for facts in self._facts)]
        self.snapshot = replace(
            rest,
            unmet=tuple(never),
            blocked=blocked,
            stopped=tuple(task for task in rest.stopped if task not in loops),
            pending=tuple(sorted(pending)),
            owed=tuple(task for task in rest.owed if task in blocked and task in owed),
            loops=loops,
            endless=tuple(task for task in loops if task in owed),
            turn=len(self.turn),
        )

    def executed(self, transition: int, task: ExploredTask, footprint: tuple[int, ...]) -> None:
        """Note who did what to what."""
        assert task.op is not None
        variant = transition % VARIANTS
        if self._made < len(self.stem) + len(self.turn):
            self.moves.append((task.ordinal, variant))
        if self._made >= len(self.stem):
            timed = variant == TIMEOUT or task.op.name.startswith("timer.")
            self.only_timers = self.only_timers and timed
            self.reads_clock = self.reads_clock or task.op.name == "clock.now"
        self._made += 1
        for number in footprint:
            self._touched.setdefault(number >> 1, set()).add(task.number)
        if OPS[task.op.name].wakes:
            self._woke.add((task.number, footprint[0] >> 1))

    @property
    def only_without_time(self) -> bool:
        """Would the turn be left if time passed, as it does for everybody but a virtual clock?"""
        return self.passed == 0 and self.only_timers


def go_round(
    design: Design, names: Names, carrier: Carrier, stem: tuple[int, ...], turn: tuple[int, ...]
) -> Round:
    """Run the design that way."""
    found = Round(stem, turn)
    rt = Tasks(found, names=names, carrier=carrier)
    rt.run(lambda runtime: build(design, runtime))
    return found


class _Find:
    """The strategy that follows moves and says where it has been in the last state before."""

    def __init__(self, moves: list[tuple[int, int]]) -> None:
        self.moves = moves
        self.steps: list[int] = []
        self.begins: int | None = None
        self._prints: list[bytes] = []
        self._fingerprints = Fingerprints()
        self._touched: dict[int, set[int]] = {}

    def pick(self, runtime: Tasks) -> int:
        try:
            print_ = self._fingerprints.take(runtime, self._touched)
        except Opaque:
            return -1
        made = len(self.steps)
        if made == len(self.moves):
            self.begins = self._prints.index(print_) if print_ in self._prints else None
            return -1
        self._prints.append(print_)
        ordinal, variant = self.moves[made]
        if ordinal >= len(runtime.tasks):
            return -1
        step = runtime.tasks[ordinal].number * VARIANTS + variant
        return step if step in runtime.enabled() else -1

    def executed(self, transition: int, task: ExploredTask, footprint: tuple[int, ...]) -> None:
        self.steps.append(transition)
        self._fingerprints.forget(task.number)
        for number in footprint:
            self._touched.setdefault(number >> 1, set()).add(task.number)


def snapshot_of_turn(
    design: Design, names: Names, carrier: Carrier, moves: list[tuple[int, int]]
) -> Snapshot | None:
    """What is wrong where a schedule ends in a state that it came from; None if nothing is."""
    find = _Find(moves)
    rt = Tasks(find, names=names, carrier=carrier)
    rt.run(lambda runtime: build(design, runtime))
    if find.begins is None:
        return None
    stem, turn = find.steps[: find.begins], find.steps[find.begins :]
    found = go_round(design, names, carrier, tuple(stem), tuple(turn)).snapshot
    return found if found is not None and found.is_bad else None
