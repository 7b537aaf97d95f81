"""What a task says about itself: may it sleep, is it signalling, how may it allocate.

Mirrors: include/linux/kernel.h (might_sleep), include/linux/dma-fence.h (begin/end_signalling),
include/linux/sched/mm.h (memalloc scopes).

These are contexts that record; judging what they record is the validator's business.

    >>> with memalloc_nofs():
    ...     ambient().current().scope
    <Scope.NOFS: 2>
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from dmabuf._names import kernel, no_kernel
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import Op, Runtime, Scope, Task
from dmabuf.rt.notes import Note, tell
from dmabuf.sync.gfp import Gfp

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.tasks import Tasks

__all__ = [
    "ALLOCATOR",
    "allocate",
    "begin_signalling",
    "cond_resched",
    "end_signalling",
    "fs_reclaim",
    "fs_reclaim_acquire",
    "fs_reclaim_release",
    "idle",
    "local_irq_save",
    "memalloc_nofs",
    "memalloc_noio",
    "memalloc_noreclaim",
    "might_sleep",
    "might_wait",
    "notifying",
    "signalling",
    "touches_user_memory",
    "warn_on",
]


@kernel("might_sleep", context="process")
def might_sleep(what: str, *, code: str = "DF003", runtime: Runtime | None = None) -> None:
    """Report a task that may not sleep here. Context: process, else `code` is reported.

    Args:
        what: what would sleep, for the message.
        code: the rule that is broken if the task is atomic.
        runtime: where to ask; the ambient runtime if not given.
    """
    runtime = runtime or ambient()
    task = runtime.current()
    if task.is_atomic:
        runtime.report(code, f"{what} may sleep, but {task.name} {_why_atomic(runtime, task)}")


def _why_atomic(runtime: Runtime, task: Task) -> str:
    spinning = [lock for lock in task.held if getattr(lock, "is_spinning", False)]
    if task.in_irq:
        return "runs as an interrupt handler"
    if spinning:
        return "holds spinlock " + ", ".join(runtime.label(lock) for lock in spinning)
    if task.irqs_off:
        return "has interrupts off"
    if task.bh_off:
        return "has softirqs off"
    for held in task.held:
        if hasattr(held, "why_atomic"):
            return str(held.why_atomic)
    return "runs in softirq context"


def _give_up(_obj: Any, task: Task) -> None:
    cast("Tasks", task.runtime).cpus.give_up(cast("ExploredTask", task))


COND_RESCHED = Op("task.cond_resched", action=_give_up, says="lets others run")


@kernel("cond_resched", context="process")
def cond_resched() -> None:
    """Let another task of this CPU run, if one wants to. Context: process, may sleep.

    A step only where tasks keep their CPU (`machine.preemption(False)`); elsewhere it may be
    taken from them anywhere.
    """
    rt = ambient()
    might_sleep("cond_resched", runtime=rt)
    task = rt.current()
    if rt.explored and task.cpu is not None and not cast("Tasks", rt).cpus.preemption:
        rt.step(COND_RESCHED, task)


_DIRECT_RECLAIM = int(Gfp.DIRECT_RECLAIM)
"""As a plain number: `&` of two flags makes a third, which takes longer than all the rest here."""

ALLOCATOR = "sync.context.allocate"
"""Name in `Runtime.extras` of what answers allocations: called as `fn(gfp, what)`."""


@kernel("might_alloc", context="as gfp allows")
def allocate(gfp: Gfp, what: str = "memory", *, runtime: Runtime | None = None) -> bool:
    """Where the kernel allocates on this path. Context: process if `gfp` allows direct reclaim.

    Without a memory world every allocation succeeds; `mm` puts one into the runtime's extras.

    Args:
        gfp: how the allocation may behave.
        what: what is allocated, for reports.
        runtime: the ambient runtime if not given.

    Returns False if there was no memory, which only flags that allow failure can see.
    """
    runtime = runtime or ambient()
    if int(gfp) & _DIRECT_RECLAIM and runtime.current().is_atomic:
        might_sleep(f"an allocation ({what})", runtime=runtime)
    if not runtime.quick:
        tell(runtime, Note.ALLOCATES, gfp)
    allocator = runtime.extras.get(ALLOCATOR)
    return allocator is None or bool(allocator(gfp, what))


@kernel("WARN_ON")
def warn_on(runtime: Runtime, message: str, *, code: str = "DF004") -> None:
    """What the kernel answers with a warning and survives: live it warns, explored it ends."""
    runtime.report(code, message, fatal=False)


@kernel("dma_fence_begin_signalling")
def begin_signalling(runtime: Runtime | None = None) -> bool:
    """Open a fence signalling section. Context: any.

    Returns the cookie for `end_signalling`: True if nothing was recorded, because the task is
    inside a section already or in atomic context (there the sleep checks are relied on).
    """
    runtime = runtime or ambient()
    task = runtime.current()
    cookie = task.signalling > 0 or task.is_atomic
    if not cookie:
        task.signalling = 1
    if not runtime.quick:
        tell(runtime, Note.SECTION, cookie)
    return cookie


@kernel("dma_fence_end_signalling")
def end_signalling(cookie: bool, runtime: Runtime | None = None) -> None:
    """Close the section that `cookie` belongs to; a True cookie closes nothing. Context: any."""
    runtime = runtime or ambient()
    if not runtime.quick:
        tell(runtime, Note.SECTION_END, cookie)
    if not cookie:
        runtime.current().signalling = 0


@contextmanager
@no_kernel("the pair dma_fence_begin_signalling/_end_signalling as a with-block")
def signalling() -> Generator[None]:
    """Code on the way to a fence's signal, from publication to signal."""
    runtime = ambient()
    cookie = begin_signalling(runtime)
    try:
        yield
    finally:
        end_signalling(cookie, runtime)


@no_kernel("__dma_fence_might_wait, which dma_fence_wait_timeout calls")
def might_wait(runtime: Runtime, what: Any) -> None:
    """Say that this path may wait for a fence, whether or not it has to this time. Context: any.

    Args:
        runtime: the runtime.
        what: the fences, or what they would be in.
    """
    if not runtime.quick:
        tell(runtime, Note.FENCE_WAIT, what)


@kernel("fs_reclaim_acquire")
def fs_reclaim_acquire(gfp: Gfp, runtime: Runtime | None = None) -> None:
    """Say that the task begins to free memory for an allocation with these flags. Context: any."""
    runtime = runtime or ambient()
    if not runtime.quick:
        tell(runtime, Note.RECLAIM, gfp)


@kernel("fs_reclaim_release")
def fs_reclaim_release(gfp: Gfp, runtime: Runtime | None = None) -> None:
    """Say that it has. Context: any."""
    del gfp
    runtime = runtime or ambient()
    if not runtime.quick:
        tell(runtime, Note.RECLAIM_END)


@contextmanager
@no_kernel("the pair fs_reclaim_acquire/_release as a with-block")
def fs_reclaim(gfp: Gfp = Gfp.KERNEL, runtime: Runtime | None = None) -> Generator[None]:
    """Inside, the task frees memory for an allocation with these flags. Context: process."""
    fs_reclaim_acquire(gfp, runtime)
    try:
        yield
    finally:
        fs_reclaim_release(gfp, runtime)


@contextmanager
@no_kernel("the lock map around the calls of invalidate_range_start")
def notifying(runtime: Runtime | None = None) -> Generator[None]:
    """Inside, the task tells MMU notifiers that pages go. Context: process."""
    runtime = runtime or ambient()
    if not runtime.quick:
        tell(runtime, Note.NOTIFIERS)
    try:
        yield
    finally:
        if not runtime.quick:
            tell(runtime, Note.NOTIFIERS_END)


@no_kernel("the lock map of might_fault")
def touches_user_memory(runtime: Runtime) -> None:
    """Say that this path may take a page fault, whether or not it does this time."""
    if not runtime.quick:
        tell(runtime, Note.USER_ACCESS)


@contextmanager
def _scope(added: Scope) -> Generator[None]:
    task = ambient().current()
    before = task.scope
    task.scope = before | added
    try:
        yield
    finally:
        task.scope = before


@kernel("memalloc_noreclaim_save", "memalloc_noreclaim_restore")
def memalloc_noreclaim() -> Any:
    """Allocations inside never enter reclaim (PF_MEMALLOC)."""
    return _scope(Scope.NORECLAIM)


@kernel("memalloc_nofs_save", "memalloc_nofs_restore")
def memalloc_nofs() -> Any:
    """Allocations inside behave as GFP_NOFS."""
    return _scope(Scope.NOFS)


@kernel("memalloc_noio_save", "memalloc_noio_restore")
def memalloc_noio() -> Any:
    """Allocations inside behave as GFP_NOIO."""
    return _scope(Scope.NOIO)


def _irqs_off(_obj: Any, task: Task) -> None:
    task.irqs_off += 1


IRQ_SAVE = Op("irq.save", action=_irqs_off, says="turns interrupts off")


@contextmanager
@kernel("local_irq_save", "local_irq_restore")
def local_irq_save() -> Generator[None]:
    """Interrupts are off on this task's CPU inside. Live this is bookkeeping.

    Where handlers may start between steps this is a step, as one may start just before it.
    """
    rt = ambient()
    task = rt.current()
    if rt.interrupts:
        rt.step(IRQ_SAVE, task)
    else:
        task.irqs_off += 1
    try:
        yield
    finally:
        task.irqs_off -= 1
        if task.held and not rt.quick:
            tell(rt, Note.IRQS_ON)


@contextmanager
@no_kernel("the kernel knows its idle threads by name; a design says it")
def idle() -> Generator[None]:
    """Inside, this task waits for work that nobody owes (worker, kswapd, irq line)."""
    task = ambient().current()
    before = task.idle
    task.idle = True
    try:
        yield
    finally:
        task.idle = before
