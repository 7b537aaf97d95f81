"""Event loops: how a coroutine of asyncio or trio waits for a callback, without a thread.

    async def main():
        await fence                       # Fence.__await__ comes here

Neither library is imported: a coroutine that runs has a loop, whose module is loaded then. The
callback comes from any thread, with a lock held; it only tells the loop, with the one call that
each loop takes from other threads, and the loop's own thread does the rest.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from dmabuf.errors import DesignError

if TYPE_CHECKING:
    from dmabuf.rt.api import Runtime

__all__ = ["await_callback"]

Notify = Callable[[object], None]


def await_callback(
    rt: Runtime, add: Callable[[Notify], Any], remove: Callable[[Any], object]
) -> Generator[Any, Any, None]:
    """Suspend the running coroutine until a callback is called; for an `__await__`.

    Cancellation removes the callback. A loop that is closed, or that belongs to the parent of a
    forked process, is not told any more. What is there already does not suspend in asyncio; in
    trio, where each await has to be a checkpoint, it is one.

    Args:
        rt: the runtime; explored, DesignError: designs block, as kernel code does.
        add: queues a callback and returns its handle, or None if there is nothing to wait for.
        remove: takes back what `add` queued.

    Raises RuntimeError where no loop runs.
    """
    if rt.explored:
        raise DesignError("a design cannot await: drivers block, so use wait()")
    trio: Any = sys.modules.get("trio")
    if trio is not None and _runs_trio(trio):
        yield from _await_in_trio(trio, rt, add, remove)
        return
    asyncio: Any = sys.modules.get("asyncio")
    loop = None if asyncio is None else asyncio._get_running_loop()
    if loop is None:
        raise RuntimeError("to await a signal takes a running loop of asyncio or trio")
    yield from _await_in_asyncio(asyncio, loop, rt, add, remove)


def _runs_trio(trio: Any) -> bool:
    """Is the caller a trio task? Both may run in one thread (guest mode, trio-asyncio)."""
    sniffio: Any = sys.modules.get("sniffio")
    try:
        if sniffio is not None:
            return bool(sniffio.current_async_library() == "trio")
        trio.lowlevel.current_task()
    except RuntimeError:
        return False
    return True


def _await_in_asyncio(
    asyncio: Any, loop: Any, rt: Runtime, add: Callable[[Notify], Any], remove: Callable[[Any], Any]
) -> Generator[Any, Any, None]:
    future = loop.create_future()
    process = os.getpid()

    def notify(_signalled: object) -> None:
        if asyncio._get_running_loop() is loop:  # its own thread: there is nobody to wake
            _settle(future)
        elif os.getpid() == process:
            _tell(loop.call_soon_threadsafe, _settle, future)

    callback = add(notify)
    if callback is not None:
        yield from _or_remove(future.__await__(), rt, callback, remove)


def _settle(future: Any) -> None:
    """The waiter may have been cancelled meanwhile."""
    if not future.done():
        future.set_result(None)


def _await_in_trio(
    trio: Any, rt: Runtime, add: Callable[[Notify], Any], remove: Callable[[Any], Any]
) -> Generator[Any, Any, None]:
    task = trio.lowlevel.current_task()
    token = trio.lowlevel.current_trio_token()
    process = os.getpid()
    sleeps = True

    def notify(_signalled: object) -> None:
        if os.getpid() == process:
            _tell(token.run_sync_soon, wake)

    def wake() -> None:
        nonlocal sleeps
        if sleeps:
            sleeps = False
            trio.lowlevel.reschedule(task)

    def abort(_raise_cancel: object) -> Any:
        # Not the place to remove the callback: who cancels may hold the lock it lives under.
        nonlocal sleeps
        sleeps = False
        return trio.lowlevel.Abort.SUCCEEDED

    callback = add(notify)
    if callback is None:
        yield from trio.lowlevel.checkpoint().__await__()
        return
    sleep = trio.lowlevel.wait_task_rescheduled(abort)
    yield from _or_remove(sleep.__await__(), rt, callback, remove)


def _tell(threadsafe: Callable[..., object], *what: object) -> None:
    """Tell a loop from another thread; one that has been closed meanwhile needs no telling."""
    try:
        threadsafe(*what)
    except RuntimeError:
        return


def _or_remove(
    sleep: Generator[Any, Any, Any], rt: Runtime, callback: Any, remove: Callable[[Any], object]
) -> Generator[Any, Any, None]:
    """Sleep; if that is cancelled, take the callback back.

    A coroutine that is thrown away may be collected anywhere, so there, as in a finaliser, the
    removal is deferred.
    """
    try:
        yield from sleep
    except GeneratorExit:
        rt.defer(functools.partial(remove, callback))
        raise
    except BaseException:
        remove(callback)
        raise
