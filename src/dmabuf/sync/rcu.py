"""Readers that never wait, and updaters that wait until all readers of old have gone.

Mirrors: include/linux/rcupdate.h

A reader may not sleep, as without preemption. A grace period ends when every reader that had
begun before it has left; later readers are not waited for.

    >>> cell, old = RcuPointer(None, "cell"), RcuHead("old", "old")
    >>> cell.assign(old)
    >>> with rcu_read_lock():
    ...     cell.dereference().read()
    'old'
    >>> cell.assign(None); synchronize_rcu(); old.free()
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from dmabuf._names import kernel, no_kernel
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Runtime, Task
from dmabuf.sync import softirq
from dmabuf.sync.context import might_sleep
from dmabuf.sync.helpers import start_helper

__all__ = [
    "READ_LOCK",
    "READ_UNLOCK",
    "RcuHead",
    "RcuPointer",
    "call_rcu",
    "domain_of",
    "known_domain",
    "rcu_barrier",
    "rcu_read_lock",
    "rcu_read_lock_held",
    "synchronize_rcu",
    "watch_readers",
]

T = TypeVar("T")
_SERVICE = "rcu"


class _Section:
    """One reader's outermost read-side section; over when its depth is 0."""

    __slots__ = ("depth",)

    def __init__(self) -> None:
        self.depth = 0


class _Domain:
    """All readers, and who waits for them.

    Attributes:
        readers: the section that each reader is in.
        waiters: how many updaters wait for a grace period.
        callbacks: what runs after one, each with the sections to wait for.
        called, done: how many callbacks were queued and have run.
        running: the task that runs one now.
    """

    __slots__ = (
        "__weakref__",
        "callbacks",
        "called",
        "done",
        "name",
        "readers",
        "rt",
        "running",
        "waiters",
    )

    is_lock = True
    why_atomic = "is inside rcu_read_lock"

    def __init__(self, rt: Runtime) -> None:
        self.name = _SERVICE
        self.rt = rt
        self.readers: dict[Task, _Section] = {}
        self.waiters = 0
        self.callbacks: deque[tuple[Callable[[], object], tuple[_Section, ...]]] = deque()
        self.called = 0
        self.done = 0
        self.running: Task | None = None
        rt.adopt(self, "the end of RCU readers")
        if rt.explored:
            start_helper(rt, _SERVICE, lambda: _serve(self))

    @property
    def owner(self) -> Task | None:
        """A reader, else the task that runs a callback."""
        return next(iter(self.readers), None) or self.running


# A reader's step is a READ while nobody waits: two readers commute, and each conflicts with the
# beginning and the end of a grace period.


def _enter(domain: _Domain, task: Task) -> None:
    section = domain.readers.get(task)
    if section is None:
        section = domain.readers[task] = _Section()
        task.held[domain] = 1
    section.depth += 1
    task.atomic += 1


def _leave(domain: _Domain, task: Task) -> None:
    section = domain.readers[task]
    section.depth -= 1
    task.atomic -= 1
    if section.depth == 0:
        del domain.readers[task]
        del task.held[domain]


def _leave_touches(domain: _Domain, _task: Task) -> tuple[tuple[Any, int], ...]:
    return ((domain, WRITE if domain.waiters or domain.callbacks else READ),)


def _begin(domain: _Domain, _task: Task) -> tuple[_Section, ...]:
    """Begin a grace period: whom it waits for."""
    sections = tuple(domain.readers.values())
    domain.waiters += bool(sections)
    return sections


def _are_over(_domain: _Domain, task: Task) -> bool:
    return all(section.depth == 0 for section in task.arg)


def _has_waited(domain: _Domain, _task: Task) -> None:
    domain.waiters -= 1


def _call(domain: _Domain, task: Task) -> None:
    domain.callbacks.append((task.arg, tuple(domain.readers.values())))
    domain.called += 1


def _is_ready(domain: _Domain, _task: Task) -> bool:
    return bool(domain.callbacks) and all(s.depth == 0 for s in domain.callbacks[0][1])


def _take(domain: _Domain, task: Task) -> Callable[[], object]:
    fn, _sections = domain.callbacks.popleft()
    domain.running = task
    softirq.begin(task)
    return fn


def _end(domain: _Domain, task: Task) -> None:
    domain.running = None
    domain.done += 1
    softirq.end(task)


def _called(domain: _Domain, _task: Task) -> int:
    return domain.called


def _have_run(domain: _Domain, task: Task) -> bool:
    return bool(domain.done >= task.arg)


READ_LOCK = Op("rcu.read_lock", action=_enter, access=READ, says="begins reading")
READ_UNLOCK = Op(
    "rcu.read_unlock", action=_leave, touches=_leave_touches, wakes=True, says="ends reading"
)
BEGIN = Op("rcu.begin", action=_begin, says="begins a grace period")
SYNCHRONIZE = Op("rcu.synchronize", guard=_are_over, action=_has_waited, says="waits for {} of old")
CALL = Op("rcu.call", action=_call, wakes=True, says="queues a callback for {}")
TAKE = Op("rcu.take", guard=_is_ready, action=_take, says="waits for {}")
END = Op("rcu.end", action=_end, wakes=True, says="has run an RCU callback")
CALLED = Op("rcu.called", action=_called, access=READ, says="counts RCU callbacks")
BARRIER = Op("rcu.barrier", guard=_have_run, access=READ, says="waits for RCU callbacks")


@no_kernel("rcu_state, a global variable")
def domain_of(rt: Runtime) -> _Domain:
    """What readers and grace periods of a runtime meet at."""
    domain: _Domain = rt.once(_SERVICE, lambda: _Domain(rt))
    return domain


@no_kernel("rcu_state, where anybody has used it yet")
def known_domain(rt: Runtime) -> _Domain | None:
    """As `domain_of`, but None instead of making it."""
    return rt.extras.get(_SERVICE)


@no_kernel("start_poll_synchronize_rcu, for actions")
def watch_readers(rt: Runtime) -> tuple[_Section, ...]:
    """The sections that a grace period beginning now waits for; their ends count from now on.

    The action that calls this changes the domain.
    """
    domain = known_domain(rt)
    return () if domain is None else _begin(domain, rt.current())


def _serve(domain: _Domain) -> None:
    """The helper's loop: run each callback after its grace period, in softirq context."""
    rt = domain.rt
    task = rt.current()
    task.idle = True
    while True:
        rt.step(TAKE, domain)
        fn = task.value
        try:
            softirq.enter(rt)
            fn()
        finally:
            rt.step(END, domain)


@contextmanager
@kernel("rcu_read_lock", "rcu_read_unlock")
def rcu_read_lock(rt: Runtime | None = None) -> Generator[None]:
    """Inside, what is read through an `RcuPointer` stays; nests. Context: any; may not sleep."""
    rt = rt or ambient()
    domain = domain_of(rt)
    rt.step(READ_LOCK, domain)
    try:
        yield
    finally:
        rt.step(READ_UNLOCK, domain)


@kernel("rcu_read_lock_held")
def rcu_read_lock_held(rt: Runtime | None = None) -> bool:
    """Is the calling task a reader? Without a step. Context: any."""
    rt = rt or ambient()
    domain = known_domain(rt)
    return domain is not None and rt.current() in domain.readers


@kernel("synchronize_rcu", "synchronize_net", context="process")
def synchronize_rcu(rt: Runtime | None = None) -> None:
    """Wait until every reader that has begun has left. Context: process; never in a reader."""
    rt = rt or ambient()
    domain = domain_of(rt)
    might_sleep("synchronize_rcu", runtime=rt)
    rt.step(BEGIN, domain)
    sections: tuple[_Section, ...] = rt.current().value
    if sections:
        rt.step(SYNCHRONIZE, domain, sections)


@kernel("call_rcu")
def call_rcu(fn: Callable[[], object], rt: Runtime | None = None) -> None:
    """Let `fn` run after a grace period, in softirq context. Context: any, never waits."""
    rt = rt or ambient()
    domain = domain_of(rt)
    if not rt.explored:
        start_helper(rt, _SERVICE, lambda: _serve(domain))
    softirq.note_softirqs(rt)
    rt.step(CALL, domain, fn)


@kernel("rcu_barrier", context="process")
def rcu_barrier(rt: Runtime | None = None) -> None:
    """Wait until all callbacks queued so far have run. Context: process, may sleep.

    That is no grace period: without callbacks it does not wait, whoever reads.
    """
    rt = rt or ambient()
    domain = domain_of(rt)
    might_sleep("rcu_barrier", runtime=rt)
    rt.step(CALLED, domain)
    rt.step(BARRIER, domain, rt.current().value)


# -- what readers read ---------------------------------------------------------------------------


def _load(cell: RcuPointer[Any], _task: Task) -> Any:
    return cell._value


def _store(cell: RcuPointer[Any], task: Task) -> Any:
    before, cell._value = cell._value, task.arg
    return before


LOAD = Op("rcu_pointer.dereference", action=_load, access=READ, says="reads {}")
STORE = Op("rcu_pointer.assign", action=_store, says="changes {}")


class RcuPointer(Generic[T]):
    """A pointer that readers follow without a lock.

    Args:
        value: what it points to at first.
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.
    """

    __slots__ = ("__weakref__", "_value", "name", "rt")

    def __init__(self, value: T, name: str = "", *, rt: Runtime | None = None) -> None:
        self._value = value
        self.name = name or "rcu_pointer"
        self.rt = rt or ambient()
        domain_of(self.rt)
        self.rt.adopt(self, name)

    @kernel("rcu_dereference")
    def dereference(self) -> T:
        """What it points to, good until this reader leaves. Outside a reader: DF004."""
        if not rcu_read_lock_held(self.rt):
            self._suspicious("outside rcu_read_lock")
        return self.access()

    @kernel("rcu_dereference_protected")
    def dereference_protected(self, lock: Any) -> T:
        """As an updater, who holds `lock`; without it DF004."""
        if lock not in self.rt.current().held:
            self._suspicious(f"without {self.rt.label(lock)}")
        return self.access()

    @kernel("rcu_access_pointer")
    def access(self) -> T:
        """What it points to, to compare only. Context: any."""
        self.rt.step(LOAD, self)
        value: T = self.rt.current().value
        return value

    @kernel("rcu_assign_pointer")
    def assign(self, value: T) -> None:
        """Point to `value` from now on; readers may still follow what was there. Context: any."""
        self.rt.step(STORE, self, value)

    @kernel("rcu_replace_pointer")
    def replace(self, value: T) -> T:
        """As `assign`; returns what was there, to be freed after a grace period."""
        self.rt.step(STORE, self, value)
        before: T = self.rt.current().value
        return before

    def _suspicious(self, how: str) -> None:
        rt = self.rt
        rt.report("DF004", f"{rt.current().name} dereferences {rt.label(self)} {how}")


def _use(head: RcuHead[Any], _task: Task) -> bool:
    return not head.is_freed


def _free(head: RcuHead[Any], _task: Task) -> bool:
    was_there, head.is_freed = not head.is_freed, True
    return was_there


USE = Op("rcu_head.use", action=_use, access=READ, says="uses {}")
FREE = Op("rcu_head.free", action=_free, says="frees {}")


@kernel("struct rcu_head")
class RcuHead(Generic[T]):
    """An object that can be freed: using it afterwards is reported (DF004).

    Args:
        value: what it holds.
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.
    """

    __slots__ = ("__weakref__", "_value", "is_freed", "name", "rt")

    def __init__(self, value: T, name: str = "", *, rt: Runtime | None = None) -> None:
        self._value = value
        self.name = name or "rcu_head"
        self.is_freed = False
        self.rt = rt or ambient()
        self.rt.adopt(self, name)

    @no_kernel("reading a field of the object")
    def read(self) -> T:
        """What it holds, if it is not freed yet. Context: any."""
        self._check(USE, "uses")
        return self._value

    @no_kernel("kfree of the object")
    def free(self) -> None:
        """Free it at once: nobody may use it any more. Context: any."""
        self._check(FREE, "frees")

    @kernel("kfree_rcu")
    def kfree_rcu(self) -> None:
        """Free it after a grace period. Context: any, never waits."""
        call_rcu(self.free, self.rt)

    def _check(self, op: Op, does: str) -> None:
        rt = self.rt
        rt.step(op, self)
        if not rt.current().value:
            rt.report("DF004", f"{rt.current().name} {does} {rt.label(self)}, which is freed")
