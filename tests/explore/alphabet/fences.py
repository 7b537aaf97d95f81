"""Fences, what holds them, and what waits for them."""

from __future__ import annotations

from typing import Any

from dmabuf import Machine, Shared, SpinLock, Timeline, WaitSet, wait_any
from dmabuf.core.fence_array import FenceArray
from dmabuf.core.fence_chain import FenceChain, chain_walk
from dmabuf.core.fence_unwrap import merge
from dmabuf.core.resv import Resv, Usage
from dmabuf.core.sync_file import SyncFile
from dmabuf.core.syncobj import SyncObj
from dmabuf.core.syncobj_eventfd import add_eventfd
from dmabuf.core.syncobj_steps import Wait
from dmabuf.sync.eventfd import EventFd
from tests.explore import (
    container_programs,
    test_resv_differential,
    test_syncobj_differential,
    test_wait_set_differential,
)
from tests.explore.alphabet.family import Act, Family, Things, already, of_table, op
from tests.explore.alphabet.sync import interrupts

__all__ = ["FAMILIES"]


def _fence(machine: Machine, *, locked: bool = False) -> Things:
    world = Things(machine, cell=Shared(0, "cell"), spin=SpinLock("s"))
    world.line = Timeline("a", lock=world.spin if locked else None)
    world.f, world.g = world.line.fence(), world.line.fence()
    world.h = Timeline("b").fence()
    return world


def _adds(world: Any) -> Any:
    return world.f.add_callback(lambda _f: world.cell.add(1)) is not None


def _adds_and_removes(world: Any) -> Any:
    callback = world.f.add_callback(lambda _f: world.cell.add(1))
    return None if callback is None else world.f.remove_callback(callback)


def _locked(world: Any) -> Any:
    with world.f.lock:
        return world.f.is_signaled()


def _signals_locked(world: Any) -> None:
    with world.f.lock.irqsave():
        world.f.signal_locked()


_FENCE: dict[str, Act] = {
    "signal": lambda w: w.f.signal(),
    "signal at": lambda w: w.f.signal(timestamp=7),
    "check_and_signal": lambda w: w.f.check_and_signal(),
    "signal_locked": _signals_locked,
    "locked": _locked,
    "add_callback": _adds,
    "remove_callback": _adds_and_removes,
    "enable": lambda w: w.f.enable_signaling(),
    "wait": lambda w: w.f.wait(),
    "timed wait": lambda w: w.f.wait(1.0),
    "is_signaled": lambda w: w.f.is_signaled(),
    "status": lambda w: w.f.status,
    "error": lambda w: w.f.error,
    "set_error": lambda w: w.f.set_error(-5),
    "publish": lambda w: w.f.publish(),
    "get": lambda w: w.f.get() is not None,
    "put": lambda w: w.f.put(),
    "references": op("fence.kref_read", "f"),
    "look": lambda w: w.f.wait(0),
    "ask the status": op("fence.get_status", "f"),
    "use": op("fence.use", "f"),
    "new fence": lambda w: w.line.fence().seqno,
    "now": lambda w: w.machine.rt.now(),
    "read": lambda w: w.cell.read(),
}

_ANY: dict[str, Act] = {
    "wait_any": lambda w: wait_any([w.f, w.h]),
    "timed": lambda w: wait_any([w.f, w.h], 1.0),
    "interruptible": lambda w: wait_any([w.h, w.f], interruptible=True),
    "signal f": lambda w: w.f.signal(),
    "signal h": lambda w: w.h.signal(),
    "look": lambda w: w.f.wait(0),
    "interrupt": interrupts(0),
    "now": lambda w: w.machine.rt.now(),
}


def _array(machine: Machine, *, failed: bool = False) -> Things:
    world = _fence(machine)
    if failed:
        world.f.set_error(-5)
    world.array = FenceArray.create([world.f, world.h])
    return world


def _fails(which: str) -> Act:
    def act(world: Any) -> None:
        fence = getattr(world, which)
        fence.set_error(-7)
        fence.signal()

    return act


_ARRAY: dict[str, Act] = {
    "signal f": lambda w: w.f.signal(),
    "signal h": lambda w: w.h.signal(),
    "fail h": _fails("h"),
    "set_error": lambda w: w.f.set_error(-9),
    "enable": lambda w: w.array.enable_signaling(),
    "wait": lambda w: w.array.wait(),
    "is_signaled": lambda w: w.array.is_signaled(),
    "status": lambda w: w.array.status,
    "left": op("array.left", "array"),
    "clear": op("array.clear", "array"),
    "count": op("array.count", "array", lambda w: w.h),
    "merge": lambda w: merge(w.array, w.g).is_signaled(),
    "get": lambda w: w.array.get() is not None,
    "put": lambda w: w.array.put(),
}


def _chain(machine: Machine) -> Things:
    world = _fence(machine)
    world.first = FenceChain.create(None, world.f, 1)
    world.head = FenceChain.create(world.first, world.h, 2)
    world.other = FenceChain.create(world.first.get(), world.g.get(), 3)
    return world


_CHAIN: dict[str, Act] = {
    "signal f": lambda w: w.f.signal(),
    "signal h": lambda w: w.h.signal(),
    "walk": lambda w: getattr(chain_walk(w.head), "name", None),
    "look back": op("chain.prev", "head"),
    "unlink": op("chain.unlink", "head"),
    "collect": op("chain.collect", "head", lambda w: (w.first, None)),
    "replace": op("chain.collect", "head", lambda w: (w.first, w.g)),
    "enable": lambda w: w.head.enable_signaling(),
    "is_signaled": lambda w: w.head.is_signaled(),
    "wait": lambda w: w.head.wait(),
    "get first": lambda w: w.first.get() is not None,
    "put first": lambda w: w.first.put(),
    "put head": lambda w: w.head.put(),
    "put f": lambda w: w.f.put(),
    "get g": lambda w: w.g.get() is not None,
    "put g": lambda w: w.g.put(),
    "references": op("fence.kref_read", "first"),
    "references of g": op("fence.kref_read", "g"),
}

_MERGE: dict[str, Act] = {
    "merge": lambda w: merge(w.f, w.h).is_signaled(),
    "merge one": lambda w: merge(w.f).seqno,
    "signal": lambda w: w.f.signal(),
    "get": lambda w: w.f.get() is not None,
    "put": lambda w: w.f.put(),
    "put h": lambda w: w.h.put(),
    "references": op("fence.kref_read", "f"),
    "references of h": op("fence.kref_read", "h"),
}


def _file(machine: Machine) -> Things:
    world = _fence(machine)
    world.file = SyncFile(world.f)
    return world


def _held(does: Act) -> Act:
    """As a system call does it, which holds the file."""

    def act(world: Any) -> Any:
        if not world.file.get_file():
            return None
        value = does(world)
        world.file.put()
        return value

    return act


_FILE: dict[str, Act] = {
    "poll": _held(lambda w: w.file.poll()),
    "merge unheld": lambda w: w.file.merge(SyncFile(w.h)).status,
    "open?": op("file.use", "file"),
    "arm": op("sync_file.arm", "file"),
    "get": lambda w: w.file.get_file(),
    "put": lambda w: w.file.put(),
    "status": lambda w: w.file.status,
    "merge": _held(lambda w: w.file.merge(SyncFile(w.h)).status),
    "wait": _held(lambda w: w.file.wait()),
    "signal": lambda w: w.f.signal(),
    "get_fence": lambda w: w.file.get_fence().is_signaled(),
    "references": op("fence.kref_read", "f"),
}


def _waiting(machine: Machine) -> Things:
    world = _fence(machine)
    world.obj, world.second = SyncObj("O"), SyncObj("P")
    world.ready = EventFd("ready")
    world.waiting = _wait_of(world)
    return world


def _wait_of(world: Any) -> Any:
    waiting = Wait(world.machine.rt, "waiting")
    world.entry = waiting.add(world.obj, 0)
    return waiting


_SYNCOBJ: dict[str, Act] = {
    "swap": lambda w: w.obj.replace_fence(w.f),
    "swap again": lambda w: w.obj.replace_fence(w.h),
    "reset": lambda w: w.obj.replace_fence(None),
    "find": op("syncobj.fence_get", "obj"),
    "get": lambda w: w.obj.get() is not None,
    "put": lambda w: w.obj.put(),
    "add": lambda w: w.obj.add_point(w.f, 1),
    "eventfd": lambda w: add_eventfd(w.obj, w.ready, available=True),
    "signal": lambda w: w.f.signal(),
    "references": op("fence.kref_read", "f"),
    "get f": lambda w: w.f.get() is not None,
    "put f": lambda w: w.f.put(),
    "status": lambda w: w.f.status,
    "publish": lambda w: w.f.publish(),
}

_CALL: dict[str, Act] = {
    "look": op("syncobj_wait.look", "waiting"),
    "sleep": op("syncobj_wait.sleep", "waiting"),
    "wake": op("syncobj_wait.wake", "waiting"),
    "hand": op("syncobj_wait.hand", "waiting", lambda w: (w.entry, w.f)),
    "hand another": op("syncobj_wait.hand", "waiting", lambda w: (w.entry, w.h)),
}

_EVENTFD: dict[str, Act] = {
    "signal": lambda w: w.ready.signal(),
    "read": lambda w: w.ready.read(),
    "timed": lambda w: w.ready.read(1.0),
    "look": lambda w: w.ready.read_nowait(),
    "poll": lambda w: w.ready.is_readable(),
}


def _wait_set(machine: Machine) -> Things:
    world = _fence(machine)
    world.set = WaitSet([world.f])
    world.told = [lambda: None, lambda: None]
    return world


_WAIT_SET: dict[str, Act] = {
    "add": lambda w: w.set.add(w.h),
    "remove": lambda w: w.set.remove(w.f),
    "wait": lambda w: getattr(w.set.wait(), "name", None),
    "look": lambda w: getattr(w.set.wait(0), "name", None),
    "drain": lambda w: len(w.set.drain()),
    "count": op("wait_set.count", "set"),
    "close": lambda w: w.set.close(),
    "signal f": lambda w: w.f.signal(),
    "signal h": lambda w: w.h.signal(),
    "push": op("wait_set.push", "set", lambda w: w.f),
    "listen": op("wait_set.listen", "set", lambda w: w.told[0]),
    "listen too": op("wait_set.listen", "set", lambda w: w.told[1]),
    "unlisten": op("wait_set.unlisten", "set", lambda w: w.told[0]),
    "detach": op("wait_set.detach", "set"),
}


def _resv(machine: Machine) -> Things:
    world = _fence(machine)
    world.obj = Resv("R")
    with world.obj as resv:
        resv.reserve_fences(1)
        resv.add_fence(world.f, Usage.READ)
    world.entries = world.obj.fences
    return world


_RESV: dict[str, Act] = {
    "restart": op("resv.restart", "obj"),
    "current": op("resv.current", "obj"),
    "slot": op("resv.slot", "entries", lambda _w: (0, True)),
    "slot uncounted": op("resv.slot", "entries", lambda _w: (0, False)),
    "signal": lambda w: w.f.signal(),
    "status": lambda w: w.f.status,
    "publish": lambda w: w.f.publish(),
    "references": op("fence.kref_read", "f"),
    "references of h": op("fence.kref_read", "h"),
    "put": lambda w: w.f.put(),
    "add": lambda w: _adds_fence(w, w.h),
    "add same": lambda w: _adds_fence(w, w.g),
    "publish h": lambda w: w.h.publish(),
    "get h": lambda w: w.h.get() is not None,
}


def _adds_fence(world: Any, fence: Any) -> None:
    with world.obj as resv:
        resv.reserve_fences(1)
        resv.add_fence(fence, Usage.WRITE)


_WAITING = (
    "wait",
    "wait a second",
    "wait for submit",
    "wait available",
    "look",
    "find for submit",
    "replace",
    "reset",
    "add",
    "query",
    "poll",
    "use for writing",
    "signal fence",
)


def _filled_resv(machine: Machine) -> Any:
    return test_resv_differential.Program(0)._make_world(machine)


FAMILIES = (
    Family("fence", _fence, _FENCE),
    Family("fence with a lock", lambda m: _fence(m, locked=True), _FENCE),
    Family("wait_any", _fence, _ANY),
    Family("array", _array, _ARRAY),
    Family("array of a failed fence", lambda m: _array(m, failed=True), _ARRAY),
    Family("chain", _chain, _CHAIN),
    Family("merge", _fence, _MERGE),
    Family("sync_file", _file, _FILE),
    Family("syncobj", _waiting, _SYNCOBJ),
    Family("syncobj call", _waiting, _CALL),
    Family("eventfd", _waiting, _EVENTFD),
    Family("eventfd that is readable", already(_waiting, lambda w: w.ready.signal()), _EVENTFD),
    Family("wait_set with news", already(_wait_set, lambda w: w.f.signal()), _WAIT_SET),
    Family("wait_set with listeners", already(_wait_set, _WAIT_SET["listen"]), _WAIT_SET),
    Family("resv with the only reference", already(_resv, lambda w: w.f.put()), _RESV),
    Family(
        "syncobj with the only reference",
        already(_waiting, _SYNCOBJ["swap"], lambda w: w.f.put()),
        {name: act for name, act in _SYNCOBJ.items() if name != "put"},
    ),
    Family("wait_set", _wait_set, _WAIT_SET),
    Family("resv", _resv, _RESV),
    Family("resv lists", _filled_resv, of_table(test_resv_differential.OPERATIONS, (0, 1))),
    Family(
        "syncobj waits",
        lambda m: test_syncobj_differential.Program(0)._make_world(m),
        of_table({name: test_syncobj_differential.OPERATIONS[name] for name in _WAITING}, (0, 0)),
    ),
    Family(
        "containers",
        lambda m: container_programs.Program(0)._make_world(m),
        of_table(container_programs.OPERATIONS, (0,)),
    ),
    Family(
        "wait_set loops",
        lambda m: test_wait_set_differential.Program(0)._make_world(m),
        of_table(test_wait_set_differential.OPERATIONS, (0,)),
    ),
)
