"""What a task is in the middle of: allocating, touching user memory, making a worker.

A rule speaks of what code does ("allocates with GFP_KERNEL"), a deadlock shows what it waits for
in the end (a fence, in somebody else's shrinker). So the outermost such act of each task is noted,
for whoever explains why a task gets no further.

    >>> with doing(ambient(), Act("DF301", "allocates")):
    ...     act_of(ambient().current()).code
    'DF301'
    >>> act_of(ambient().current()) is None
    True
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from dmabuf._names import no_kernel
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import Runtime, Task

__all__ = [
    "ACTS",
    "FAILED",
    "Act",
    "Beneficiary",
    "act_of",
    "ambient",
    "doing",
    "failed",
    "failure_of",
]

ACTS = "mm.acts"
"""Name in `Runtime.extras` of the acts of each task, the outermost first: a task's own entry."""

FAILED = "mm.failed"
"""Name in `Runtime.extras` of what each task last asked for and did not get."""


class Beneficiary(Protocol):
    """For whose sake a task does something."""

    @property
    @no_kernel("the same of whoever it is")
    def is_starved(self) -> bool:
        """Does it still need that?"""
        ...


class Act(NamedTuple):
    """Something that a task does.

    Attributes:
        code: the rule that it breaks on the way to a signal.
        words: what it does, after the task's name: "allocates a job with GFP_KERNEL".
        on_behalf_of: who needs it; the task itself if None. It holds nobody up once that one is
            served otherwise.
    """

    code: str
    words: str
    on_behalf_of: Beneficiary | None = None


@contextmanager
@no_kernel("lockdep keeps a list of what is held; this is the same for acts")
def doing(rt: Runtime, act: Act) -> Generator[None]:
    """Inside, the calling task is doing that. Context: any."""
    task = rt.current()
    before = _of_tasks(rt).get(task, ())
    _of_tasks(rt)[task] = (*before, act)
    try:
        yield
    finally:
        if before:
            _of_tasks(rt)[task] = before
        else:
            _of_tasks(rt).pop(task, None)


def _of_tasks(rt: Runtime) -> dict[Task, tuple[Act, ...]]:
    """By task, in no order; in a frame of a state that is compared it would have one."""
    acts: dict[Task, tuple[Act, ...]] = rt.extras.setdefault(ACTS, {})
    return acts


@no_kernel("for reports")
def act_of(task: Task) -> Act | None:
    """The outermost act that a task is in, if anybody needs it still. Context: any."""
    acts: tuple[Act, ...] = task.runtime.extras.get(ACTS, {}).get(task, ())
    if not acts:
        return None
    served = acts[0].on_behalf_of
    return acts[0] if served is None or served.is_starved else None


@no_kernel("for reports")
def failed(rt: Runtime, words: str) -> None:
    """Note that the calling task did not get what it asked for. Context: any."""
    rt.extras.setdefault(FAILED, {})[rt.current()] = words


@no_kernel("for reports")
def failure_of(task: Task) -> str:
    """What a task asked for last and did not get; empty if it got all. Context: any."""
    words: str = task.runtime.extras.get(FAILED, {}).get(task, "")
    return words
