"""What of our own objects belongs to the state, where that is not all that they hold.

Left out is what no step can ever depend on: counts that are only kept for reports, times that
were written down and nobody asks for, seqnos and stamps but for their order. Why each may be left
out is told in docs/design/0010-states.md.
"""

from __future__ import annotations

import itertools
from typing import Any

from dmabuf.core.access import Accesses
from dmabuf.core.compiled import is_compiled
from dmabuf.core.dma_buf_steps import BufferList, File
from dmabuf.core.fence import Fence
from dmabuf.core.fence_steps import SIGNALED, Callback, State, is_flagged
from dmabuf.core.timeline import Timeline
from dmabuf.explore.states.codes_of import class_of
from dmabuf.explore.states.kinds import FORMS, Form, told
from dmabuf.hardware import Engine
from dmabuf.machine import Machine
from dmabuf.mm.device_pages import DevicePages
from dmabuf.mm.fault import PAGEFAULT
from dmabuf.mm.page_alloc import Memory
from dmabuf.rt.api import Op
from dmabuf.rt.clock import VirtualClock
from dmabuf.rt.tasks import Tasks
from dmabuf.sync.acts import ACTS, FAILED
from dmabuf.sync.rcu import _Domain
from dmabuf.sync.timer import _Base
from dmabuf.sync.waitqueue import WaitQueue
from dmabuf.sync.work import CURRENT, Work
from dmabuf.sync.ww_acquire import WwAcquire, WwClass
from dmabuf.sync.ww_mutex import WwMutex

__all__ = ["put_arg", "put_extras"]

_FREED = "core.fence.freed"
_LEFT_OUT = frozenset(
    {
        _FREED,  # each fence says so itself
        "dma_fence contexts",  # the next one is later than all there are
        "sync.workqueue.count",  # for names
    }
)
_BY_TASK = frozenset({"sync.waitqueue.sleeping", ACTS, FAILED, PAGEFAULT, CURRENT})


def put_extras(walk: Any, extras: dict[str, Any]) -> None:
    """What exists once in a runtime."""
    for key in sorted(extras):
        if key in _LEFT_OUT:
            continue
        walk.say(key)
        if key in _BY_TASK:
            walk.put_by_task(extras[key])
        else:
            walk.put(extras[key])


def put_arg(walk: Any, op: str, obj: Any, arg: Any) -> None:
    """The argument of an announced step."""
    if op == "timer.sleep":
        walk.rank((id(obj), "changes"), arg)
    elif op == "rcu.barrier":
        walk.rank((id(obj), "called"), arg)
    elif op == "work.flush":
        walk.rank((id(obj), "number"), arg)
    elif op == "workqueue.flush":
        walk.say(len(arg))
        for work, number in arg:
            walk.put(work)
            walk.rank((id(work), "number"), number)
    else:
        walk.put(arg)


def _nothing(walk: Any, value: Any) -> None:
    walk.say(type(value).__name__)


def _count(walk: Any, value: Any) -> None:
    walk.say(repr(value))


def _next_of(counter: Any) -> int:
    """What a count will give next, without taking it."""
    return int(repr(counter)[len("count(") : -1])


def _fence(walk: Any, fence: Fence) -> None:
    line = getattr(fence, "timeline", None)
    if line is None:  # memory for one, before it is initialised
        walk.say("fence", None)
        return
    pending = not is_flagged(fence)
    walk.say("fence", pending and walk.is_known(fence))
    walk.put(line)
    walk.put(fence._state)
    walk.put(line.rt.extras.get(_FREED, {}).get(fence))
    if type(fence) is Fence and type(line) is Timeline:
        walk.rank((id(line), "seqno"), fence.seqno)
        walk.if_read("seqno", fence.seqno)
    else:
        walk.say(fence.seqno)


def _state(walk: Any, state: State) -> None:
    walk.say("fence state", state.flags, state.error, state.references)
    walk.put(state.owner)
    walk.put(state.callbacks)
    if state.flags & SIGNALED:
        walk.if_read("time", state.timestamp)


def _callback(walk: Any, callback: Callback) -> None:
    walk.say("callback", callback.queued)
    walk.put(callback.fn)
    walk.put(callback.owner)


_timeline_slots = told(Timeline, leave_out=frozenset({"seqnos", "context", "fence"}))


def _timeline(walk: Any, line: Timeline) -> None:
    _timeline_slots(walk, line)
    walk.rank((id(line), "seqno"), _next_of(line.seqnos))
    walk.rank("context", line.context)
    walk.if_read("seqno", _next_of(line.seqnos))
    walk.if_read("context", line.context)


def _waitqueue(walk: Any, queue: WaitQueue) -> None:
    """Of the wake-ups only who slept through one: that is what a report may ask."""
    walk.say("waitqueue")
    walk.put(queue.entries)
    walk.put_set(queue.woken)
    walk.put_set(queue.disturbed)
    walk.put_by_task(queue.conditions)
    tasks = getattr(queue.rt, "tasks", ())
    missed = [t for t in tasks if not t.finished and queue.wakeups > queue.seen.get(t, 0)]
    walk.put_set(missed)


_base_slots = told(_Base, leave_out=frozenset({"expiries", "changes"}))


def _base(walk: Any, base: _Base) -> None:
    _base_slots(walk, base)
    walk.say(len(base.expiries))
    for timer, expiry in base.expiries.items():
        walk.put(timer)
        walk.time(expiry)
    walk.rank((id(base), "changes"), base.changes)


_domain_slots = told(_Domain, leave_out=frozenset({"called", "done", "readers"}))


def _domain(walk: Any, domain: _Domain) -> None:
    _domain_slots(walk, domain)
    walk.put_by_task(domain.readers)
    walk.rank((id(domain), "called"), domain.called)
    walk.rank((id(domain), "called"), domain.done)


_work_slots = told(Work, leave_out=frozenset({"number", "run"}))


def _work(walk: Any, work: Work) -> None:
    _work_slots(walk, work)
    walk.rank((id(work), "number"), work.number)
    walk.rank((id(work), "number"), work.run)


_acquire_slots = told(WwAcquire, leave_out=frozenset({"stamp"}))


def _acquire(walk: Any, acquire: WwAcquire) -> None:
    _acquire_slots(walk, acquire)
    stamp: int | None = getattr(acquire, "stamp", None)  # None while it draws one
    if stamp is not None:
        walk.rank("stamp", stamp)


_memory_slots = told(Memory, leave_out=frozenset({"requests", "listening"}))


def _memory(walk: Any, memory: Memory) -> None:
    _memory_slots(walk, memory)
    walk.put_by_task(memory.requests)
    walk.put_by_task(memory.listening)


_pages_slots = told(DevicePages, leave_out=frozenset({"users"}))


def _device_pages(walk: Any, pages: DevicePages) -> None:
    _pages_slots(walk, pages)
    walk.put_by_task(pages.users)


def _engine(walk: Any, engine: Engine) -> None:
    """Its jobs in no order."""
    walk.say("engine", engine.is_wedged, engine.reset_may_fail)
    walk.put_set(engine.all)
    walk.put_set(engine.jobs)
    walk.put_set(engine.starting)


_accesses_slots = told(Accesses, leave_out=frozenset({"ongoing"}))


def _accesses(walk: Any, accesses: Accesses) -> None:
    """What goes on is in no order, but for that of one task's accesses."""
    _accesses_slots(walk, accesses)
    walk.say(len(accesses.ongoing))
    walk.put_all(sorted(accesses.ongoing, key=lambda span: span.task.key))


def _buffer_list(walk: Any, listed: BufferList) -> None:
    """All buffers there are; in no order, as their inodes' numbers are chance."""
    walk.say("buffer list")
    walk.put_set(listed.buffers.values())


def _compiled(walk: Any, method: Any) -> None:
    """A method with a quick way in C, which is not taken here: the Python one it stands for."""
    walk.put(method.__wrapped__)


def _leaves_out(kind: type, *names: str) -> Form:
    return told(kind, leave_out=frozenset(names))


FORMS.update(
    {
        Op: lambda walk, op: walk.say(op.name),
        Tasks: _nothing,
        VirtualClock: _nothing,
        Machine: _leaves_out(Machine),
        Memory: _memory,
        DevicePages: _device_pages,
        itertools.count: _count,
        Fence: _fence,
        State: _state,
        Callback: _callback,
        Timeline: _timeline,
        WaitQueue: _waitqueue,
        _Base: _base,
        _Domain: _domain,
        Work: _work,
        WwAcquire: _acquire,
        WwClass: _leaves_out(WwClass, "stamp"),
        WwMutex: _leaves_out(WwMutex, "acquisitions"),
        Accesses: _accesses,
        Engine: _engine,
        BufferList: _buffer_list,
        File: _leaves_out(File, "ino"),
    }
)
if is_compiled():
    FORMS[class_of(vars(Fence)["signal"])] = _compiled
