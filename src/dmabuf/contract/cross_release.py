"""Cross-release, tried: signalling sections by guess, without any annotation.

Mirrors: kernel/locking/lockdep.c of 4.14 (CONFIG_LOCKDEP_CROSSRELEASE, taken back since; facts)

    Validator(semantics=CROSS_RELEASE)

No annotation is read. A section starts where something fresh starts: a system call, a work item, a
timer, a handler, the body of a thread. Each signal ends it, whoever makes it and whether or not
anybody can see the fence: all that the task took since the start is taken to be needed for that
signal. So is it for each completion. What follows is a finding, not a suspicion.

It is here to be compared (docs/design/0019), not to be used: the contract begins a section where a
fence is published, which no start of anything tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dmabuf.contract.ends import Ends
from dmabuf.contract.known import EVER, TaskHolder
from dmabuf.contract.modes import EXCLUSIVE
from dmabuf.contract.prime import FENCE
from dmabuf.contract.sections import Sections, Semantics
from dmabuf.contract.usage import NO_IRQ

if TYPE_CHECKING:
    from dmabuf.core.fence import Fence

__all__ = ["CROSS_RELEASE", "GuessedEnds", "GuessedSections"]

CROSS_RELEASE = Semantics(guesses=True)


class GuessedSections(Sections):
    """Sections that nobody announces: what tasks say of themselves is not heard."""

    def begin(self, holder: TaskHolder, cookie: bool) -> None:
        """Not read."""

    def end(self, holder: TaskHolder, cookie: bool) -> None:
        """Not read."""

    def signal(self, holder: TaskHolder, fence: Fence, *, published: bool) -> None:
        """No rule of annotations applies."""

    def is_unsaid(self, holder: TaskHolder, *, published: bool) -> bool:
        """Every signal is one, seen by others or not, in passing or in earnest."""
        return True


class GuessedEnds(Ends):
    """What was taken since something fresh began, is needed for each signal.

    Where an item or a handler ends, its task forgets what it took, so the next one starts afresh.
    """

    def enter(self, holder: TaskHolder) -> None:
        """A system call: a section starts."""
        holder.forgets()

    def wait(self, holder: TaskHolder, obj: Any) -> None:
        """What it waits for is needed for the signal as much as what it takes."""
        cls = self._known.of(obj)
        before = len(holder.locks)
        if cls is not None:
            self._order.acquire(holder, obj, cls, EXCLUSIVE, 0, NO_IRQ)
            if len(holder.locks) > before and holder.node is not None:
                holder.recent[cls] = holder.node
                self._order.release(holder, obj)

    def complete(self, holder: TaskHolder, obj: Any) -> None:
        """A completion ends a section."""
        cls = self._known.of(obj)
        if cls is not None:
            self._needs(holder, cls, obj, "completes", surely=True, since=EVER)

    def signal(self, holder: TaskHolder, fence: Any, since: int) -> None:
        """A signal ends a section; when the fence was published is not asked."""
        cls = self._known.roles[FENCE]
        self._needs(holder, cls, fence, "signals", surely=True, since=EVER)
