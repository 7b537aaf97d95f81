"""The kernel's functions by their own names, for those who think in them.

Every symbol of the name registry is here: `dmabuf.kapi.dma_fence_signal(fence)` calls the method
that stands under `@kernel("dma_fence_signal")`. A kernel failure is a negative return value, not
an exception; timeouts are jiffies (`HZ`). Names and signatures are those of the newest kernel;
`dmabuf.differences` lists what older ones call otherwise.

    >>> from dmabuf import Timeline, kapi
    >>> fence = Timeline("gpu").fence()
    >>> kapi.dma_fence_signal(fence)
    >>> kapi.dma_fence_get_status(fence), kapi.dma_fence_wait_timeout(fence, True, 10)
    (1, 10)
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any

from dmabuf._names import KERNEL_NAMES, KernelName
from dmabuf.kapi.spell import (
    ERESTARTSYS,
    HZ,
    MAX_SCHEDULE_TIMEOUT,
    SPELLED,
    returns_errno,
)

__all__ = ["ERESTARTSYS", "HZ", "MAX_SCHEDULE_TIMEOUT", "functions"]

_MIRRORING = ("dmabuf.sync", "dmabuf.mm", "dmabuf.core", "dmabuf.kapi")
_ALSO = ("dmabuf.irq", "dmabuf.machine")
_ELSEWHERE = {
    "IRQF_ONESHOT": "deferred",
    "WorkQueueFlags": "deferred",
    "dma_buf_export_info": "dma_buf",
    "dma_fence": "fence",
    "dma_fence_cb": "fence",
    "dma_fence_unwrap": "containers",
    "dma_resv": "resv",
    "dma_resv_iter": "resv",
    "drm_file": "syncobj",
    "jiffies": "deferred",
    "ww_acquire_ctx": "resv",
}
"""What is no function of the kernel, by the module that has it."""


@cache
def _load() -> None:
    """Import every module that mirrors something, so that the registry is complete."""
    for package in _MIRRORING:
        where = importlib.import_module(package).__path__
        for found in pkgutil.iter_modules(where, package + "."):
            importlib.import_module(found.name)
    for module in _ALSO:
        importlib.import_module(module)


def functions() -> dict[str, Callable[..., Any]]:
    """All kernel functions that are here, by name."""
    _load()
    names = sorted(name for name in KERNEL_NAMES if name.isidentifier())
    return {name: __getattr__(name) for name in names}


def __getattr__(name: str) -> Any:
    if name.endswith("__"):
        raise AttributeError(name)  # what Python asks of every module
    _load()
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(f"dmabuf.kapi.{_ELSEWHERE[name]}"), name)
    known = KERNEL_NAMES.get(name)
    if known is None:
        close = difflib.get_close_matches(name, KERNEL_NAMES, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise AttributeError(f"no kernel function {name} is mirrored here{hint}")
    function = SPELLED.get(name) or _generated(known)
    globals()[name] = function
    return function


def __dir__() -> list[str]:
    return sorted({*__all__, *_ELSEWHERE, *functions()})


def _generated(known: KernelName) -> Callable[..., Any]:
    """The mirrored method as a function of its object, failing the kernel's way."""
    target = _target(known.where)
    if isinstance(target, property):
        assert target.fget is not None
        target = target.fget
    if inspect.isclass(target):
        return target
    function = returns_errno(target)
    function.__name__ = function.__qualname__ = known.symbol
    return function


def _target(where: str) -> Any:
    """What a dotted name of the registry stands for."""
    module, _, rest = where.rpartition(".")
    owner = ""
    while True:
        try:
            found: Any = importlib.import_module(module)
        except ModuleNotFoundError:
            module, _, owner = module.rpartition(".")
            rest = f"{owner}.{rest}"
            continue
        for part in rest.split("."):
            found = inspect.getattr_static(found, part)
        return found
