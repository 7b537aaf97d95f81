"""What a design may not ask: sources of chance and of real time that no schedule controls.

Replaying a schedule only shows *some* uncontrolled non-determinism: a coin that falls the same
way four times passes for a constant. So in the child process that runs foreign designs, the
functions below report DF005 when a design calls them; anywhere else they work as ever.

    >>> import random
    >>> with guarded():
    ...     0 <= random.random() < 1
    True
"""

from __future__ import annotations

import functools
import os
import random
import secrets
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from dmabuf.rt.ambient import ambient
from dmabuf.rt.tasks import Tasks

__all__ = ["guarded", "install"]

_CHANCE = "takes chances that no schedule controls; use machine.choose()"
_TIME = "reads a clock that no schedule controls; use machine.rt.now()"

_RANDOM = (
    "betavariate choice choices expovariate gauss getrandbits normalvariate randbytes randint "
    "random randrange sample shuffle triangular uniform"
)
_CLOCKS = "monotonic monotonic_ns perf_counter perf_counter_ns process_time time time_ns"

_FORBIDDEN: tuple[tuple[ModuleType, str, str], ...] = (
    *((random, name, _CHANCE) for name in _RANDOM.split()),
    *((secrets, name, _CHANCE) for name in ("choice", "randbelow", "token_bytes", "token_hex")),
    *((uuid, name, _CHANCE) for name in ("uuid1", "uuid4")),
    (os, "urandom", _CHANCE),
    *((time, name, _TIME) for name in _CLOCKS.split()),
)


def install() -> list[tuple[ModuleType, str, Any]]:
    """Put the guards in place; returns what they replaced."""
    replaced: list[tuple[ModuleType, str, Any]] = []
    for module, name, why in _FORBIDDEN:
        original = getattr(module, name)
        replaced.append((module, name, original))
        setattr(module, name, _guard(original, f"{module.__name__}.{name}", why))
    return replaced


@contextmanager
def guarded() -> Generator[None]:
    """The guards are in place inside."""
    replaced = install()
    try:
        yield
    finally:
        for module, name, original in replaced:
            setattr(module, name, original)


def _guard(original: Callable[..., Any], called: str, why: str) -> Callable[..., Any]:
    @functools.wraps(original)
    def guard(*args: Any, **kwargs: Any) -> Any:
        rt = ambient()
        if isinstance(rt, Tasks) and not rt.over:
            rt.report("DF005", f"{rt.current().name} calls {called}(), which {why}")
        return original(*args, **kwargs)

    return guard
