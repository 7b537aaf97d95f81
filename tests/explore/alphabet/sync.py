"""Locks, queues and contexts."""

from __future__ import annotations

from typing import Any

from dmabuf import Completion, Machine, Mutex, Shared, SpinLock, WaitQueue
from dmabuf.sync.context import cond_resched, local_irq_save
from dmabuf.sync.irq_work import IrqWork
from dmabuf.sync.rwlock import RwLock
from dmabuf.sync.rwsem import RwSem
from dmabuf.sync.semaphore import Semaphore
from dmabuf.sync.tasklet import Tasklet
from dmabuf.sync.ww_acquire import WwAcquire, WwClass
from dmabuf.sync.ww_mutex import WwMutex
from tests.explore.alphabet.family import Act, Family, Things, already, both, op

__all__ = ["FAMILIES", "interrupts"]


def interrupts(index: int) -> Act:
    """A signal for that task."""
    return lambda w: w.machine.rt.interrupt(w.tasks[index])


def _under(lock: str, how: str = "") -> Act:
    def act(world: Any) -> Any:
        held = getattr(world, lock)
        with getattr(held, how)() if how else held:
            return world.cell.add(1)

    return act


def _of(machine: Machine, **things: Any) -> Things:
    return Things(machine, cell=Shared(0, "cell"), **things)


_CELL: dict[str, Act] = {"read": lambda w: w.cell.read()}
_SIGNALS: dict[str, Act] = {
    "interrupt": interrupts(0),
    "interrupt twice": both(interrupts(0), interrupts(0)),
}


def _completion(machine: Machine) -> Things:
    return _of(machine, c=Completion("c"))


_COMPLETION: dict[str, Act] = {
    "complete": lambda w: w.c.complete(),
    "complete_all": lambda w: w.c.complete_all(),
    "reinit": lambda w: w.c.reinit(),
    "wait": lambda w: w.c.wait(),
    "timed wait": lambda w: w.c.wait(1.0),
    "interruptible": lambda w: w.c.wait(interruptible=True),
    "try_wait": lambda w: w.c.try_wait(),
    "is_done": lambda w: w.c.is_done(),
    "now": lambda w: w.machine.rt.now(),
    **_SIGNALS,
}

_SHARED: dict[str, Act] = {
    "write": lambda w: w.cell.write(7),
    "add": lambda w: w.cell.add(1),
    "exchange": lambda w: w.cell.exchange(3),
    **_CELL,
}

_MUTEX: dict[str, Act] = {
    "with": _under("m"),
    "lock": lambda w: w.m.lock(),
    "trylock": lambda w: w.m.trylock(),
    "interruptible": lambda w: w.m.lock_interruptible(),
    "unlock": op("mutex.unlock", "m"),
    "destroy": op("mutex.destroy", "m"),
    "is_locked": lambda w: w.m.is_locked(),
    **_SIGNALS,
}

_SPIN: dict[str, Act] = {
    "with": _under("s"),
    "irqsave": _under("s", "irqsave"),
    "bh": _under("s", "bh"),
    "trylock": lambda w: w.s.trylock(),
    "irqs off": lambda w: _irqs_off(w),
    **_CELL,
}


def _irqs_off(world: Any) -> Any:
    with local_irq_save():
        return world.cell.add(1)


_RWSEM: dict[str, Act] = {
    "read section": _under("sem", "read"),
    "write section": _under("sem", "write"),
    "down_read": lambda w: w.sem.down_read(),
    "down_write": lambda w: w.sem.down_write(),
    "killable": lambda w: w.sem.down_write(killable=True),
    "ask to read": op("rwsem.down_read", "sem"),
    "ask to write": op("rwsem.down_write", "sem"),
    "ask and cancel": both(op("rwsem.down_write", "sem"), op("rwsem.cancel", "sem")),
    "write and downgrade": both(op("rwsem.down_write", "sem"), op("rwsem.downgrade_write", "sem")),
    "give up": both(op("rwsem.down_write", "sem"), op("rwsem.abandon", "sem")),
    "give up reading": both(op("rwsem.down_read", "sem"), op("rwsem.abandon", "sem")),
    "try to read": lambda w: w.sem.down_read_trylock(),
    "try to write": lambda w: w.sem.down_write_trylock(),
    "up_read": op("rwsem.up_read", "sem"),
    "up_write": op("rwsem.up_write", "sem"),
    "downgrade": op("rwsem.downgrade_write", "sem"),
    "is_locked": lambda w: w.sem.is_locked(),
    "is_contended": lambda w: w.sem.is_contended(),
    **_SIGNALS,
}


def _rwsem(machine: Machine) -> Things:
    return _of(machine, sem=RwSem("sem"))


def _rwlock(machine: Machine) -> Things:
    return _of(machine, lock=RwLock("lock"))


def _semaphore(machine: Machine) -> Things:
    return _of(machine, slot=Semaphore(1, "slot"))


_RWLOCK: dict[str, Act] = {
    "read section": _under("lock", "read"),
    "write section": _under("lock", "write"),
    "ask to read": op("rwlock.read_lock", "lock", lambda _w: False),
    "ask to write": op("rwlock.write_lock", "lock", lambda _w: False),
    "give up": both(
        op("rwlock.write_lock", "lock", lambda _w: False),
        op("rwlock.abandon", "lock", lambda _w: False),
    ),
    "try to read": lambda w: w.lock.read_trylock(),
    "try to write": lambda w: w.lock.write_trylock(),
    "read_unlock": op("rwlock.read_unlock", "lock", lambda _w: False),
    "write_unlock": op("rwlock.write_unlock", "lock", lambda _w: False),
}

_SEMAPHORE: dict[str, Act] = {
    "down": lambda w: w.slot.down(),
    "interruptible": lambda w: w.slot.down_interruptible(),
    "timed": lambda w: w.slot.down_timeout(1.0),
    "ask": op("semaphore.down", "slot"),
    "ask and cancel": both(op("semaphore.down", "slot"), op("semaphore.cancel", "slot")),
    "give up": both(op("semaphore.down", "slot"), op("semaphore.abandon", "slot")),
    "trylock": lambda w: w.slot.down_trylock(),
    "up": lambda w: w.slot.up(),
    **_SIGNALS,
}


def _queue(machine: Machine) -> Things:
    return _of(machine, q=WaitQueue("q"))


def _disturbed(machine: Machine) -> Things:
    machine.spurious_wakeups()
    return _queue(machine)


_QUEUE: dict[str, Act] = {
    "prepare": lambda w: w.q.prepare_to_wait(),
    "exclusive": lambda w: w.q.prepare_to_wait(exclusive=True),
    "schedule": lambda w: w.q.schedule(),
    "finish": lambda w: w.q.finish_wait(),
    "wake": lambda w: w.q.wake_up(),
    "wake all": lambda w: w.q.wake_up_all(),
    "wait_event": lambda w: w.q.wait_event(lambda: w.cell.read() > 0),
    "timed": lambda w: w.q.wait_event(lambda: w.cell.read() > 0, 1.0),
    "add": lambda w: w.cell.add(1),
}


def _two_ww(machine: Machine) -> Things:
    kind = WwClass("class")
    return _of(machine, a=WwMutex("a", kind), b=WwMutex("b", kind), kind=kind)


def _both(first: str, second: str) -> Act:
    def act(world: Any) -> Any:
        with WwAcquire(world.kind) as ctx:
            ctx.lock(getattr(world, first))
            ctx.lock(getattr(world, second))
            return world.cell.add(1)

    return act


_WW: dict[str, Act] = {
    "one": lambda w: w.a.lock(),
    "with": _under("a"),
    "interruptible": lambda w: w.a.lock_interruptible(),
    "both": _both("a", "b"),
    "both again": _both("b", "a"),
    "ask": op("ww_mutex.lock", "a", lambda _w: None),
    "ask and cancel": both(op("ww_mutex.lock", "a", lambda _w: None), op("ww_mutex.cancel", "a")),
    "give up": both(op("ww_mutex.lock", "a"), op("ww_mutex.abandon", "a")),
    "trylock": lambda w: w.a.trylock(),
    "unlock": op("ww_mutex.unlock", "a"),
    "is_locked": lambda w: w.a.is_locked(),
    "destroy": lambda w: w.a.destroy(),
    **_SIGNALS,
}


def _on_one_cpu(machine: Machine, run: Any, name: str) -> Any:
    return machine.kthread(run, name, cpu=0)


def _cooperative(machine: Machine) -> Things:
    machine.preemption(False)
    return _of(machine, c=Completion("c"))


_CONTEXT: dict[str, Act] = {
    "cond_resched": lambda _w: cond_resched(),
    "add": lambda w: w.cell.add(1),
    "complete": lambda w: w.c.complete(),
    "wait": lambda w: w.c.wait(),
    **_CELL,
}

_TASK: dict[str, Act] = {
    "get_signal": lambda w: w.machine.rt.step(_get_signal(), w.machine.rt.current()),
    "get_signal and wait": both(
        lambda w: w.machine.rt.step(_get_signal(), w.machine.rt.current()),
        lambda w: w.c.wait(interruptible=True),
    ),
    "take another's": lambda w: w.machine.rt.step(_get_signal(), w.tasks[0]),
    "interruptible": lambda w: w.c.wait(interruptible=True),
    "complete": lambda w: w.c.complete(),
    "spawn": lambda w: w.machine.kthread(lambda: w.cell.add(1), "child") and None,
    "choose": lambda w: w.machine.choose(2),
    "timed": lambda w: w.c.wait(2.0),
    "now": lambda w: w.machine.rt.now(),
    **_SIGNALS,
    **_CELL,
}


def _get_signal() -> Any:
    from dmabuf.core.syncobj_table import GET_SIGNAL

    return GET_SIGNAL


def _irq_work(machine: Machine) -> Things:
    world = _of(machine)
    world.work = IrqWork(lambda: world.cell.add(1), "work")
    world.other = IrqWork(lambda: world.cell.write(5), "other")
    return world


_IRQ_WORK: dict[str, Act] = {
    "queue": lambda w: w.work.queue(),
    "queue other": lambda w: w.other.queue(),
    "sync": lambda w: w.work.sync(),
    **_CELL,
}


def _tasklet(machine: Machine) -> Things:
    world = _of(machine)
    world.tasklet = Tasklet(lambda: world.cell.add(1), "t")
    world.other = Tasklet(lambda: world.cell.write(5), "other")
    return world


_TASKLET: dict[str, Act] = {
    "schedule": lambda w: w.tasklet.schedule(),
    "schedule other": lambda w: w.other.schedule(),
    "disable": lambda w: w.tasklet.disable(),
    "disable_nosync": lambda w: w.tasklet.disable_nosync(),
    "enable": lambda w: w.tasklet.enable(),
    "kill": lambda w: w.tasklet.kill(),
    **_CELL,
}

FAMILIES = (
    Family("completion", _completion, _COMPLETION),
    Family("completed", already(_completion, _COMPLETION["complete"]), _COMPLETION),
    Family("shared", _of, _SHARED),
    Family("mutex", lambda m: _of(m, m=Mutex("m")), _MUTEX),
    Family("spinlock", lambda m: _of(m, s=SpinLock("s")), _SPIN),
    Family("rwsem", _rwsem, _RWSEM),
    Family("rwsem that is read", already(_rwsem, lambda w: w.sem.down_read()), _RWSEM),
    Family("rwlock that is read", already(_rwlock, _RWLOCK["ask to read"]), _RWLOCK),
    Family("semaphore that is taken", already(_semaphore, lambda w: w.slot.down()), _SEMAPHORE),
    Family("ww_mutex that is held", already(_two_ww, lambda w: w.a.lock()), _WW),
    Family("rwlock", _rwlock, _RWLOCK),
    Family("semaphore", _semaphore, _SEMAPHORE),
    Family("queue", _queue, _QUEUE),
    Family("disturbed queue", _disturbed, _QUEUE),
    Family("ww_mutex", _two_ww, _WW),
    Family("one CPU", _cooperative, _CONTEXT, _on_one_cpu),
    Family("shared CPU", lambda m: _of(m, s=SpinLock("s")), {**_SPIN, **_SHARED}, _on_one_cpu),
    Family("task", _completion, _TASK),
    Family("irq_work", _irq_work, _IRQ_WORK),
    Family("tasklet", _tasklet, _TASKLET),
)
