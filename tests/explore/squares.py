"""Do steps that are said to commute do so? Every square of a program's states is looked at.

A search relies on this alone: two steps of different tasks that are possible in a state, and whose
footprints do not conflict, lead to the same state in either order, neither opens nor closes a way
of the other's step, and neither changes what the other touches. `look` walks through all states of
a program, told apart by their fingerprints, and writes down of each two steps that meet whether
they do; `Meeting.is_missed` is asked afterwards, of the honest footprints or of weakened ones.

The walk shares no code with the strategies: it knows nothing of dependence and leaves nothing out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dmabuf.explore.again import check_known, knowing
from dmabuf.explore.dependence import independent
from dmabuf.explore.properties import build
from dmabuf.explore.states.fingerprint import Fingerprints
from dmabuf.explore.states.opaque import Opaque
from dmabuf.explore.strategies.watch import Watches
from dmabuf.hardware import plain
from dmabuf.machine import Machine
from dmabuf.rt.carriers import Greenlets
from dmabuf.rt.explored_task import ExploredTask, Names
from dmabuf.rt.strategy import BLOCK, VARIANTS, Footprint
from dmabuf.rt.tasks import Tasks

__all__ = ["Meeting", "Seen", "Touched", "look"]

MAX_STATES = 300
MAX_STEPS = 120

Weaken = Callable[[str, Footprint], Footprint]
"""Of an operation and what it says that it touches: what it is to say instead."""


class Touched(NamedTuple):
    """What a step touches.

    Attributes:
        op: the name of its operation; empty if it does not happen by its action.
        own: what the operation says.
        more: what the runtime adds: clock, CPU, the task itself.
    """

    op: str
    own: Footprint
    more: Footprint

    def weakened(self, weaken: Weaken) -> Footprint:
        """All of it, if the operation says something else."""
        return (weaken(self.op, self.own) if self.op else self.own) + self.more


class Meeting(NamedTuple):
    """Two steps that meet in a state, or a step and another that stands there.

    Attributes:
        how: "square" if both are possible, "opens" if the first makes the other so.
        first: one of them.
        other: the other; of an opened one what it touches after the first.
        watch: of an opened one what it watches for before the first; nothing if it has ways.
        commutes: they do.
    """

    how: str
    first: Touched
    other: Touched
    watch: Footprint
    commutes: bool

    def is_missed(self, weaken: Weaken) -> bool:
        """Do they not commute, although they are said to?"""
        if self.commutes:
            return False
        first = self.first.weakened(weaken)
        if self.watch and independent(first, self.watch):
            return True
        return independent(first, self.other.weakened(weaken))

    def renumbered(self) -> Meeting:
        """The same with objects in the order in which they are met."""
        numbers: dict[int, int] = {}

        def anew(footprint: Footprint) -> Footprint:
            return tuple(
                2 * numbers.setdefault(number >> 1, len(numbers)) + (number & 1)
                for number in footprint
            )

        first, other = (
            Touched(one.op, anew(one.own), anew(one.more)) for one in (self.first, self.other)
        )
        return Meeting(self.how, first, other, anew(self.watch), self.commutes)


class _Edge(NamedTuple):
    touched: Touched
    end: Any


@dataclass
class _State:
    """What is known of a state.

    Attributes:
        enabled: the transitions that are possible.
        stands: by number of each task what its step watches for; nothing if it has ways.
        doors: where a handler may start.
        edges: where transitions lead.
    """

    enabled: tuple[int, ...]
    stands: dict[int, Footprint]
    doors: frozenset[int]
    edges: dict[int, _Edge] = field(default_factory=dict)


@dataclass
class Seen:
    """What a walk has come to.

    Attributes:
        opaque: why states cannot be told apart; empty if they can.
        is_whole: all states have been visited.
        ops: the operations that happened.
    """

    opaque: str = ""
    is_whole: bool = True
    states: dict[Any, _State] = field(default_factory=dict)
    ops: set[str] = field(default_factory=set)

    def meetings(self) -> Iterator[Meeting]:
        """Each two steps that meet."""
        for state in self.states.values():
            for one, other in itertools.combinations(state.edges, 2):
                if one // VARIANTS != other // VARIANTS:
                    yield from self._square(state, one, other)
            for one in state.edges:
                yield from self._opened(state, one)

    def _square(self, state: _State, one: int, other: int) -> Iterator[Meeting]:
        mine, theirs = state.edges[one], state.edges[other]
        if _is_halt(mine.end) and _is_halt(theirs.end):
            return  # each ends the run in its own way
        then, otherwise = self._after(mine, other), self._after(theirs, one)
        if then is not None and otherwise is not None:
            commutes = _is_same(mine, theirs, then, otherwise)
            yield Meeting("square", mine.touched, theirs.touched, (), commutes)

    def _after(self, edge: _Edge, transition: int) -> _Edge | None:
        """What comes of a transition after another; None if that is not known."""
        after = self.states.get(edge.end)
        if after is None:
            return _NOWHERE if _is_halt(edge.end) else None
        return after.edges.get(transition) if transition in after.enabled else _NOWHERE

    def _opened(self, state: _State, one: int) -> Iterator[Meeting]:
        edge = state.edges[one]
        after = self.states.get(edge.end)
        if after is None:
            return
        for other in after.enabled:
            task = other // VARIANTS
            watch = state.stands.get(task)
            if task == one // VARIANTS or other in state.enabled or watch is None:
                continue
            if not watch and state.doors != after.doors:
                continue  # a step that opens a door says so to the search, which looks for that
            opened = after.edges.get(other)
            if opened is not None:
                yield Meeting("opens", edge.touched, opened.touched, watch, commutes=False)


_NOWHERE = _Edge(Touched("", (), ()), "nowhere")


def _is_same(mine: _Edge, theirs: _Edge, then: _Edge, otherwise: _Edge) -> bool:
    """Do two steps commute? One that ends the run has to end it in the same way after the other."""
    if _is_halt(theirs.end):
        return then == theirs
    if _is_halt(mine.end):
        return otherwise == mine
    same = then.touched == theirs.touched and otherwise.touched == mine.touched
    return same and then.end == otherwise.end


def _is_halt(end: Any) -> bool:
    return isinstance(end, tuple) and end[0] == "halt"


class _Walk:
    """A strategy that makes given steps, then new ones until it comes to a state that is known."""

    def __init__(self, seen: Seen, first: tuple[int, ...]) -> None:
        self.seen = seen
        self.path = list(first)
        self.first = len(first)
        self.made = 0
        self.found: list[tuple[int, ...]] = []
        self._fingerprints = Fingerprints()
        self._touched: dict[int, set[int]] = {}
        self._before: _State | None = None
        self._own = 0
        self._edge: Touched | None = None

    def pick(self, rt: Tasks) -> int:
        """The next step to make."""
        if self.made < self.first - 1:
            return self._make(rt, self.path[self.made])
        key, state = self._arrive(rt)
        if self._edge is not None:
            self._note(key)
        if self.made < self.first:
            self._before = state
            return self._make(rt, self.path[self.made])
        if state is not None or len(self.path) >= MAX_STEPS or len(self.seen.states) >= MAX_STATES:
            self.seen.is_whole &= state is not None
            return -1
        state = self._before = self._new(rt, key)
        if not state.enabled:
            return -1
        self.found += [(*self.path, other) for other in state.enabled[1:]]
        self.path.append(state.enabled[0])
        return self._make(rt, state.enabled[0])

    def _arrive(self, rt: Tasks) -> tuple[Any, _State | None]:
        fresh = frozenset(task.number for task in rt.tasks if task.fresh)
        print_ = self._fingerprints.take(rt, self._touched)
        met = tuple(map(rt.numbers.get, map(id, self._fingerprints.met)))
        key = print_, met, rt.clock.now(), fresh
        return key, self.seen.states.get(key)

    def _new(self, rt: Tasks, key: Any) -> _State:
        watches = Watches()
        stands = {
            task.number: () if callable(task.options) else watches.of(task, rt).whole
            for task in rt.tasks
            if task.op is not None
        }
        doors = rt.cpus.doors(rt.tasks)
        state = self.seen.states[key] = _State(tuple(rt.enabled()), stands, doors)
        return state

    def _make(self, rt: Tasks, transition: int) -> int:
        """See what the operation itself says that it touches."""
        task, variant = rt.by_number[transition // VARIANTS], transition % VARIANTS
        if variant >= BLOCK:
            self._own = -1
        else:
            if task.options:
                task.value = task.arg = variant
            op = plain(task.op)
            assert op is not None
            self._own = len(op.footprint(task.obj, task))
        return transition

    def executed(self, transition: int, task: ExploredTask, footprint: Footprint) -> None:
        """Remember what the step touched."""
        self._fingerprints.forget(task.number)
        for number in footprint:
            self._touched.setdefault(number >> 1, set()).add(task.number)
        if self.made >= self.first - 1:
            assert task.op is not None
            own = max(self._own, 0)
            name = task.op.name if self._own >= 0 else ""
            self._edge = Touched(name, footprint[:own], footprint[own:])
        self.made += 1

    def _note(self, end: Any) -> None:
        """The latest step led there."""
        assert self._before is not None
        assert self._edge is not None
        self._before.edges[self.path[self.made - 1]] = _Edge(self._edge, end)
        if self._edge.op:
            self.seen.ops.add(self._edge.op)
        self._edge = None

    def ended(self, rt: Tasks) -> None:
        """A step that halts leads to no state."""
        if self._edge is not None and (rt.failure is not None or rt.reports):
            self._note(("halt", _halt_of(rt)))


def _halt_of(rt: Tasks) -> Any:
    if rt.failure is not None:
        task, error = rt.failure
        return task.name, type(error).__name__, str(error)
    code, message, task = rt.reports[0]
    return code, message, task.name


def look(program: Any, *, states: int = MAX_STATES) -> Seen:
    """Visit all states of a program, or so many."""
    names = Names()
    return knowing(names, lambda: _look(program, names, states))


def _look(program: Any, names: Names, states: int) -> Seen:
    body = getattr(program, "design", program)
    seen, carrier = Seen(), Greenlets()

    def design(machine: Machine) -> None:
        world = body(machine) or program.world
        machine.rt.extras["world"] = world

    waiting: list[tuple[int, ...]] = [()]
    while waiting:
        walk = _Walk(seen, waiting.pop())
        rt = Tasks(walk, names=names, carrier=carrier)
        rt.at_end = walk.ended
        try:
            rt.run(lambda runtime: build(design, runtime))
        except Opaque as error:
            seen.opaque = str(error)
            return seen
        check_known(rt)
        if len(seen.states) < states:
            waiting += walk.found
        else:
            seen.is_whole = False
    return seen
