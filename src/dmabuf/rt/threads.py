"""Real threads and the monotonic clock: the live runtime.

One lock makes every step indivisible. A step whose guard is false parks its thread; whoever
changes the awaited object makes the parked step on the sleeper's behalf, in order of arrival,
and then wakes it. So a lock is handed over, nobody is woken in vain, and waiting is fair.

    >>> runtime = Threads()
    >>> task = runtime.spawn(lambda: None, name="worker")
    >>> task.name
    'worker'
"""

from __future__ import annotations

import _thread
import contextlib
import errno
import functools
import os
import sys
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from dmabuf.errors import ContractViolation, KernelWarning, Unwind
from dmabuf.rt.ambient import set_ambient
from dmabuf.rt.api import Instrument, Kind, Op, Outcome, Task
from dmabuf.rt.clock import NS_PER_S, monotonic_ns
from dmabuf.rt.insist import take_again
from dmabuf.rt.live_task import LiveTask
from dmabuf.rt.process import look_after, part_from

__all__ = ["Threads"]


class _Parked:
    """A step that waits, with all that is needed to make it on its task's behalf."""

    __slots__ = ("gate", "interruptible", "key", "obj", "op", "outcome", "task")

    def __init__(self, task: Task, op: Op, obj: Any, interruptible: bool) -> None:
        self.task = task
        self.op = op
        self.obj = obj
        self.key = op.awaited(obj)
        self.interruptible = interruptible
        self.outcome: Outcome | None = None
        self.gate = _thread.allocate_lock()
        self.gate.acquire()


class Threads:
    """The live runtime: tasks are threads, time is the monotonic clock, chance is ordinary.

    Irq state and CPUs are bookkeeping here: assertions and validators read them, the machine's
    real interrupts do not change. Helper tasks are daemon threads, started when first needed,
    forgotten in a forked child (which starts its own) and told to end at interpreter exit.

    A Python signal handler may start inside a step of its own thread. The lock can be taken
    again there, fused paths leave nothing half done where that can happen, and what would
    disturb a step under way is put off to its end; only a wait is refused (`handler`).
    """

    # Slots for what fused paths look at: compiled ones (core/_fused.c) read it in place.
    __slots__ = ("__dict__", "__weakref__", "_local", "mutex", "parked", "quick")

    explored = False
    interrupts = False
    clock = None

    def __init__(self) -> None:
        self.mutex: Any = _thread.RLock()
        self.quick = True
        self.instruments: tuple[Instrument, ...] = ()
        self.reports: list[tuple[str, str]] = []
        self.parked: dict[int, list[_Parked]] = {}
        self._stepping = False
        self._rescanning = False
        self._changed: list[Any] = []
        self._deferred: deque[Callable[[], object]] = deque()
        self._local = threading.local()
        self._services: dict[str, tuple[Task, threading.Thread]] = {}
        self.extras: dict[str, Any] = {}
        look_after(self)

    @staticmethod
    def now() -> int:
        """Nanoseconds on the monotonic clock."""
        return monotonic_ns()

    @staticmethod
    def timestamp() -> int:
        """Nanoseconds on the monotonic clock."""
        return monotonic_ns()

    # -- tasks ---------------------------------------------------------------------------------

    def current(self) -> Task:
        """The calling thread's task; a thread that nobody spawned here gets one."""
        try:
            return self._local.task  # type: ignore[no-any-return]
        except AttributeError:
            task = LiveTask(self, threading.current_thread().name)
            self._local.task = task
            return task

    def spawn(
        self,
        fn: Callable[[], object],
        /,
        *,
        name: str,
        kind: Kind = Kind.KTHREAD,
        cpu: int | None = None,
        idle: bool = False,
    ) -> Task:
        """Start a thread that runs `fn` as a task; `task.carrier` is the thread."""
        parent = self.current()
        with self.mutex:
            parent.created += 1
            task = LiveTask(self, name, kind, key=(*parent.key, parent.created), cpu=cpu)
        task.idle = idle
        task.in_irq = kind is Kind.IRQ
        thread = threading.Thread(target=self._run, args=(task, fn), name=name, daemon=True)
        task.carrier = thread
        thread.start()
        return task

    def handler(self, fn: Callable[..., object]) -> Callable[..., object]:
        """A Python signal handler as what the kernel calls one: an irq handler.

        `fn` runs as a task of its own in irq context, so it may signal, complete and wake, and
        whoever lets it wait is told; where the interrupted task has irqs off (in a callback, for
        example) it runs when that ends. A handler that is not wrapped shares the interrupted
        task's locks and results.

            signal.signal(signal.SIGTERM, runtime.handler(on_term))
        """

        def run(*args: Any) -> object:
            outer = self.current()
            if outer.irqs_off or outer.in_irq:
                self.defer(lambda: run(*args))
                return None
            task = LiveTask(self, f"{outer.name}'s handler", Kind.IRQ, key=(*outer.key, 0))
            task.in_irq = True
            self._local.task = task
            try:
                return fn(*args)
            finally:
                self._local.task = outer

        return run

    def _run(self, task: Task, fn: Callable[[], object]) -> None:
        self._local.task = task
        set_ambient(self)
        with contextlib.suppress(Unwind):
            fn()

    def service(self, name: str, loop: Callable[[], object]) -> Task:
        """The one helper task of that name, started when first asked for."""
        found = self._services.get(name)
        if found is not None and found[1].is_alive():
            return found[0]
        keep_on = functools.partial(_keep_on, loop)
        task = self.spawn(keep_on, name=name, kind=Kind.WORKER, idle=True)
        self._services[name] = (task, task.carrier)
        return task

    def interrupt(self, task: Task) -> None:
        """Make a signal pending for `task`; if it is in an interruptible step, that ends."""
        with self.mutex:
            task.signal_pending = True
            self._end_parked(task, only_interruptible=True)

    def stop(self, task: Task) -> None:
        """End a task at its next step, or in the one that it waits in."""
        with self.mutex:
            task.told_to_die = True
            self._end_parked(task, only_interruptible=False)

    def _end_parked(self, task: Task, *, only_interruptible: bool) -> None:
        for entries in list(self.parked.values()):
            for parked in list(entries):
                if parked.task is task and (parked.interruptible or not only_interruptible):
                    self._unpark(parked, Outcome.INTERRUPTED)

    # -- the step ------------------------------------------------------------------------------

    def step(
        self,
        op: Op,
        obj: Any,
        arg: Any = None,
        /,
        *,
        deadline: int | None = None,
        interruptible: bool = False,
    ) -> Outcome:
        """Wait until guard(obj, task), then action(obj, task), indivisibly."""
        task = self.current()
        if not self.quick:
            self._announce(task, op, obj)
        parked = None
        outcome = Outcome.DONE
        mutex = self.mutex
        try:
            mutex.acquire()  # `with` costs twice as much
        except BaseException:
            self._make_all_the_same(op, obj, arg)
            raise
        try:
            if self._stepping or self._rescanning or task.told_to_die:
                return self._put_off(op, obj, arg, task)
            self._stepping = True
            try:
                task.arg = arg
                if not op.is_guarded or op.guard(obj, task):
                    if self.parked:
                        self._act(op, obj, task)
                    else:
                        task.value = op.action(obj, task)
                elif interruptible and task.signal_pending:
                    outcome = Outcome.INTERRUPTED
                else:
                    parked = _Parked(task, op, obj, interruptible)
                    self.parked.setdefault(id(parked.key), []).append(parked)
            finally:
                self._stepping = False
            if self._changed:
                self._rescan()
        finally:
            mutex.release()
        if parked is not None:
            outcome = self._sleep(parked, deadline)
        if not self.quick:
            self._observe(task, op, obj, outcome)
        return outcome

    def _make_all_the_same(self, op: Op, obj: Any, arg: Any) -> None:
        """An exception (Ctrl-C) came before the mutex: what cannot wait, as an unlock, is done."""
        if not op.is_guarded:
            take_again(self.mutex)
            try:
                self.step(op, obj, arg)
            finally:
                self.mutex.release()

    def _put_off(self, op: Op, obj: Any, arg: Any, task: Task) -> Outcome:
        """A signal handler has interrupted a step of its own thread: wake-ups can wait a moment."""
        if not (self._stepping or self._rescanning):
            raise Unwind
        if not op.wakes or op.is_guarded:
            raise _refusal(op, "takes")
        task.value = True  # what was asked for will be done
        self.defer(lambda: self.step(op, obj, arg))
        return Outcome.DONE

    def postpones(self, fn: Callable[[], object]) -> bool:
        """Has a signal handler interrupted a step of its own thread? Then `fn` is deferred."""
        if not (self._stepping or self._rescanning) or not self.mutex._is_owned():
            return False
        self.defer(fn)
        return True

    def _act(self, op: Op, obj: Any, task: Task) -> None:
        """Make a step while others are parked, and note what it changes."""
        changed = [touched for touched, access in op.footprint(obj, task) if access]
        task.value = op.action(obj, task)
        self._changed += changed

    def _rescan(self) -> None:
        """Make every parked step whose guard became true; needs `mutex`."""
        if self._stepping or self._rescanning:
            return  # the step that was interrupted will do it
        self._rescanning = True
        try:
            while self._changed:
                obj = self._changed.pop()
                for parked in list(self.parked.get(id(obj), ())):
                    if parked.outcome is None and parked.op.guard(parked.obj, parked.task):
                        self._make(parked)
        finally:
            self._rescanning = False

    def _make(self, parked: _Parked) -> None:
        """Make a parked step on its task's behalf; what it changes is looked at next."""
        op, obj, task = parked.op, parked.obj, parked.task
        self._changed += [touched for touched, access in op.footprint(obj, task) if access]
        task.value = op.action(obj, task)
        self._unpark(parked, Outcome.DONE)

    def _unpark(self, parked: _Parked, outcome: Outcome) -> None:
        entries = self.parked[id(parked.key)]
        entries.remove(parked)
        if not entries:
            del self.parked[id(parked.key)]
        parked.outcome = outcome
        parked.gate.release()

    def _sleep(self, parked: _Parked, deadline: int | None) -> Outcome:
        if self.mutex._is_owned():
            self._give_up(parked)
            raise _refusal(parked.op, "waits")
        for instrument in self.instruments:
            instrument.blocked(parked.task, parked.op, parked.obj)
        try:
            self._await_gate(parked, deadline)
        except BaseException:
            self._give_up(parked)
            raise
        if parked.outcome is None:
            with self.mutex:
                if parked.outcome is None:
                    self._unpark(parked, Outcome.TIMED_OUT)
        if parked.task.told_to_die and parked.outcome is Outcome.INTERRUPTED:
            raise Unwind
        assert parked.outcome is not None
        return parked.outcome

    @staticmethod
    def _await_gate(parked: _Parked, deadline: int | None) -> None:
        if deadline is None:
            parked.gate.acquire()
            return
        while parked.outcome is None:
            left = deadline - monotonic_ns()
            if left <= 0:
                return
            parked.gate.acquire(True, min(left / NS_PER_S, threading.TIMEOUT_MAX))

    def _give_up(self, parked: _Parked) -> None:
        """An exception (KeyboardInterrupt) ended the sleep: the step must not happen later."""
        with self.mutex:
            if parked.outcome is None:
                self._unpark(parked, Outcome.INTERRUPTED)

    def wake(self, *objects: Any) -> None:
        """Look again at the steps parked on `objects`; needs `mutex`."""
        if self.parked:
            self._changed += objects
            self._rescan()

    # -- everything else -----------------------------------------------------------------------

    def choose(self, op: Op, options: int, /) -> int:
        """Live, chance takes its ordinary course: 0."""
        del op, options
        return 0

    def adopt(self, obj: Any, label: str = "") -> None:
        """Instruments hear of a new object; otherwise nothing happens."""
        del label
        for instrument in self.instruments:
            instrument.created(self.current(), obj)

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        """What exists once; of two threads that make it at a time one makes it in vain."""
        found = self.extras.get(key)
        return self.extras.setdefault(key, make()) if found is None else found

    def label(self, obj: Any) -> str:
        """The object's own name."""
        return str(getattr(obj, "name", None) or type(obj).__name__.lower())

    def report(self, code: str, message: str, *, fatal: bool = True) -> None:
        """Record a broken rule, then raise ContractViolation (fatal) or warn and go on."""
        self.reports.append((code, message))
        for instrument in self.instruments:
            instrument.reported(code, message)
        if fatal:
            raise ContractViolation(code, message)
        warnings.warn(f"{code}: {message}", KernelWarning, stacklevel=_depth_of_caller())

    def defer(self, fn: Callable[[], object]) -> None:
        """Run `fn` after the next step of any task (a finaliser may be anywhere, so not now)."""
        self._deferred.append(fn)
        self.quick = False

    @property
    def observed(self) -> bool:
        """Does any instrument listen?"""
        return bool(self.instruments)

    def attach(self, instrument: Instrument) -> None:
        """Let an instrument listen from now on."""
        self.instruments = (*self.instruments, instrument)
        self.quick = False

    def detach(self, instrument: Instrument) -> None:
        """End an instrument's listening."""
        self.instruments = tuple(one for one in self.instruments if one is not instrument)
        self._reopen()

    def flush(self) -> None:
        """Do what finalisers deferred; a safe point that a program may choose itself."""
        if getattr(self._local, "is_flushing", False):
            return  # a step of deferred work: the loop below is still there, for any amount
        self._local.is_flushing = True
        try:
            while self._deferred:
                try:
                    fn = self._deferred.popleft()
                except IndexError:
                    break
                fn()
        finally:
            self._local.is_flushing = False
        self._reopen()

    def _reopen(self) -> None:
        """Allow fused paths again; looks twice, as a finaliser may run in between."""
        if not self.instruments and not self._deferred:
            self.quick = True
            if self.instruments or self._deferred:
                self.quick = False

    def _announce(self, task: Task, op: Op, obj: Any) -> None:
        for instrument in self.instruments:
            instrument.announced(task, op, obj)

    def _observe(self, task: Task, op: Op, obj: Any, outcome: Outcome) -> None:
        for instrument in self.instruments:
            instrument.stepped(task, op, obj, outcome)
        self.settle(task)

    def settle(self, task: Task) -> None:
        """Do what was deferred, unless `task` is atomic; its last step's result stays its own."""
        if self._deferred and not task.is_atomic:
            value = task.value  # whoever made the step has yet to read it
            self.flush()
            task.value = value

    def join(self, tasks: Iterable[Task], timeout: float = 10.0) -> list[Task]:
        """Wait for tasks to end; returns those that did not."""
        tasks = list(tasks)
        for task in tasks:
            task.carrier.join(timeout)
        return [task for task in tasks if task.carrier.is_alive()]

    def shut_down(self) -> None:
        """Tell the helper tasks to end and wait a moment for them."""
        part_from(self.dismiss())

    def dismiss(self) -> list[threading.Thread]:
        """Tell the helper tasks to end; returns their threads."""
        with self.mutex:
            services = list(self._services.values())
            self._services.clear()
            for task, _thread_of_it in services:
                task.told_to_die = True
                self._end_parked(task, only_interruptible=False)
        return [thread for _task, thread in services]

    def restart_in_child(self) -> None:
        """After fork: only this thread is left, so nobody is parked and no helper lives."""
        self.mutex = _thread.RLock()
        self.parked = {}
        self._stepping = self._rescanning = False
        self._changed = []
        self._services = {}


def _refusal(op: Op, does: str) -> OSError:
    """What a signal handler hears that would have to wait for the step it interrupted."""
    return OSError(
        errno.EDEADLK,
        f"a signal handler {does} {op.name} inside a step of its own thread; "
        "from a handler only signal, complete and wake",
    )


def _keep_on(loop: Callable[[], object]) -> None:
    """Run a helper's loop; what some work raises is told, and does not stop what comes after."""
    while True:
        try:
            loop()
        except Exception:  # noqa: BLE001 - goes where errors of threads go
            told = threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread()))
            threading.excepthook(told)
        else:
            return


def _depth_of_caller() -> int:
    """How far up the stack the first frame outside this package is, for warnings."""
    package = str(Path(__file__).parent.parent) + os.sep
    for depth, frame in enumerate(reversed(traceback.extract_stack()), 0):
        if not frame.filename.startswith(package):
            return depth
    return 1
