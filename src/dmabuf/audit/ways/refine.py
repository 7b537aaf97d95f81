"""What a condition says about plain variables, where it holds or does not."""

from __future__ import annotations

from collections.abc import Callable

from dmabuf.audit.front.code import Expr
from dmabuf.audit.ways.state import State
from dmabuf.audit.ways.values import OBJECT, Value

__all__ = ["refine"]


def refine(
    state: State, condition: Expr, *, holds: bool, value: Callable[[Expr], Value], depth: int = 0
) -> None:
    """Take into the state what a condition says about variables, where it holds or does not."""
    kind = condition[0]
    if depth > 8:
        return
    if kind == "unary" and condition[1] == "!":
        refine(state, condition[2], holds=not holds, value=value, depth=depth + 1)
    elif kind == "call" and condition[1] in (("name", "unlikely"), ("name", "likely")):
        refine(state, condition[2][0], holds=holds, value=value, depth=depth + 1)
    elif kind == "op" and condition[1] in ("&&", "||"):
        if holds is (condition[1] == "&&"):
            refine(state, condition[2], holds=holds, value=value, depth=depth + 1)
            refine(state, condition[3], holds=holds, value=value, depth=depth + 1)
    elif kind == "op" and condition[1] in ("==", "!=") and condition[2][0] == "name":
        if holds is (condition[1] == "=="):
            known = value(condition[3])
            if known is not None:
                state.values[condition[2][1]] = known
    elif kind == "name":
        _refine_name(state, condition[1], holds)


def _refine_name(state: State, name: str, holds: bool) -> None:
    known = state.values.get(name)
    if known is None:
        state.values[name] = frozenset([OBJECT]) if holds else frozenset([0])
        return
    left = frozenset(one for one in known if (one != 0) is holds)
    if left:
        state.values[name] = left
