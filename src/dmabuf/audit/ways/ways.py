"""Ways: from a function to what it does, through all that it calls.

A node is a function in one context; it is walked once, whoever comes there. From a root the
nearest node is looked at first (Dijkstra), where a doubtful edge is long, so that the first way
to a line is the shortest and surest one.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.program.spelling import spell
from dmabuf.audit.program.types import bare
from dmabuf.audit.ways.beyond import NOTHING, OUTSIDE, Beyond
from dmabuf.audit.ways.calls import CallReader
from dmabuf.audit.ways.effect import Effect, Hop, Kind, Way
from dmabuf.audit.ways.evaluate import Evaluator
from dmabuf.audit.ways.event import Context, Event, Visit
from dmabuf.audit.ways.keeping import Keeper, answered, question_of
from dmabuf.audit.ways.scopes import Brackets
from dmabuf.audit.ways.shape import Shape
from dmabuf.audit.ways.walk import Walk

__all__ = ["Section", "Ways"]

_CONTEXTS = 8
"""More contexts of one function than this are one with nothing known, in one search."""
_NODES = 6000
_DEPTH = 16
_LEAST = 0.05
"""A way that is less sure than this is not followed."""

Span = Callable[[Event], bool]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a body.

    Attributes:
        routine: the function.
        kind: "signalling", or "gap" where a section was left and begun again.
        first, last: its lines.
    """

    routine: Routine
    kind: str
    first: int
    last: int

    def __call__(self, event: Event) -> bool:
        """Whether something that is met in the body is in it."""
        if self.kind == "signalling":
            return event.signalling
        return self.first <= event.line <= self.last and not event.signalling


@dataclass(slots=True, eq=False)
class _Node:
    """A function in a context; there is one object for each, so that it is known by itself.

    Attributes:
        routine, context: which.
        visit: what it does; None until it is walked.
        names: what was asked of the program for that.
        steps: its events, in order.
    """

    routine: Routine
    context: Context
    visit: Visit | None = None
    names: tuple[str, ...] = ()
    steps: list[_Step] = field(default_factory=list["_Step"])


_Step = tuple[Event, _Node | None, float]
"""An event, where it leads if it is a call, and how much shorter a sure call is than that one."""


@dataclass(slots=True)
class _Came:
    """How a node was reached: from which node, by which event."""

    before: _Node | None
    event: Event | None
    cost: float
    depth: int
    sure: float


class Ways:
    """All ways of a program; walks are kept.

    Args:
        program: what is walked.
        beyond: says what functions do that are not in it.
        contexts: of one function that are told apart.
    """

    def __init__(
        self, program: Program, beyond: Beyond = NOTHING, *, contexts: int = _CONTEXTS
    ) -> None:
        self.program = program
        self.evaluator = Evaluator(program)
        self.brackets = Brackets(program)
        self.limits: Counter[str] = Counter()
        self._calls = CallReader(program, self.evaluator, self.brackets, beyond)
        self._nodes: dict[tuple[Routine, Context], _Node] = {}
        self._shapes: dict[Routine, Shape] = {}
        self._most = contexts
        self.keeper: Keeper | None = None

    @property
    def matter(self) -> frozenset[str]:
        """The names that matter; everything else is never walked through."""
        return self._calls.matter.names

    # -- nodes ------------------------------------------------------------------------------------

    def visit(self, routine: Routine, context: Context | None = None) -> Visit:
        """What one function does in a context; without one, whatever it is given."""
        return self._visited(self._node(routine, context or self.context(routine)))

    def _node(self, routine: Routine, context: Context) -> _Node:
        """The one object for a function in a context."""
        found = self._nodes.get((routine, context))
        if found is None:
            found = self._nodes[routine, context] = _Node(routine, context)
        return found

    def _visited(self, node: _Node) -> Visit:
        asked = self.program.asked
        visit = node.visit
        if visit is None:
            before = asked.begin()
            visit = node.visit = self._walk(node.routine, node.context)
            node.names = asked.end(before)
            node.steps = [self._step(event) for event in visit.events]
        else:
            asked.again(node.names)
        return visit

    def _step(self, event: Event) -> _Step:
        if event.callee is None:
            return event, None, 0.0
        there = self._node(event.callee, event.context)
        return event, there, 2.0 * math.log(max(event.grade, 0.01))

    def _walk(self, routine: Routine, context: Context) -> Visit:
        shape = self._shapes.get(routine)
        if shape is None:
            shape = self._shapes[routine] = Shape.of(routine.function.code)
        local = self.program.tables.local(routine)
        walk = Walk(routine, context, self.evaluator, self._calls, local)
        return walk.run(shape)

    def asks(self, routine: Routine) -> dict[int, bool]:
        """The parameters that matter for what a function does, as `Relevance` tells them."""
        return self._calls.relevance.of(routine)

    def context(self, routine: Routine) -> Context:
        """Nothing known but the tables that the function stands in."""
        tables = {table for _, _, table in self.program.in_tables.get(routine, ()) if table}
        parameters = routine.function.parameters
        if len(tables) == 1 and parameters:
            bound = (next(iter(tables)), bare(parameters[0].type))
            return Context(owner=routine.owner, bound=bound)
        return Context(owner=routine.owner)

    # -- sections ---------------------------------------------------------------------------------

    def sections(self, routine: Routine) -> list[Section]:
        """The signalling sections that a function begins, and the gaps between them."""
        visit = self.visit(routine)
        found: list[Section] = []
        inside = [one.line for one in visit.events if one.signalling]
        if inside:
            found.append(Section(routine, "signalling", min(inside), max(inside)))
        found += [Section(routine, "gap", first, last) for first, last in visit.gaps]
        return found

    # -- ways -------------------------------------------------------------------------------------

    def of(
        self,
        routine: Routine,
        span: Span | None = None,
        kinds: frozenset[Kind] | None = None,
        context: Context | None = None,
    ) -> list[Way]:
        """One way to each line that does something, shortest and surest first."""
        return list(self.each(routine, span, kinds, context))

    def each(
        self,
        routine: Routine,
        span: Span | None = None,
        kinds: frozenset[Kind] | None = None,
        context: Context | None = None,
        nodes: int = _NODES,
    ) -> Iterator[Way]:
        """The same one by one, for who needs the first only; from no more nodes than that."""

        def search(limits: Counter[str]) -> Iterator[Way]:
            return self._searched(routine, span, kinds, context, nodes, limits)

        question = None
        if self.keeper is not None and context is None:
            question = question_of(routine, span, kinds, nodes)
        if self.keeper is None or question is None:
            return search(self.limits)
        return answered(self.keeper, question, search, self.limits, self.program.asked)

    def _searched(
        self,
        routine: Routine,
        span: Span | None,
        kinds: frozenset[Kind] | None,
        context: Context | None,
        nodes: int,
        limits: Counter[str],
    ) -> Iterator[Way]:
        start = self._node(routine, context or self.context(routine))
        came: dict[_Node, _Came] = {}
        found: set[tuple[Effect, Routine, int]] = set()
        for node, effect_event in self._search(start, span, came, nodes, limits):
            effect = effect_event.effect
            assert effect is not None
            if kinds is not None and effect.kind not in kinds:
                continue
            key = (effect, node.routine, effect_event.line)
            if key not in found:
                found.add(key)
                yield self._way(came, node, effect_event)

    def _search(
        self,
        start: _Node,
        span: Span | None,
        came: dict[_Node, _Came],
        nodes: int,
        limits: Counter[str],
    ) -> Iterator[tuple[_Node, Event]]:
        """Nodes in the order of their distance, with what each does."""
        came[start] = _Came(None, None, 0.0, 0, 1.0)
        queue: list[tuple[float, int, _Node]] = [(0.0, 0, start)]
        done: set[_Node] = set()
        contexts: Counter[Routine] = Counter()
        count = 0
        while queue:
            cost, _, node = heapq.heappop(queue)
            if node in done:
                continue
            done.add(node)
            if len(done) > nodes:
                limits["searches with too many functions"] += 1
                return
            here = came[node]
            if self._visited(node).truncated:
                limits["functions with too many calls"] += 1
            for event, called, less in node.steps:
                if span is not None and node is start and not span(event):
                    continue
                if called is None:
                    yield node, event
                    continue
                sure = here.sure * event.grade
                if here.depth >= _DEPTH or sure < _LEAST:
                    limits["ways that are too long or too unsure"] += 1
                    continue
                there = called if called in came else self._apart(called, contexts, limits)
                price = cost + 1.0 - less
                known = came.get(there)
                if known is None or (price < known.cost and there not in done):
                    came[there] = _Came(node, event, price, here.depth + 1, sure)
                    count += 1
                    heapq.heappush(queue, (price, count, there))

    def _apart(self, node: _Node, contexts: Counter[Routine], limits: Counter[str]) -> _Node:
        """Where a call leads; too many contexts of one function become one."""
        if contexts[node.routine] >= self._most:
            limits["functions with too many contexts"] += 1
            known = node.context
            return self._node(node.routine, Context((), known.scopes, known.owner))
        contexts[node.routine] += 1
        return node

    def _way(self, came: dict[_Node, _Came], node: _Node, last: Event) -> Way:
        hops = _last_hops(node.routine, last)
        conditions = _conditions(last)
        sure = came[node].sure * last.grade
        start = node
        here: _Node | None = node
        while here is not None:
            step = came[here]
            if step.before is not None and step.event is not None:
                hops.append(_hop(step.before.routine, step.event))
                conditions = _conditions(step.event) + conditions
            start, here = here, step.before
        hops.reverse()
        assert last.effect is not None
        return Way(
            start.routine.place(),
            tuple(hops),
            last.effect,
            tuple(dict.fromkeys(conditions)),
            round(sure, 4),
            tuple(sorted(last.scopes)),
        )


def _last_hops(routine: Routine, event: Event) -> list[Hop]:
    """The line that does it, innermost first; beyond the program those of the function there."""
    if event.deed is None:
        return [_hop(routine, event)]
    call = Hop(routine.place(event.line), OUTSIDE, event.beyond, event.note)
    return [*reversed(event.deed.hops), call]


def _hop(routine: Routine, event: Event) -> Hop:
    if event.effect is not None:
        callee = event.effect.name
    else:
        assert event.callee is not None
        callee = event.callee.name
    note = event.note
    if event.macro:
        note = f"in {event.macro}()" + (f", {note}" if note else "")
    return Hop(routine.place(event.line), event.how, callee, note)


def _conditions(event: Event) -> list[str]:
    """The two innermost conditions around a line, as C text."""
    texts: list[str] = []
    for condition, holds in event.guards[-2:]:
        text = spell(condition, 60)
        texts.append(text if holds else f"!({text})")
    return [*texts, *event.deed.conditions] if event.deed is not None else texts
