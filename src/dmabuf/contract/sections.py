"""Fences: signalling sections, waits, publication, and who signals what without saying so.

Mirrors: drivers/dma-buf/dma-fence.c (dma_fence_begin_signalling, __dma_fence_might_wait), facts

A section is a hold of a lock that nobody ever waits for in earnest: shared, so that sections may
meet in any order; non-recursive, so that a lock held where a section is opened counts, in a kernel
whose opening waits (6.12). A wait takes the same lock exclusively and drops it at once; meanwhile
this task's own hold is lifted, so that a wait inside a section is quiet, and only what else is
held comes before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from dmabuf.contract.modes import EXCLUSIVE, READ
from dmabuf.contract.order import TRYLOCK
from dmabuf.contract.prime import FENCE, MMAP, NOTIFIER, RECLAIM
from dmabuf.contract.stacks import frames_here
from dmabuf.contract.usage import NO_IRQ
from dmabuf.core.fence import Fence
from dmabuf.rt.api import Kind, Scope
from dmabuf.sync.gfp import Gfp

if TYPE_CHECKING:
    from dmabuf.contract.known import Known, TaskHolder
    from dmabuf.contract.prediction import Found

__all__ = ["NEWEST", "NOLOCKDEP", "V6_12", "Sections", "Semantics"]

_SECTION = "a signalling section"
_OWN = Fence._signal.__code__
_ASKS = Fence._is_signaled.__code__
_NEAR = 8
"""How far up the stack the signal is that opened a section of its own."""
_BETWEEN = 4
"""So many more frames lie between the step of a signal, and whoever asked for it."""

_DIRECT_RECLAIM = int(Gfp.DIRECT_RECLAIM)
_FS = int(Gfp.FS)
NOLOCKDEP = 1 << 31
"""A bit of ours for __GFP_NOLOCKDEP, whose number depends on how a kernel was configured."""
_SCOPED_NOFS = Scope.NOFS | Scope.NOIO


@dataclass(frozen=True, slots=True)
class Semantics:
    """How the annotation is recorded: what kernels do differently.

    Attributes:
        opens_by_trylock: opening a section does not come after the locks held then.
        mode: how a section holds; READ in every kernel.
        guesses: no annotation is read, see `cross_release`.
        looks_at_raw: wait types of spinlocks are looked at (CONFIG_PROVE_RAW_LOCK_NESTING, which
            used to be an option of its own).
    """

    opens_by_trylock: bool = True
    mode: int = READ
    guesses: bool = False
    looks_at_raw: bool = True


NEWEST = Semantics()
V6_12 = Semantics(opens_by_trylock=False, looks_at_raw=False)


class Sections:
    """What tasks say and do about fences.

    Args:
        known: classes and holders.
        found: where findings go.
        semantics: of which kernel.
        mmu_notifier: are there notifiers, which any reclaim may call?

    Attributes:
        said: names of the tasks that opened a section of their own.
    """

    def __init__(
        self, known: Known, found: Found, semantics: Semantics, *, mmu_notifier: bool
    ) -> None:
        self._known = known
        self._order = known.order
        self._found = found
        self._flags = TRYLOCK if semantics.opens_by_trylock else 0
        self._mode = semantics.mode
        self._mmu_notifier = mmu_notifier
        self.said: set[str] = set()

    # -- sections ------------------------------------------------------------------------------

    def begin(self, holder: TaskHolder, cookie: bool) -> None:
        """A section is opened; with a True cookie nothing is recorded."""
        if cookie:
            holder.nested += 1
            return
        frames = frames_here()
        holder.section = frames
        holder.is_own = any(code is _OWN for code, _line in frames[:_NEAR])
        if not holder.is_own:
            self.said.add(holder.name)
        holder.waited.clear()
        fence = self._known.roles[FENCE]
        self._order.acquire(holder, _SECTION, fence, self._mode, self._flags, NO_IRQ)

    def end(self, holder: TaskHolder, cookie: bool) -> None:
        """A section is closed; with a True cookie only an inner one."""
        if cookie:
            holder.nested = max(holder.nested - 1, 0)
            return
        who = holder.name
        if holder.section is None:
            message = f"{who} ends a signalling section that it is not in"
            self._found.violation("DF004", message, frames_here())
            return
        if holder.nested:
            message = (
                f"{who} ends the outer signalling section inside the inner one: each end is given "
                "the cookie of its own begin"
            )
            self._found.violation("DF004", message, frames_here())
        holder.section = None
        self._order.release(holder, _SECTION)

    # -- waits ---------------------------------------------------------------------------------

    def wait(self, holder: TaskHolder, what: Any) -> None:
        """A task may wait for fences."""
        inside = holder.section is not None
        node, locks = holder.node, list(holder.locks)
        if inside and self._mode != EXCLUSIVE:
            self._order.release(holder, _SECTION)
        self._order.touch(holder, "a fence", self._known.roles[FENCE], NO_IRQ)
        holder.node, holder.locks = node, locks
        if inside:
            for fence in _fences(what):
                holder.waited.append((fence.timeline, fence.seqno))

    # -- memory --------------------------------------------------------------------------------

    def allocate(self, holder: TaskHolder, gfp: Gfp) -> None:
        """A task allocates: what direct reclaim may do, it may do right here."""
        flags, scope = int(gfp), holder.task.scope
        if not flags & _DIRECT_RECLAIM or flags & NOLOCKDEP or scope & Scope.NORECLAIM:
            return
        if flags & _FS and not scope & _SCOPED_NOFS:
            self._touch(holder, RECLAIM)
        elif self._mmu_notifier:
            self._touch(holder, NOTIFIER)

    def touch_user_memory(self, holder: TaskHolder) -> None:
        """A task may take a page fault."""
        self._touch(holder, MMAP, READ)

    def hold(self, holder: TaskHolder, role: str) -> None:
        """A task begins to free memory, or to tell notifiers."""
        cls = self._known.roles[role]
        self._order.acquire(holder, cls.name, cls, EXCLUSIVE, 0, NO_IRQ)

    def drop(self, holder: TaskHolder, role: str) -> None:
        """It has."""
        self._order.release(holder, self._known.roles[role].name)

    def _touch(self, holder: TaskHolder, role: str, mode: int = EXCLUSIVE) -> None:
        cls = self._known.roles[role]
        before = len(holder.locks)
        self._order.acquire(holder, cls.name, cls, mode, 0, NO_IRQ)
        if len(holder.locks) > before:
            if holder.node is not None:
                holder.recent[cls] = holder.node
            self._order.release(holder, cls.name)

    # -- signals -------------------------------------------------------------------------------

    def signal(self, holder: TaskHolder, fence: Fence, *, published: bool) -> None:
        """A task signals a pending fence."""
        explicit = holder.section is not None and not holder.is_own
        if explicit:
            self._check_own_wait(holder, fence)
        if not published or not self._must_say_so(holder):
            return
        if not explicit:
            message = (
                f"{holder.name} signals {fence.name}, which others can see, outside any signalling "
                "section: nobody checks what it does on the way there"
            )
            about = holder.task.runtime.label(fence)
            self._found.violation(
                "DF205", message, frames_here(), suspected=True, who=holder.name, about=about
            )
        self._check_rescuer(holder, suspected=not explicit)

    def is_unsaid(self, holder: TaskHolder, *, published: bool) -> bool:
        """Does a task signal that should have said beforehand that it is going to?"""
        unsaid = holder.section is None or holder.is_own
        return published and unsaid and self._must_say_so(holder)

    def _must_say_so(self, holder: TaskHolder) -> bool:
        """Is it kernel code that sleeps, and not in passing: by asking or while it frees memory?"""
        task = holder.task
        frees = task.scope & Scope.NORECLAIM or any(
            self._known.roles[role].name in holder.locks for role in (RECLAIM, NOTIFIER)
        )
        atomic = task.in_irq or task.in_softirq or task.is_atomic
        if task.kind not in (Kind.KTHREAD, Kind.WORKER) or atomic or frees:
            return False
        return all(code is not _ASKS for code, _line in frames_here(_NEAR + _BETWEEN))

    def _check_own_wait(self, holder: TaskHolder, fence: Fence) -> None:
        """A section that waited for what it signals, or for what comes after that."""
        for timeline, seqno in holder.waited:
            if timeline is fence.timeline and seqno >= fence.seqno:
                message = (
                    f"{holder.name} waits for {timeline.name}:{seqno} in the section that signals "
                    f"{fence.name}: unless somebody else does, both wait for ever"
                )
                self._found.violation("DF108", message, frames_here())
                return

    def _check_rescuer(self, holder: TaskHolder, *, suspected: bool) -> None:
        """An item that has to run for a signal runs on a queue that may have no worker."""
        for running in reversed(holder.running):
            queue = next((one for one in running if hasattr(one, "mem_reclaim")), None)
            if queue is not None and not queue.mem_reclaim:
                message = (
                    f"{_label(running[-1])} signals on {_label(queue)}, which has no rescuer: with "
                    "memory short it may have no worker"
                )
                self._found.violation(
                    "DF107", message, frames_here(), suspected=suspected, who=holder.name
                )
                return


def _fences(what: Any) -> Iterable[Fence]:
    if isinstance(what, Fence):
        return (what,)
    return cast("Sequence[Fence]", what) if isinstance(what, Sequence) else ()


def _label(obj: Any) -> str:
    return str(obj.rt.label(obj))
