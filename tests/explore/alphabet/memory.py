"""Allocation, reclaim, address spaces and device memory."""

from __future__ import annotations

from typing import Any

from dmabuf import Machine, Shared
from dmabuf.mm.device_pages import DevicePages
from dmabuf.mm.mempool import Element, Mempool
from dmabuf.mm.page_alloc import Request
from dmabuf.rt.api import Scope
from dmabuf.sync.gfp import Gfp
from tests.explore import test_reclaim_differential
from tests.explore.alphabet.family import Act, Family, Things, already, op

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


def _uses_up(world: Any) -> None:
    world.memory.free_pages = 0


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
    request = Request(Gfp.KERNEL, 0, Scope.NONE)
    op("memory.listen", "memory", lambda _w: request)(world)
    op("memory.stall", "memory")(world)
    op("memory.go_on", "memory")(world)


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


def _lists_and_leaves(world: Any) -> None:
    called = _subscriptions("mmu_notifier.list")(world)
    _subscriptions("mmu_notifier.leave", lambda _w: called)(world)


_LISTED: dict[str, Act] = {
    **_some("invalidate", "listed", "unlisted"),
    "list": _subscriptions("mmu_notifier.list"),
    "list and leave": lambda w: _lists_and_leaves(w),
    "add": _subscriptions("mmu_notifier.register", lambda w: w.listed),
    "add another": _subscriptions("mmu_notifier.register", lambda w: w.notifier),
    "drop": _subscriptions("mmu_notifier.unregister", lambda w: w.listed),
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
    Family("memory used up", already(_counted, _uses_up), _POOL),
    Family("empty pool", already(_counted, _POOL["take it"]), _POOL),
    Family("late shrinkers", _kind("late"), _some("insist", "register", "alloc")),
    Family("intervals to insert", _kind("listed"), _INTERVALS),
    Family(
        "pages that are gone",
        already(_kind("pages"), op("vma.unmap", "vma", lambda _w: True)),
        _PAGES,
    ),
    Family("mapped device memory", already(_device, _DEVICE["map"], _DEVICE["access"]), _DEVICE),
    Family("shrinkers", _kind("calls"), _SHRINKERS),
    Family("intervals", _kind("interval"), _INTERVALS),
    Family("listed notifiers", _kind("listed"), _LISTED),
    Family("a listed notifier", already(_kind("listed"), _LISTED["add"]), _LISTED),
    Family("user pages", _kind("pages"), _PAGES),
    Family("device memory", _device, _DEVICE),
)
