"""Waiting until somebody says "done", once or for all.

Mirrors: include/linux/completion.h

    >>> done = Completion("done")
    >>> done.complete(); done.wait(timeout=0)
    True
"""

from __future__ import annotations

from typing import Any

from dmabuf._names import kernel
from dmabuf.errors import Interrupted
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Outcome, Runtime, Task
from dmabuf.rt.clock import to_ns
from dmabuf.sync.context import might_sleep

__all__ = ["Completion"]

_ALL = 1 << 31
"""The kernel counts to UINT_MAX/2 and stays there once everybody may pass."""


def _is_done(completion: Completion, _task: Task) -> bool:
    return completion.done > 0


def _consume(completion: Completion, _task: Task) -> None:
    if completion.done < _ALL:
        completion.done -= 1


def _consume_touches(completion: Completion, _task: Task) -> tuple[tuple[Any, int], ...]:
    return ((completion, READ if completion.done >= _ALL else WRITE),)


def _complete(completion: Completion, _task: Task) -> None:
    if completion.done < _ALL:
        completion.done += 1


def _complete_all(completion: Completion, _task: Task) -> None:
    completion.done = _ALL


def _try(completion: Completion, task: Task) -> bool:
    if not completion.done:
        return False
    _consume(completion, task)
    return True


def _try_touches(completion: Completion, _task: Task) -> tuple[tuple[Any, int], ...]:
    counted = 0 < completion.done < _ALL
    return ((completion, WRITE if counted else READ),)


def _reinit(completion: Completion, _task: Task) -> None:
    completion.done = 0


def _count(completion: Completion, _task: Task) -> int:
    return completion.done


WAIT = Op(
    "completion.wait",
    guard=_is_done,
    action=_consume,
    touches=_consume_touches,
    says="waits for {}",
)
COMPLETE = Op("completion.complete", action=_complete, wakes=True, says="completes {}")
COMPLETE_ALL = Op(
    "completion.complete_all", action=_complete_all, wakes=True, says="completes all of {}"
)
TRY_WAIT = Op("completion.try_wait", action=_try, touches=_try_touches, says="tries {}")
REINIT = Op("completion.reinit", action=_reinit, says="starts {} anew")
IS_DONE = Op("completion.is_done", action=_count, access=READ, says="asks whether {} is done")


@kernel("struct completion")
class Completion:
    """A counted event: each `complete` lets one waiter pass, `complete_all` everybody.

    Args:
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.
    """

    __slots__ = ("__weakref__", "done", "name", "rt")

    def __init__(self, name: str = "", *, rt: Runtime | None = None) -> None:
        self.name = name or "completion"
        self.done = 0
        self.rt = rt or ambient()
        self.rt.adopt(self, name)

    @kernel("wait_for_completion", "wait_for_completion_timeout", context="process")
    def wait(self, timeout: float | None = None, *, interruptible: bool = False) -> bool:
        """Wait for a `complete`. Context: process, may sleep.

        Args:
            timeout: seconds, None for ever.
            interruptible: a pending signal ends the wait (raises Interrupted).

        Returns False if the time ran out.
        """
        rt = self.rt
        might_sleep(f"wait_for_completion of {rt.label(self)}", runtime=rt)
        deadline = None if timeout is None else rt.now() + to_ns(timeout)
        outcome = rt.step(WAIT, self, deadline=deadline, interruptible=interruptible)
        if outcome is Outcome.INTERRUPTED:
            raise Interrupted(f"wait for {self.name}")
        return outcome is Outcome.DONE

    @kernel("wait_for_completion_interruptible", context="process")
    def wait_interruptible(self) -> None:
        """As `wait`, but a pending signal ends it. Raises Interrupted."""
        self.wait(interruptible=True)

    @kernel("try_wait_for_completion")
    def try_wait(self) -> bool:
        """Pass if a `complete` is left over; never waits. Context: any."""
        self.rt.step(TRY_WAIT, self)
        return bool(self.rt.current().value)

    @kernel("complete")
    def complete(self) -> None:
        """Let one waiter pass, the first if several wait. Context: any."""
        self.rt.step(COMPLETE, self)

    @kernel("complete_all")
    def complete_all(self) -> None:
        """Let every waiter pass, now and later, until `reinit`. Context: any."""
        self.rt.step(COMPLETE_ALL, self)

    @kernel("reinit_completion")
    def reinit(self) -> None:
        """Forget what was completed. Context: any; not while others may complete or wait."""
        self.rt.step(REINIT, self)

    @kernel("completion_done")
    def is_done(self) -> bool:
        """Would `wait` pass at once? Context: any."""
        self.rt.step(IS_DONE, self)
        return bool(self.rt.current().value)

    def __repr__(self) -> str:
        return f"<Completion {self.name} done={self.done}>"
