"""What carries the tasks of an explored run: greenlets, or OS threads that pass a baton.

Exactly one task runs at a time, and control moves only where a step says so; both carriers give
the same executions. Greenlets switch some ten times faster.

A carrier knows the hub (whoever called `resume`) and tasks. A task's body returns the task that
goes on after it, or None for the hub.
"""

from __future__ import annotations

import _thread
import functools
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from dmabuf.rt.ambient import ambient, set_ambient
from dmabuf.rt.life import carry, main

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.tasks import Tasks

__all__ = ["Baton", "Carrier", "Greenlets", "best_carrier", "carrier_named", "has_greenlet"]

Do = Callable[[], object]
Body = Callable[[], "ExploredTask | None"]


class Carrier(Protocol):
    """How control moves between the hub and the tasks."""

    name: str

    def start(self, rt: Tasks, task: ExploredTask, fn: Do) -> None:
        """Prepare a task that does `fn`; it runs when first resumed or switched to."""
        ...

    def retire(self) -> None:
        """From the hub: the execution is over, and no task will go on."""
        ...

    def resume(self, task: ExploredTask) -> None:
        """From the hub: run `task` and whatever follows it, until somebody returns to the hub."""
        ...

    def switch(self, me: ExploredTask, to: ExploredTask | None) -> None:
        """From task `me`: let `to` (None: the hub) go on; returns when somebody switches back."""
        ...

    def frame_of(self, task: ExploredTask) -> FrameType | None:
        """The innermost frame of a task that does not run now; None of the one that does."""
        ...


class Greenlets:
    """Tasks are greenlets of the calling thread.

    To make a greenlet and its stack costs as much as ten steps. So one whose task has ended waits
    for the next, and one `Greenlets` may carry many executions, one after the other.
    """

    name = "greenlet"

    def __init__(self) -> None:
        import greenlet

        self._greenlet: Any = greenlet.greenlet
        self._hub: Any = greenlet.getcurrent()
        self._busy: list[tuple[Any, _Box]] = []
        self._idle: list[tuple[Any, _Box]] = []
        self._following: list[ExploredTask | None] = [None]

    def start(self, rt: Tasks, task: ExploredTask, fn: Do) -> None:
        """Prepare a task that does `fn`; it runs when first resumed or switched to."""
        box: _Box
        if self._idle:
            one, box = self._idle.pop()
            box[0] = (rt, task, fn)
        else:
            box = [(rt, task, fn)]
            one = self._greenlet(
                functools.partial(carry, self._hub, box, self._following), self._hub
            )
        self._busy.append((one, box))
        task.carrier = one

    def retire(self) -> None:
        """From the hub: no task goes on; whatever carried one that has ended may carry others."""
        for used in self._busy:
            one, box = used
            if box and box[0] is None:
                one.gr_context = None  # what its task set there is not the next one's business
                self._idle.append(used)
        self._busy.clear()

    def resume(self, task: ExploredTask) -> None:
        """From the hub: run `task` and whatever follows it."""
        slot = self._following
        following: ExploredTask | None = task
        while following is not None:
            following.carrier.switch()
            following, slot[0] = slot[0], None

    def switch(self, me: ExploredTask, to: ExploredTask | None) -> None:
        """From task `me`: let `to` (None: the hub) go on."""
        del me
        if to is None:
            self._hub.switch()
        else:
            to.carrier.switch()

    def frame_of(self, task: ExploredTask) -> FrameType | None:
        """The innermost frame of a task that does not run now; None of the one that does."""
        frame: FrameType | None = task.carrier.gr_frame
        return frame


_Box = list["tuple[Tasks, ExploredTask, Do] | None"]
"""What a greenlet is to run next, as arguments of `main`; [None] where it waits for that."""


class _Gate:
    """Where one OS thread waits for the baton."""

    __slots__ = ("body", "ident", "lock", "started")

    def __init__(self, body: Body | None) -> None:
        self.body = body
        self.started = False
        self.ident = 0
        self.lock = _thread.allocate_lock()
        self.lock.acquire()


class Baton:
    """Tasks are daemon threads, of which exactly one holds the baton."""

    name = "threads"

    def __init__(self) -> None:
        self._hub = _Gate(None)
        self._error: BaseException | None = None

    def start(self, rt: Tasks, task: ExploredTask, fn: Do) -> None:
        """Prepare a task that does `fn`; its thread starts when it is first given the baton."""
        task.carrier = _Gate(functools.partial(main, rt, task, fn))

    def retire(self) -> None:
        """Each thread ends with its task."""

    def resume(self, task: ExploredTask) -> None:
        """From the hub: pass the baton to `task` and wait until it comes back."""
        self._pass(task.carrier)
        self._hub.lock.acquire()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def switch(self, me: ExploredTask, to: ExploredTask | None) -> None:
        """From task `me`: pass the baton on and wait until it comes back."""
        self._pass(self._hub if to is None else to.carrier)
        me.carrier.lock.acquire()

    def frame_of(self, task: ExploredTask) -> FrameType | None:
        """The innermost frame of a task that does not run now; None of the one that does."""
        ident: int = task.carrier.ident
        return None if ident == _thread.get_ident() else sys._current_frames().get(ident)

    def _pass(self, gate: _Gate) -> None:
        if gate.body is None or gate.started:
            gate.lock.release()
            return
        gate.started = True
        runtime = ambient()

        def run() -> None:
            set_ambient(runtime)
            gate.ident = _thread.get_ident()
            assert gate.body is not None
            try:
                following = gate.body()
            except BaseException as error:  # noqa: BLE001 - raised in the hub, as greenlets do
                self._error = error
                following = None
            self._pass(self._hub if following is None else following.carrier)

        threading.Thread(target=run, daemon=True).start()


def has_greenlet() -> bool:
    """Is the faster carrier installed?"""
    try:
        import greenlet
    except ImportError:
        return False
    return hasattr(greenlet, "greenlet")


def best_carrier() -> Carrier:
    """Greenlets where they are installed, else the baton."""
    return Greenlets() if has_greenlet() else Baton()


def carrier_named(name: str) -> Carrier:
    """The carrier of that name ("greenlet", "threads"); without one the best there is."""
    if name == "threads":
        return Baton()
    return Greenlets() if name else best_carrier()
