"""What conditions have said about expressions that are not plain variables: `p->flag`, `a > b`.

A value of a variable is kept with the variables. Of everything else it is kept what was asked, as
long as nothing that it is made of may have changed: `if (!p->x) lock(); ...; if (!p->x) unlock();`.
Of a variable that was compared, too, what it is not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from dmabuf.audit.front.code import Expr
from dmabuf.audit.ways.values import OBJECT, Value, join, number

__all__ = ["MEMORY", "Learnt", "forgotten", "given", "joined", "learn", "made_of", "said", "worth"]

MEMORY: Final = "*"
"""Among what an expression is made of: something that others may change."""
_DEPTH: Final = 12
_PASSES: Final = (("name", "likely"), ("name", "unlikely"))
_ZERO: Final = number(0)
_NEVER_ZERO: Final = frozenset([0])
Values = Callable[[Expr], Value]
Said = Mapping[Expr, "Learnt"]


@dataclass(frozen=True, slots=True)
class Learnt:
    """What is known of one expression.

    Attributes:
        only: what it may be; None for anything.
        never: numbers that it is not.
        parts: what it is made of: names, fields as `.name`, MEMORY.
    """

    only: Value
    never: frozenset[int]
    parts: frozenset[str]

    def truth(self) -> bool | None:
        """Is it true? None where it may be either."""
        if self.only == _ZERO:
            return False
        return True if 0 in self.never or (self.only and 0 not in self.only) else None


@functools.lru_cache(maxsize=1 << 16)
def made_of(expression: Expr) -> frozenset[str] | None:
    """Names and fields in an expression; None if asking it twice may give two answers."""
    found: set[str] = set()
    todo: list[Expr] = [expression]
    while todo:
        e = todo.pop()
        kind = e[0]
        if kind == "name":
            found.add(e[1])
        elif kind == "field":
            found.update((f".{e[2]}", MEMORY))
            todo.append(e[1])
        elif kind in ("index", "deref"):
            found.add(MEMORY)
            todo += e[1:]
        elif kind in ("op", "unary"):
            todo += e[2:]
        elif kind in ("addr", "cast"):
            todo.append(e[-1])
        elif kind not in ("number", "sizeof"):
            return None
    return frozenset(found)


def given(items: Iterable[tuple[Expr, Value, frozenset[int]]]) -> dict[Expr, Learnt]:
    """What a caller hands on, as what is known at the begin of a function."""
    return {
        expression: Learnt(only, never, made_of(expression) or frozenset())
        for expression, only, never in items
    }


def learn(
    into: dict[Expr, Learnt], condition: Expr, *, holds: bool, value: Values, depth: int = 0
) -> None:
    """Take down what a condition says where it holds, or does not.

    Args:
        into: what is known so far.
        condition: what was asked.
        holds: the answer.
        value: of expressions at this point.
        depth: how far inside the condition.
    """
    kind = condition[0]
    if depth > _DEPTH or kind == "number":
        return
    if kind == "unary" and condition[1] == "!":
        learn(into, condition[2], holds=not holds, value=value, depth=depth + 1)
    elif kind == "call" and condition[1] in _PASSES and condition[2]:
        learn(into, condition[2][0], holds=holds, value=value, depth=depth + 1)
    elif kind == "op" and condition[1] in ("&&", "||"):
        _learn_both(into, condition, holds, value, depth)
    elif kind == "op" and condition[1] in ("==", "!="):
        _learn_equal(into, condition, holds is (condition[1] == "=="), value)
    elif kind != "name":
        _note(into, condition, None if holds else _ZERO, _NEVER_ZERO if holds else frozenset())


def _learn_both(
    into: dict[Expr, Learnt], condition: Expr, holds: bool, value: Values, depth: int
) -> None:
    sides = condition[2:4]
    if holds is (condition[1] == "&&"):
        for side in sides:
            learn(into, side, holds=holds, value=value, depth=depth + 1)
        return
    either: list[dict[Expr, Learnt]] = []
    for side in sides:
        one = dict(into)
        learn(one, side, holds=holds, value=value, depth=depth + 1)
        either.append(one)
    into.clear()
    into.update(joined(*either))
    _note(into, condition, None if holds else _ZERO, _NEVER_ZERO if holds else frozenset())


def _learn_equal(into: dict[Expr, Learnt], condition: Expr, equal: bool, value: Values) -> None:
    subject, other = condition[2], value(condition[3])
    if other is None or not all(isinstance(one, int) for one in other):
        always = equal is (condition[1] == "==")
        _note(into, condition, None if always else _ZERO, _NEVER_ZERO if always else frozenset())
    elif equal:
        _note(into, subject, other, frozenset())
    elif len(other) == 1:
        _note(into, subject, None, frozenset(one for one in other if isinstance(one, int)))


def _note(into: dict[Expr, Learnt], subject: Expr, only: Value, never: frozenset[int]) -> None:
    before = into.get(subject)
    if before is not None:
        only = before.only if only is None else only
        into[subject] = Learnt(only, before.never | never, before.parts)
        return
    parts = made_of(subject)
    if parts:
        into[subject] = Learnt(only, never, parts)


def joined(a: dict[Expr, Learnt], b: dict[Expr, Learnt]) -> dict[Expr, Learnt]:
    """What is known where two ways meet."""
    if not a or not b:
        return {}
    if a == b:
        return a
    found: dict[Expr, Learnt] = {}
    for subject, one in a.items():
        other = b.get(subject)
        if other is None:
            continue
        only, never = join(one.only, other.only), _nevers(one) & _nevers(other)
        if only is not None or never:
            found[subject] = Learnt(only, never, one.parts)
    return found


def _nevers(one: Learnt) -> frozenset[int]:
    """What it is not; what is only one thing is nothing else, of which 0 matters."""
    return one.never | _NEVER_ZERO if one.only and 0 not in one.only else one.never


def forgotten(known: dict[Expr, Learnt], parts: Iterable[str]) -> dict[Expr, Learnt]:
    """What is still known after these have changed."""
    gone = frozenset(parts)
    return {e: one for e, one in known.items() if gone.isdisjoint(one.parts)}


def said(known: Said, condition: Expr, value: Values) -> bool | None:
    """Whether a condition without `!`, `&&` and `||` holds, by what is known."""
    found = known.get(condition)
    if found is not None:
        return found.truth()
    if condition[0] != "op" or condition[1] not in ("==", "!="):
        return None
    found = known.get(condition[2])
    other = value(condition[3]) if found is not None else None
    if found is None or other is None:
        return None
    equal = None
    if found.only == other and len(other) == 1:
        equal = True
    elif other <= found.never or (found.only is not None and not found.only & other):
        equal = False
    return equal if equal is None or condition[1] == "==" else not equal


def worth(known: Said, expression: Expr) -> Value:
    """What an expression may be, by what is known of it."""
    found = known.get(expression)
    if found is None:
        return None
    if found.only is not None:
        return found.only
    return frozenset([OBJECT]) if 0 in found.never else None
