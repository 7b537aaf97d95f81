"""Stateful search: no state is explored twice.

Depth first by replay, with a table of the states seen (by `explore.states.fingerprint`), so loops
of steps come to an end. Sleep sets are combined with it as by P. Godefroid, G. Holzmann and D.
Pirottin, "State-Space Caching Revisited", 1995: the table keeps with each state what slept there
when it was first met; where some of that is awake at another visit, it is explored then.

All states are visited. Edges that sleep sets leave out are not made but known all the same: a
sleeping transition commutes with the step that led to where it sleeps, so its end is found by
going round the other two sides of the square (`Graph.edge`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dmabuf.explore.lassos.facts import Facts, facts_of
from dmabuf.explore.properties import unmet
from dmabuf.explore.states.fingerprint import Fingerprints
from dmabuf.explore.states.opaque import Opaque
from dmabuf.explore.strategies.dfs import DepthFirst, Node, all_may_stop, is_timed
from dmabuf.explore.strategies.setup import PLAIN, Setup
from dmabuf.rt.strategy import VARIANTS

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.tasks import Tasks

__all__ = ["MAX_STATES", "Graph", "State"]

MAX_STATES = 300_000
"""About 600 bytes each: more would not fit into the memory of a small machine."""

_AT_ONCE = 300
"""New states in one execution; then others are told and asked, and it is gone on with."""

_LONGER = 25
"""A path through new states may be so much longer than an execution of other engines."""

Footprint = tuple[int, ...]


class State:
    """What is known of a state.

    Attributes:
        enabled: the transitions that are possible.
        sleep: those of them that were asleep at every visit.
        why: for those, the state and the transition from which that was inherited.
        edges: where the others lead.
        facts: what decides whether a run may come back here for ever.
    """

    __slots__ = ("edges", "enabled", "facts", "sleep", "why")

    def __init__(self, enabled: tuple[int, ...], facts: Facts) -> None:
        self.enabled = enabled
        self.facts = facts
        self.sleep: set[int] = set()
        self.why: dict[int, tuple[int, int]] = {}
        self.edges: dict[int, int] = {}


class _At(Node):
    """A state on the present path."""

    __slots__ = ("state",)

    def __init__(self, chosen: int, todo: list[int], sleep: dict[int, Footprint], state: int):
        super().__init__(chosen, todo, sleep)
        self.state = state


class Graph(DepthFirst):
    """The strategy; see `DepthFirst` for its arguments and attributes.

    Args:
        states: how many states may be kept.

    Attributes:
        states: all states that were met; the first is the start.
        opaque: what could not be seen into, which ends this search; empty if nothing.
        overflow: the limit of states, if it was reached.
        loops: some way leads back to a state that it has been in.
    """

    reads_frames = True

    def __init__(self, setup: Setup = PLAIN, *, states: int = MAX_STATES) -> None:
        super().__init__(replace(setup, limit=setup.limit * _LONGER))
        self.states: list[State] = []
        self.opaque = ""
        self.overflow = ""
        self.loops = False
        self._most = states
        self._numbers: dict[bytes, int] = {}
        self._facts: dict[Facts, Facts] = {}
        self._fingerprints = Fingerprints()
        self._touched: dict[int, set[int]] = {}
        self._here = -1
        self._first = 0
        self._paused = self._repeats = False

    @property
    def is_stuck(self) -> bool:
        """Is there no going on?"""
        return bool(self.opaque or self.overflow)

    def backtrack(self) -> bool:
        """Move to the next execution; False when all have been run."""
        return not self.is_stuck and (self._paused or super().backtrack())

    def begin(self, *, repeat: bool = False) -> None:
        """A new execution starts; with `repeat` it is to be the same as the one before."""
        super().begin(repeat=repeat or self._paused)
        self._repeats = repeat
        self._first = len(self.states)
        self._fingerprints.forget()
        self._touched = {}
        for node in self.path[: self.known]:
            self._touch(node.chosen // VARIANTS, node.footprint)

    def _touch(self, task: int, footprint: Footprint) -> None:
        for number in footprint:
            self._touched.setdefault(number >> 1, set()).add(task)

    def pick(self, runtime: Tasks) -> int:
        """The path's next transition, or a new one at its end; -1 ends the execution."""
        if self._depth < len(self.path):
            return self._repeat(runtime)
        if self.is_stuck:
            return -1
        enabled = runtime.enabled()
        if self._paused and self._repeats:
            self.fell_asleep = True
            return -1
        if self._paused:
            self._paused = False
            return self._go_on(is_new=True, enabled=enabled)
        if self.at_rest is not None and all_may_stop(runtime, enabled):
            self.at_rest(runtime, enabled)
        is_new = self._arrive(runtime, enabled)
        if not enabled or self.is_stuck:
            return -1
        if is_new and len(self.states) - self._first >= _AT_ONCE:
            self._paused = self.fell_asleep = True
            return -1
        if self._depth >= self.limit:
            self.was_cut = True
            if self.at_cut is not None:
                self.at_cut(runtime, enabled)
            return -1
        return self._go_on(is_new=is_new, enabled=enabled)

    def ended(self, runtime: Tasks) -> None:
        """The execution has ended; its frames are let go."""
        super().ended(runtime)
        self._fingerprints.forget()

    def _arrive(self, runtime: Tasks, enabled: list[int]) -> bool:
        """Find out which state this is; is it a new one?"""
        try:
            print_ = self._fingerprints.take(runtime, self._touched)
        except Opaque as error:
            self.opaque = str(error)
            self.bound = f"states cannot be compared: there is {self.opaque}"
            return False
        number = self._numbers.get(print_, -1)
        is_new = number < 0
        if is_new:
            if len(self.states) >= self._most:
                self.overflow = self.bound = f"{self._most} states"
                return False
            number = self._numbers[print_] = len(self.states)
            self._add(runtime, enabled)
        if self.path:
            before = self.path[-1]
            assert isinstance(before, _At)
            self.states[before.state].edges[before.chosen] = number
        self._here = number
        if not is_new and not self.loops:
            self.loops = any(isinstance(node, _At) and node.state == number for node in self.path)
        return is_new

    def _add(self, runtime: Tasks, enabled: list[int]) -> None:
        if self.at_wait is not None and is_timed(enabled):
            self.at_wait(runtime, enabled)
        facts = facts_of(runtime, enabled, self._fingerprints.known, unmet(runtime))
        self.states.append(State(tuple(enabled), self._facts.setdefault(facts, facts)))

    @property
    def reads_time(self) -> bool:
        """Could some code of the design ask for the time?"""
        return self._fingerprints.reads_time

    def _go_on(self, *, is_new: bool, enabled: list[int]) -> int:
        before = self.path[-1] if self.path else None
        sleep = self._inherited(before) if before is not None else {}
        state = self.states[self._here]
        if is_new:
            awake = [transition for transition in enabled if transition not in sleep]
            state.sleep = {transition for transition in enabled if transition in sleep}
            assert isinstance(before, _At) or not state.sleep
            for transition in state.sleep:
                assert isinstance(before, _At)
                state.why[transition] = before.state, before.chosen
        else:
            awake = [t for t in enabled if t in state.sleep and t not in sleep]
            state.sleep.difference_update(awake)
        if not awake:
            self.fell_asleep = True
            return -1
        self._order(awake, before)
        chosen = awake.pop(0)
        self.path.append(_At(chosen, awake, sleep, self._here))
        return chosen

    def executed(self, transition: int, task: ExploredTask, footprint: Footprint) -> None:
        """Remember what the transition touched, or compare with what it did before."""
        super().executed(transition, task, footprint)
        self._fingerprints.forget(task.number)
        self._touch(task.number, footprint)

    # -- the graph -------------------------------------------------------------------------------

    def edge(self, state: int, transition: int) -> int:
        """Where a transition leads; -1 if that is not known."""
        waiting = [(state, transition)]
        while waiting:
            at, step = waiting[-1]
            known = self.states[at].edges.get(step)
            if known is None:
                known = self._round(at, step, waiting)
            if known is not None:
                self.states[at].edges[step] = known
                waiting.pop()
        return self.states[state].edges[transition]

    def _round(self, at: int, step: int, waiting: list[tuple[int, int]]) -> int | None:
        """The end of a step that sleeps here; None if another has to be known first."""
        source = self.states[at].why.get(step)
        if source is None:
            return -1
        parent, made = source
        first = self.states[parent].edges.get(step)
        if first is None:
            waiting.append((parent, step))
            return None
        if first < 0:
            return -1
        second = self.states[first].edges.get(made)
        if second is None:
            if (first, made) in waiting:
                return -1
            waiting.append((first, made))
        return second
