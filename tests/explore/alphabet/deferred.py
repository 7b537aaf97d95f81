"""Work, timers, RCU and kernel threads."""

from __future__ import annotations

from typing import Any

from dmabuf import Machine, Mutex, Shared, SpinLock, WaitQueue
from dmabuf.sync.kthread import Kthread, kthread_parkme, kthread_should_park, kthread_should_stop
from dmabuf.sync.rcu import (
    RcuHead,
    RcuPointer,
    call_rcu,
    rcu_barrier,
    rcu_read_lock,
    synchronize_rcu,
)
from dmabuf.sync.softirq import bh_disable, bh_enable
from dmabuf.sync.timer import Timer
from dmabuf.sync.workqueue import DelayedWork, Work, WorkQueue
from tests.explore.alphabet.family import Act, Family, Things, both, op

__all__ = ["FAMILIES"]


def _with_work(machine: Machine, **how: Any) -> Things:
    world = Things(machine, cell=Shared(0, "cell"), lock=Mutex("L"), q=WorkQueue("q", **how))
    world.first = Work(lambda: world.cell.add(1), "first")
    world.second = Work(lambda: world.cell.write(5), "second")
    return world


def _short_of_memory(machine: Machine) -> Things:
    machine.memory(pressure=1, kswapd=False)
    return _with_work(machine, mem_reclaim=True)


_READ: dict[str, Act] = {"read": lambda w: w.cell.read()}

_WORK: dict[str, Act] = {
    "queue": lambda w: w.q.queue(w.first),
    "queue second": lambda w: w.q.queue(w.second),
    "queue both": lambda w: (w.q.queue(w.first), w.q.queue(w.second)),
    "flush": lambda w: w.first.flush(),
    "cancel": lambda w: w.first.cancel(),
    "cancel_sync": lambda w: w.first.cancel_sync(),
    "disable": lambda w: w.first.disable(),
    "enable": both(lambda w: w.first.disable(), lambda w: w.first.enable()),
    "is_busy": lambda w: w.first.is_busy(),
    "is_pending": lambda w: w.first.is_pending(),
    "flush queue": lambda w: w.q.flush(),
    "drain": lambda w: w.q.drain(),
    "look": op("workqueue.start_flush", "q"),
    **_READ,
}


def _with_delayed(machine: Machine) -> Things:
    world = Things(machine, cell=Shared(0, "cell"), q=WorkQueue("q", ordered=True))
    world.late = DelayedWork(lambda: world.cell.add(2), "late")
    world.first = Work(lambda: world.cell.add(1), "first")
    world.other = WorkQueue("other", ordered=True)
    return world


_DELAYED: dict[str, Act] = {
    "queue": lambda w: w.q.queue_delayed(w.late, 1),
    "queue now": lambda w: w.q.queue_delayed(w.late, 0),
    "queue elsewhere": lambda w: w.other.queue_delayed(w.late, 0),
    "queue another": lambda w: w.q.queue(w.first),
    "mod": lambda w: w.q.mod_delayed(w.late, 2),
    "cancel": lambda w: w.late.cancel(),
    "cancel_sync": lambda w: w.late.cancel_sync(),
    "flush_delayed": lambda w: w.late.flush_delayed(),
    "flush queue": lambda w: w.q.flush(),
    "drain": lambda w: w.q.drain(),
    "is_pending": lambda w: w.late.is_pending(),
    **_READ,
}


def _with_timer(machine: Machine) -> Things:
    world = Things(machine, cell=Shared(0, "cell"), spin=SpinLock("s"))
    world.timer = Timer(lambda: world.cell.add(4), "timer")
    world.other = Timer(lambda: world.cell.write(9), "other")
    return world


def _spins(world: Any) -> Any:
    with world.spin:
        return world.cell.read()


def _spins_bh(world: Any) -> Any:
    with world.spin.bh():
        return world.cell.read()


def _bh_off(world: Any) -> Any:
    bh_disable()
    seen = world.cell.read()
    bh_enable()
    return seen


_TIMER: dict[str, Act] = {
    "mod": lambda w: w.timer.mod(1),
    "later": lambda w: w.timer.mod(2),
    "mod other": lambda w: w.other.mod(1),
    "reduce": lambda w: w.timer.mod(0.5, reduce=True),
    "delete": lambda w: w.timer.delete(),
    "delete_sync": lambda w: w.timer.delete_sync(),
    "shutdown": lambda w: w.timer.shutdown(),
    "is_pending": lambda w: w.timer.is_pending(),
    "under lock": _spins,
    "under bh": _spins_bh,
    "bh off": _bh_off,
    "cell under lock, bh off": lambda w: (bh_disable(), _spins(w), bh_enable()),
    **_READ,
}


def _with_rcu(machine: Machine) -> Things:
    world = Things(machine, cell=Shared(0, "cell"), head=RcuHead("old", "head"))
    world.pointer = RcuPointer(world.head, "pointer")
    return world


def _reads(world: Any) -> Any:
    with rcu_read_lock():
        return world.pointer.dereference() is not None, world.cell.read()


_RCU: dict[str, Act] = {
    "reads": _reads,
    "read head": lambda w: w.head.read(),
    "free head": lambda w: w.head.free(),
    "assign": lambda w: w.pointer.assign(None),
    "replace": lambda w: w.pointer.replace(None) is not None,
    "synchronize": lambda _w: synchronize_rcu(),
    "call": lambda w: call_rcu(lambda: w.cell.add(1)),
    "barrier": lambda _w: rcu_barrier(),
    "write": lambda w: w.cell.write(3),
    **_READ,
}


def _with_kthread(machine: Machine) -> Things:
    world = Things(machine, cell=Shared(0, "cell"))

    def loop() -> int:
        for _ in range(2):
            if kthread_should_stop():
                return 1
            if kthread_should_park():
                kthread_parkme()
        return world.cell.add(1)

    world.thread = Kthread(loop, "thread", idle=True)
    return world


def _sleeping_kthread(machine: Machine) -> Things:
    world = Things(machine, cell=Shared(0, "cell"), q=WaitQueue("q"))

    def sleep() -> int:
        world.q.prepare_to_wait()
        world.q.schedule()
        world.q.finish_wait()
        return world.cell.add(1)

    world.thread = Kthread(sleep, "thread", idle=True)
    return world


_KTHREAD: dict[str, Act] = {
    "stop": lambda w: w.thread.stop(),
    "park": lambda w: w.thread.park(),
    "unpark": lambda w: w.thread.unpark(),
    "should stop?": op("kthread.should_stop", "thread"),
    "should park?": op("kthread.should_park", "thread"),
    "tell to stop": op("kthread.stop", "thread"),
    "tell to park": op("kthread.park", "thread"),
    "join": op("kthread.join", "thread"),
    "parked": op("kthread.parked", "thread"),
    **_READ,
}

FAMILIES = (
    Family("work", _with_work, _WORK),
    Family("ordered work", lambda m: _with_work(m, ordered=True), _WORK),
    Family("work without memory", _short_of_memory, _WORK),
    Family("delayed work", _with_delayed, _DELAYED),
    Family("timer", _with_timer, _TIMER),
    Family("rcu", _with_rcu, _RCU),
    Family(
        "kthread asleep",
        _sleeping_kthread,
        {**_KTHREAD, "wake": lambda w: w.q.wake_up(), "wake all": lambda w: w.q.wake_up_all()},
    ),
    Family("kthread", _with_kthread, _KTHREAD),
)
