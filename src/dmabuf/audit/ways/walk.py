"""A walk through the body of one function, in one context: what it does and whom it calls.

The body is a line of instructions with its structure in it, so a walk is one loop with a stack of
open blocks. Conditions are decided where the context is enough; else both ways are taken and meet
again. Nothing is done twice: a loop is walked once, with what it changes unknown.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dmabuf.audit.front.code import (
    BLOCK,
    BREAK,
    CALL,
    CASE,
    CONTINUE,
    DECLARE,
    ELSE,
    END,
    GOTO,
    IF,
    LABEL,
    LOOP,
    RETURN,
    SET,
    SWITCH,
    Code,
    Expr,
    Instruction,
)
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.program.spelling import spell
from dmabuf.audit.ways.arrays import element_of, elements, sizes
from dmabuf.audit.ways.beyond import Deed
from dmabuf.audit.ways.effect import Effect
from dmabuf.audit.ways.evaluate import Evaluator
from dmabuf.audit.ways.event import NOWHERE, Context, Event, Visit
from dmabuf.audit.ways.learnt import MEMORY, forgotten, given, learn, worth
from dmabuf.audit.ways.refine import refine
from dmabuf.audit.ways.shape import Shape
from dmabuf.audit.ways.sides import contradicted, kept_in, on_one_side, side_of, without
from dmabuf.audit.ways.sites import Site
from dmabuf.audit.ways.state import Side, State, either
from dmabuf.audit.ways.values import Fields, Value

__all__ = ["Calls", "Walk"]

_EVENTS = 4000
_COLD = ("debug", "drm_dbg", "selftest", "WARN", "inject", "should_fail")
_JOINS = (IF, ELSE, LOOP, SWITCH, CASE, BLOCK, END, LABEL)
_LEAVES = (RETURN, GOTO, BREAK, CONTINUE)


class Calls(Protocol):
    """What happens at a call."""

    def call(self, walk: Walk, instruction: Instruction, depth: int) -> None:
        """Take down the events of a call."""

    def named(self, value: Expr, kind: str, path: str) -> Expr:
        """An initialiser of a type with the names of the fields that it leaves out."""
        raise NotImplementedError

    def holds(self, walk: Walk, condition: Expr) -> bool | None:
        """Whether a condition holds; None where it may or may not."""
        raise NotImplementedError


@functools.lru_cache(maxsize=1 << 15)
def _is_cold(condition: Expr) -> bool:
    """Whether only debugging asks for it."""
    text = spell(condition)
    return any(word in text for word in _COLD)


@dataclass(slots=True)
class _Open:
    """A block that is open: what it is, and the states that wait for its end."""

    kind: int
    condition: Expr | None = None
    other: State | None = None
    leaves: State | None = None
    default: bool = False
    guarded: bool = False
    cold: bool = False
    held: int = 0
    subject: Value = None
    side: Side | None = None
    turned: bool = False


@dataclass(slots=True)
class Walk:
    """One walk.

    Attributes:
        routine: the function.
        context: what is known at its begin.
        evaluator: of expressions.
        calls: what is done at calls.
        local: types of its variables.
    """

    routine: Routine
    context: Context
    evaluator: Evaluator
    calls: Calls
    local: dict[str, str]
    events: list[Event] = field(default_factory=list)
    exits: State | None = None
    state: State | None = None
    index: int = 0
    line: int = 0
    macro: str = ""
    gaps: list[tuple[int, int]] = field(default_factory=list)
    sections: list[tuple[int, int]] = field(default_factory=list)
    ended_at: int = 0
    begun_at: int = 0
    cold: int = 0
    guards: list[tuple[Expr, bool]] = field(default_factory=list)
    sites: dict[int, Site] = field(default_factory=dict[int, Site])
    _open: list[_Open] = field(default_factory=list)
    _labels: dict[str, State] = field(default_factory=dict)

    def run(self, shape: Shape) -> Visit:
        """Walk from the first line to the last."""
        self.state = State(
            self._given(),
            self.context.scopes,
            spins=int("atomic" in self.context.scopes),
            known=given(self.context.given),
        )
        self.sites = shape.sites
        self.steps(shape.code, shape, 0)
        self.exits = either(self.exits, self.state)
        return Visit(
            tuple(self.events),
            tuple(self.gaps),
            tuple(self.sections),
            len(self.events) >= _EVENTS,
        )

    def _given(self) -> dict[str, Value]:
        return {
            parameter.name: value
            for parameter, value in zip(
                self.routine.function.parameters, self.context.values, strict=False
            )
            if value is not None
        }

    def steps(self, code: Code, shape: Shape | None, depth: int) -> None:
        """Do the instructions of a body or, one level deeper, of a macro."""
        for index, instruction in enumerate(code):
            kind = instruction[0]
            if depth == 0:
                self.index, self.line = index, instruction[1]
            if self.state is None and kind not in _JOINS:
                continue
            if kind in (CALL, SET, DECLARE):
                self._plain(kind, instruction, depth)
            elif kind in (LOOP, LABEL):
                self._repeat(kind, instruction, shape.changed.get(index) if shape else None)
            elif kind in _JOINS:
                self._block(kind, instruction)
            elif kind in _LEAVES:
                self._leave(kind, instruction)

    def _plain(self, kind: int, instruction: Instruction, depth: int) -> None:
        if kind == SET:
            self._set(instruction[2], instruction[3])
        elif kind == DECLARE:
            self._declare(instruction[2], instruction[3])
        elif len(self.events) < _EVENTS:
            self.calls.call(self, instruction, depth)

    def _declare(self, name: str, kind: str) -> None:
        self._values().pop(name, None)
        self.stored(frozenset([name]))
        for variable, length in sizes(name, kind) if kind[-1:] == "]" else ():
            self.assign(variable, self.value(length))

    def inner(self, code: Code, depth: int) -> None:
        """Do the body of a macro; blocks that it leaves open end with it."""
        count = len(self._open)
        self.steps(code, None, depth)
        while len(self._open) > count:
            self._end()

    def _values(self) -> dict[str, Value]:
        assert self.state is not None
        return self.state.values

    def value(self, expression: Expr) -> Value:
        """What an expression is worth here."""
        state = self.state
        if state is None:
            return self.evaluator.value(expression, {}, self.routine.path)
        found = self.evaluator.value(expression, state.values, self.routine.path)
        return worth(state.known, expression) if found is None and state.known else found

    def doubt(self) -> float:
        """How likely a line is done at all: what only debugging does is cold."""
        return 0.4 if self.cold else 1.0

    def note(
        self,
        *,
        grade: float,
        effect: Effect | None = None,
        callee: Routine | None = None,
        context: Context = NOWHERE,
        how: str = "does",
        note: str = "",
        beyond: tuple[str, Deed | None] = ("", None),
    ) -> None:
        """Take down what is done, or who is called, at this line and as things stand here."""
        state = self.state
        assert state is not None
        self.events.append(
            Event(
                self.line,
                self.index,
                effect,
                callee,
                context,
                how,
                grade * self.doubt(),
                tuple(self.guards),
                state.held,
                state.scopes,
                state.signalling,
                state.ended,
                self.macro,
                note,
                beyond[1],
                beyond[0],
            )
        )

    # -- assignments ------------------------------------------------------------------------------

    def _set(self, target: Expr, value: Expr) -> None:
        if target[0] == "index" and target[1][0] == "name":
            self.loose((element_of(target[1][1]),))
        elif target[0] == "name" and value[0] == "list":
            if "[" in self.local.get(target[1], ""):
                self.assign(element_of(target[1]), self._any(elements(value)))
            value = self.calls.named(value, self.local.get(target[1], ""), self.routine.path)
        now = self.value(value) if target[0] in ("name", "field") else None
        self.stored(kept_in(target))
        if target[0] == "name":
            self.assign(target[1], now)
        elif target[0] == "field":
            path = [target[2]]
            while target[1][0] == "field":
                target = target[1]
                path.append(target[2])
            if target[1][0] == "name":
                self._set_field(target[1][1], path[::-1], now)

    def _any(self, items: tuple[Expr, ...]) -> Value:
        """Any of some constants; unknown where one of them is."""
        values = [self.value(one) for one in items]
        known = [one for one in values if one is not None]
        if not items or len(known) < len(values):
            return None
        return frozenset(atom for one in known for atom in one)

    def loose(self, elements: Iterable[str]) -> None:
        """Somebody may change the elements of arrays, as `element_of` tells them."""
        if self.state is not None and self.state.values:
            for one in elements:
                self.state.values.pop(one, None)

    def assign(self, name: str, value: Value) -> None:
        """A variable gets a value."""
        values = self._values()
        if value is None:
            values.pop(name, None)
        else:
            values[name] = value

    def _set_field(self, name: str, path: Sequence[str], value: Value) -> None:
        known = self._values().get(name)
        if known is None:
            kind = self.local.get(name, "*")
            if value is None or "*" in kind or "[" in kind or not kind.startswith("struct "):
                return
            known = frozenset([Fields(())])
        (struct, *more) = known
        if isinstance(struct, Fields) and not more:
            self._values()[name] = frozenset([struct.within(path, value)])

    def cleared(self, target: Expr) -> None:
        """`memset(&target, 0, ...)`."""
        if (
            target[0] == "addr"
            and target[1][0] == "name"
            and "*" not in self.local.get(target[1][1], "*")
        ):
            self.assign(target[1][1], frozenset([Fields((), frozenset([0]))]))

    def is_filled(self, argument: Expr) -> bool:
        """Whether it is the address of a struct of which something is known."""
        return (
            argument[0] == "addr" and argument[1][0] == "name" and argument[1][1] in self._values()
        )

    def written(self, argument: Expr, fields: frozenset[str]) -> None:
        """A callee set these fields of a struct that it was given."""
        if argument[0] == "addr" and argument[1][0] == "name":
            for one in fields:
                if argument[1][1] in self._values():
                    self._set_field(argument[1][1], (one,), None)

    def forget(self, names: frozenset[str] | None) -> None:
        """Nothing is known of these variables any more."""
        if names and self.state is not None:
            for name in names:
                base, _, inner = name.partition(".")
                self.stored(frozenset([f".{inner}" if inner else base]))
                if not inner:
                    self.state.values.pop(name, None)
                elif base in self.state.values:
                    self._set_field(base, (inner,), None)

    # -- what conditions said ---------------------------------------------------------------------

    def stored(self, parts: frozenset[str]) -> None:
        """Variables or fields (`.name`) are set: what was said of them is old."""
        state = self.state
        for opened in self._open:
            if opened.side is not None and not parts.isdisjoint(opened.side.parts):
                opened.side = None
        if state is not None:
            if state.known:
                state.known = forgotten(state.known, parts)
            state.held = without(state.held, parts)

    def minds(self) -> bool:
        """Whether anything was said that a store could make old."""
        state = self.state
        if state is not None and state.known:
            return True
        if any(opened.side is not None for opened in self._open):
            return True
        return state is not None and any(one.only for one in state.held)

    def shaken(self) -> None:
        """Others may have run: what was said of memory may be so no more."""
        if self.state is not None and self.state.known:
            self.state.known = forgotten(self.state.known, (MEMORY,))

    def _said(self, state: State, condition: Expr, *, holds: bool) -> None:
        """Take a condition into a state."""
        refine(state, condition, holds=holds, value=self.value)
        learn(state.known, condition, holds=holds, value=self.value)
        here, self.state = self.state, state
        state.held = contradicted(state.held, lambda one: self.calls.holds(self, one))
        self.state = here

    # -- blocks -----------------------------------------------------------------------------------

    def _block(self, kind: int, instruction: Instruction) -> None:
        if kind == IF:
            self._if(instruction[2])
        elif kind == ELSE:
            self._else()
        elif kind == END:
            self._end()
        elif kind == CASE:
            self._case(instruction[2])
        elif kind == SWITCH:
            subject = None if self.state is None else self.value(instruction[2])
            self._open.append(_Open(SWITCH, instruction[2], self.state, subject=subject))
            self.state = None
        else:
            held = len(self.state.held) if self.state is not None else 0
            self._open.append(_Open(BLOCK, held=held))

    def _if(self, condition: Expr) -> None:
        opened = _Open(IF, condition)
        self._open.append(opened)
        if self.state is None:
            return
        known = self.calls.holds(self, condition)
        if known is not True:
            opened.other = self.state.copy()
            self._said(opened.other, condition, holds=False)
        if known is False:
            self.state = None
            return
        if known is None:
            self._said(self.state, condition, holds=True)
            opened.side = side_of(condition)
            self.guards.append((condition, True))
            opened.guarded = True
            if _is_cold(condition):
                opened.cold = True
                self.cold += 1

    def _else(self) -> None:
        opened = self._open[-1] if self._open else None
        if opened is None or opened.kind != IF:
            return
        self.state, opened.other = opened.other, self.state
        opened.turned = True
        if opened.guarded and opened.condition is not None:
            self.guards[-1] = (opened.condition, False)

    def _end(self) -> None:
        if not self._open:
            return
        opened = self._open.pop()
        if opened.guarded:
            self.guards.pop()
            self.cold -= opened.cold
        if opened.kind == IF:
            self._meet(opened)
        elif opened.kind == LOOP:
            self.state = either(either(self.state, opened.other), opened.leaves)
        elif opened.kind == SWITCH:
            self.state = either(self.state, opened.leaves)
            if not opened.default:
                self.state = either(self.state, opened.other)
        elif self.state is not None:
            self._drop_scoped(opened.held)

    def _meet(self, opened: _Open) -> None:
        """Both sides of an `if` go on together."""
        here, other = self.state, opened.other
        if opened.side is not None and here is not None and other is not None:
            yes, no = (other, here) if opened.turned else (here, other)
            yes.held, no.held = on_one_side(yes.held, no.held, opened.side)
        self.state = either(here, other)

    def _drop_scoped(self, count: int) -> None:
        """The end of a block drops what `guard` took in it."""
        assert self.state is not None
        held = self.state.held
        self.state.held = held[:count] + tuple(
            one for one in held[count:] if one.name not in ("guard", "scoped_guard")
        )

    def _repeat(self, kind: int, instruction: Instruction, changed: frozenset[str] | None) -> None:
        """A loop or a label: what changes until the way comes back here is not known."""
        if kind == LABEL:
            self.state = either(self.state, self._labels.get(instruction[2]))
            self.forget(changed)
            if changed is not None:
                self.shaken()
            return
        self.forget(changed)
        self.shaken()
        before = self.state.copy() if self.state is not None else None
        self._open.append(_Open(LOOP, instruction[2], before))

    def _case(self, value: Expr | None) -> None:
        opened = self._open[-1] if self._open else None
        if opened is None or opened.kind != SWITCH or opened.other is None:
            return
        if value is None:
            opened.default = True
        elif opened.subject is not None:
            known = self.evaluator.value(value, {}, self.routine.path)
            if known is not None and not known & opened.subject:
                return
        self.state = either(self.state, opened.other.copy())

    def _leave(self, kind: int, instruction: Instruction) -> None:
        state, self.state = self.state, None
        if kind == RETURN:
            self.exits = either(self.exits, state)
        elif kind == GOTO:
            assert state is not None
            known = self._labels.get(instruction[2])
            self._labels[instruction[2]] = either(known, state) or state
        elif kind == BREAK:
            for opened in reversed(self._open):
                if opened.kind in (LOOP, SWITCH):
                    opened.leaves = either(opened.leaves, state)
                    break
