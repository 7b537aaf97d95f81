"""Allocation, reclaim, address spaces and device memory."""

from __future__ import annotations

from typing import Any

from dmabuf import Machine, Shared
from dmabuf.mm.device_pages import DevicePages
from dmabuf.mm.mempool import Element, Mempool
from dmabuf.sync.gfp import Gfp
from tests.explore import test_reclaim_differential
from tests.explore.alphabet.family import Act, Family, Things, op

__all__ = ["FAMILIES"]

_OPERATIONS = test_reclaim_differential.OPERATIONS


def _some(*names: str) -> dict[str, Act]:
    return {name: _with(_OPERATIONS[name]) for name in names}


def _with(operation: Any) -> Act:
    return lambda world: operation(world, 0, 2)


def _kind(kind: str) -> Any:
    return lambda machine: test_reclaim_differential._World(machine, kind)


def _raw(world: Any) -> Any:
    return world.mm.subscriptions


def _counted(machine: Machine) -> Things:
    world = Things(machine, cell=Shared(0, "cell"))
    world.memory = machine.memory(pages=1, pressure=1, kswapd=True)
    world.pool = Mempool(1, "pool")
    return world


def _of_kswapd(name: str) -> Act:
    def act(world: Any) -> Any:
        world.kswapd = world.memory.kswapd
        return op(name, "kswapd")(world)

    return act


_POOL: dict[str, Act] = {
    "alloc": lambda w: w.memory.alloc(Gfp.NOWAIT),
    "alloc and wait": lambda w: w.memory.alloc(Gfp.KERNEL),
    "free": lambda w: w.memory.free(1),
    "look": op("memory.look", "memory"),
    "listen": lambda w: _listens(w),
    "take": lambda w: w.pool.alloc(Gfp.NOWAIT) is not None,
    "take and wait": lambda w: w.pool.alloc(Gfp.KERNEL) is not None,
    "take it": op("mempool.take", "pool"),
    "wait": op("mempool.wait", "pool"),
    "give": lambda w: w.pool.free(Element(True)),
    "wake kswapd": _of_kswapd("kswapd.wake"),
}


def _listens(world: Any) -> Any:
    """As an allocation that stalls does."""
    from dmabuf.mm.page_alloc import Request

    request = Request(Gfp.KERNEL, 0, world.machine.rt.current().scope)
    world.machine.rt.step(_ops("memory.listen"), world.memory, request)
    world.machine.rt.step(_ops("memory.stall"), world.memory)
    world.machine.rt.step(_ops("memory.go_on"), world.memory)


def _ops(name: str) -> Any:
    from dmabuf.rt.api import OPS

    return OPS[name]


def _subscriptions(name: str, arg: Any = None) -> Act:
    def act(world: Any) -> Any:
        world.subs = world.mm.subscriptions
        return op(name, "subs", arg)(world)

    return act


_SHRINKERS: dict[str, Act] = {
    **_some("call", "unregister", "register"),
    "get": op("shrinker.get", "shrinker"),
    "get and put": lambda w: (op("shrinker.get", "shrinker")(w), op("shrinker.put", "shrinker")(w)),
    "wait": op("shrinker.wait", "shrinker"),
    "alloc": _with(_OPERATIONS["alloc"]),
    "walk": lambda w: len(w.memory.lists.walk("shrinkers")),
}

_INTERVALS: dict[str, Act] = {
    **_some("invalidate", "begin", "sees", "insert", "remove"),
    "retry": lambda w: w.notifier.read_retry(0),
    "set_seq": op("mmu_interval.set_seq", "notifier", lambda _w: 5),
    "wait": _subscriptions("mmu_notifier.wait", lambda _w: 1),
    "reclaim": _with(_OPERATIONS["reclaim"]),
}

_LISTED: dict[str, Act] = {
    **_some("invalidate", "listed", "unlisted"),
    "list": _subscriptions("mmu_notifier.list"),
    "synchronize": _subscriptions("mmu_notifier.synchronize", lambda w: w.listed),
}

_PAGES: dict[str, Act] = {
    **_some("reclaim", "user read", "user write", "pin", "populate", "invalidate"),
    "is_present": op("vma.is_present", "vma"),
    "may_go": op("vma.may_go", "vma"),
    "load": op("vma.load", "vma"),
    "store": op("vma.store", "vma", lambda _w: "new"),
    "unmap": op("vma.unmap", "vma", lambda _w: False),
}


def _device(machine: Machine) -> Any:
    world = test_reclaim_differential._World(machine, "device")
    world.spare = DevicePages("spare")
    return world


def _uses(world: Any) -> Any:
    with world.pages.device_access():
        return "used"


_DEVICE: dict[str, Act] = {
    **_some("map", "unmap", "flush", "access", "release"),
    "use": _uses,
    "move": lambda w: w.pages.move(),
    "populate": lambda w: w.pages.populate(),
    "map spare": lambda w: w.mmu.map(w.spare),
}

FAMILIES = (
    Family("counted memory", _counted, _POOL),
    Family("shrinkers", _kind("calls"), _SHRINKERS),
    Family("intervals", _kind("interval"), _INTERVALS),
    Family("listed notifiers", _kind("listed"), _LISTED),
    Family("user pages", _kind("pages"), _PAGES),
    Family("device memory", _device, _DEVICE),
)
