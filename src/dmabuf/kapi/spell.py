"""From Python's manners to the kernel's: errno returns, jiffies, and who spells what by hand.

>>> to_jiffies(NS_PER_S) == HZ, to_ns(HZ) == NS_PER_S
(True, True)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from dmabuf.errors import Interrupted
from dmabuf.rt.clock import NS_PER_S

__all__ = [
    "ERESTARTSYS",
    "HZ",
    "MAX_SCHEDULE_TIMEOUT",
    "SPELLED",
    "Flags",
    "entered",
    "errno_of",
    "left",
    "returns_errno",
    "spelled",
    "to_jiffies",
    "to_ns",
]

HZ = 250
"""Jiffies a second, as in the kernels that distributions ship."""

MAX_SCHEDULE_TIMEOUT = (1 << 63) - 1
"""Wait for ever."""

ERESTARTSYS = 512
"""What an interrupted wait returns, negated, inside the kernel."""

_NS_PER_JIFFY = NS_PER_S // HZ

Flags = AbstractContextManager[Any]
"""What a `_save` or `_irqsave` call returns: the section that it opened."""

F = TypeVar("F", bound=Callable[..., Any])

SPELLED: dict[str, Callable[..., Any]] = {}
"""Kernel functions whose arguments or results are not those of the method that mirrors them."""


def spelled(*symbols: str) -> Callable[[F], F]:
    """Register a function as the spelling of one or more kernel symbols."""

    def register(fn: F) -> F:
        for symbol in symbols:
            if symbol in SPELLED:
                raise ValueError(f"{symbol} is spelled twice")
            SPELLED[symbol] = fn
        return fn

    return register


def errno_of(error: OSError) -> int:
    """The negative number that kernel code would return instead."""
    if isinstance(error, Interrupted):
        return -ERESTARTSYS
    return -(error.errno or 0)


def returns_errno(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel failure becomes a negative return value."""

    @functools.wraps(fn)
    def wrapped(*args: Any, **how: Any) -> Any:
        try:
            return fn(*args, **how)
        except OSError as error:
            return errno_of(error)

    return wrapped


def entered(section: Flags) -> Flags:
    """Open a section that a later call closes."""
    section.__enter__()
    return section


def left(section: Flags) -> None:
    """Close it."""
    section.__exit__(None, None, None)


def to_ns(jiffies: int) -> int | None:
    """A timeout in jiffies as nanoseconds; None for MAX_SCHEDULE_TIMEOUT."""
    return None if jiffies >= MAX_SCHEDULE_TIMEOUT else jiffies * _NS_PER_JIFFY


def to_jiffies(ns: int) -> int:
    """Nanoseconds left, rounded up to jiffies."""
    return -(-ns // _NS_PER_JIFFY)
