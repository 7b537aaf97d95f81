"""The registry that ties a Python method to the kernel function it mirrors.

`@kernel("dma_fence_signal")` stands above the one method that mirrors that function, so that a
search for the kernel's name finds it; `@no_kernel("reason")` stands above public methods that
have no counterpart. The registry feeds the reference table, reports and, later, the auditor.

    >>> from dmabuf.core.fence import Fence
    >>> "dma_fence_signal" in KERNEL_NAMES
    True
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

__all__ = ["KERNEL_NAMES", "KernelName", "kernel", "kernel_names_of", "no_kernel"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class KernelName:
    """One kernel symbol and the place that mirrors it.

    `context` is "any", "process" (may sleep) or "atomic" (never sleeps); pages and validator
    read it from here, so that they agree.
    """

    symbol: str
    where: str
    context: str


KERNEL_NAMES: dict[str, KernelName] = {}
"""Filled while modules are imported: kernel symbol -> where it is mirrored."""

_OF_CODE: dict[object, tuple[str, ...]] = {}
_WITHOUT: dict[object, str] = {}


def kernel(*symbols: str, context: str = "any") -> Callable[[F], F]:
    """Mark a function or class as the mirror of one or more kernel symbols."""

    def register(target: F) -> F:
        where = f"{target.__module__}.{target.__qualname__}"
        for symbol in symbols:
            if symbol in KERNEL_NAMES and KERNEL_NAMES[symbol].where != where:
                raise ValueError(
                    f"{symbol} is mirrored twice: {KERNEL_NAMES[symbol].where}, {where}"
                )
            KERNEL_NAMES[symbol] = KernelName(symbol, where, context)
        _OF_CODE[_key(target)] = symbols
        return target

    return register


def no_kernel(reason: str) -> Callable[[F], F]:
    """Mark a public function that has no kernel counterpart, and say why."""

    def register(target: F) -> F:
        _WITHOUT[_key(target)] = reason
        return target

    return register


def kernel_names_of(target: object) -> tuple[str, ...] | str | None:
    """The kernel symbols of a function, the reason why it has none, or None if nobody said."""
    key = _key(target)
    return _OF_CODE.get(key) or _WITHOUT.get(key)


def _key(target: object) -> object:
    function = getattr(target, "fget", target)
    return getattr(function, "__wrapped__", function)
