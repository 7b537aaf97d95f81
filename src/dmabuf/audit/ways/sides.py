"""Locks that are held on one side of a condition.

After `if (!ctx) lock();` the lock is held where ctx is NULL; so it is not in `if (ctx) alloc();`,
and after `if (!ctx) unlock();` nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from dmabuf.audit.front.code import Expr
from dmabuf.audit.ways.learnt import made_of
from dmabuf.audit.ways.state import Held, Side

__all__ = ["contradicted", "kept_in", "on_one_side", "side_of", "without"]

_MOST: Final = 4
_PASSES: Final = (("name", "likely"), ("name", "unlikely"))


def side_of(condition: Expr) -> Side | None:
    """The side on which a condition holds; None where asking again may give another answer."""
    while condition[0] == "call" and condition[1] in _PASSES and condition[2]:
        condition = condition[2][0]
    parts = made_of(condition)
    return Side(condition, True, parts) if parts else None


def kept_in(target: Expr) -> frozenset[str]:
    """What a store to `target` changes: a variable, or a field as `.name`."""
    while target[0] in ("index", "cast"):
        target = target[1] if target[0] == "index" else target[2]
    if target[0] == "field":
        return frozenset([f".{target[2]}"])
    return frozenset([target[1]]) if target[0] == "name" else frozenset()


def on_one_side(
    yes: tuple[Held, ...], no: tuple[Held, ...], side: Side
) -> tuple[tuple[Held, ...], tuple[Held, ...]]:
    """The locks of both sides of an `if`; those of one alone are marked."""
    if yes == no:
        return yes, no
    other = side._replace(holds=False)
    return _marked(yes, no, side), _marked(no, yes, other)


def _marked(held: tuple[Held, ...], other: tuple[Held, ...], side: Side) -> tuple[Held, ...]:
    there = {(one.lock, one.kind) for one in other}
    return tuple(
        one
        if (one.lock, one.kind) in there or len(one.only) >= _MOST
        else replace(one, only=(*one.only, side))
        for one in held
    )


def contradicted(held: tuple[Held, ...], holds: Callable[[Expr], bool | None]) -> tuple[Held, ...]:
    """The locks without those that are held only where something else is so than here."""
    if not held or not any(one.only for one in held):
        return held
    return tuple(
        one
        for one in held
        if not any(holds(side.condition) is (not side.holds) for side in one.only)
    )


def without(held: tuple[Held, ...], parts: frozenset[str]) -> tuple[Held, ...]:
    """The locks after `parts` have changed: what they were held for is old."""
    if not held or not any(one.only for one in held):
        return held
    return tuple(
        replace(one, only=tuple(side for side in one.only if side.parts.isdisjoint(parts)))
        if one.only
        else one
        for one in held
    )
