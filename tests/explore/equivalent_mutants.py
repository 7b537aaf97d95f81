"""Weakened footprints that no program can tell from the honest ones, and why.

Each reason is of a kind that is checked against everything that has met in a campaign: a mutant
that is killed after all, or whose reason does not hold, is told as wrong.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from dmabuf.explore.dependence import independent
from tests.explore.meetings import Meetings, Mutant

__all__ = ["EQUIVALENT", "Kind", "Reason", "reason_for", "wrong_reason"]

_ENOUGH = 3
"""Fewer different meetings than these would say nothing."""


class Kind(enum.Enum):
    """Why nobody can tell.

    OWN: what is hidden belongs to the task that makes the step: nobody else's step touches it.
    COVERED: whoever touches what is hidden conflicts with something else that the step touches.
    COARSE: the honest footprint says more than there is: where it alone makes two steps depend on
        each other they commute all the same. It costs executions and loses nothing.
    """

    OWN = "its own"
    COVERED = "covered"
    COARSE = "coarse"


class Reason(NamedTuple):
    """Why a mutant is none."""

    kind: Kind
    words: str


_LOCK_OF_A_FENCE = Reason(Kind.COARSE, "the fence is named for its lock, whose place never changes")
_ASKED_AT_REST = Reason(Kind.COARSE, "only a look at rest asks who has heard of a fence")
_A_SET = Reason(Kind.COARSE, "entering and leaving are in no order; who looks changes it besides")
_ONE_HELPER = Reason(
    Kind.COVERED, "one task alone waits there, and who wakes it changes the object"
)
_ONLY_GUARD = Reason(Kind.COARSE, "nothing is changed: what matters is the guard")
_OWN_ENTRY = Reason(Kind.COARSE, "its own entry, which a wake-up after it no longer minds")
_COUNTED = Reason(Kind.COARSE, "a count that goes up; who looks at it changes it besides")
_LEAVES_A_QUEUE = Reason(Kind.COARSE, "who is next is asked only by who frees it, and changes it")
_TRANSLATION = Reason(Kind.COARSE, "two of them commute; whoever maps changes it as well")

EQUIVALENT: dict[tuple[str, str], Reason] = {
    ("fence.lock", "not the first"): _LOCK_OF_A_FENCE,
    ("fence.settle", "not the first"): _LOCK_OF_A_FENCE,
    ("fence.unlock", "not the first"): _LOCK_OF_A_FENCE,
    ("fence.publish", "reads"): _ASKED_AT_REST,
    ("fence.publish", "sees nothing"): _ASKED_AT_REST,
    ("fence.publish", "not the first"): _ASKED_AT_REST,
    ("syncobj.swap", "sees the first"): _ASKED_AT_REST,
    ("fence.remove_callback", "reads"): _A_SET,
    ("device_pages.begin", "reads"): _A_SET,
    ("device_pages.end", "reads"): _A_SET,
    ("irq.enter", "reads"): _ONE_HELPER,
    ("irq.thread", "reads"): _ONE_HELPER,
    ("irq_work.take", "reads"): _ONE_HELPER,
    ("irq_work.take", "sees the first"): _ONE_HELPER,
    ("kswapd.sleep", "reads"): _ONE_HELPER,
    ("syncobj_wait.sleep", "reads"): _ONE_HELPER,
    ("wait_any.sleep", "reads"): _ONE_HELPER,
    ("rwlock.spin", "reads"): Reason(
        Kind.COARSE, "two that may enter at once are readers, and in either order both are inside"
    ),
    ("irq_work.take", "not the first"): Reason(
        Kind.COARSE, "it takes from the front of the line, others put to its end"
    ),
    ("irq.disable", "reads"): _COUNTED,
    ("irq.raise", "reads"): _COUNTED,
    ("tasklet.disable", "reads"): _COUNTED,
    ("syncobj.get", "reads"): _COUNTED,
    ("udmabuf.pin", "reads"): _COUNTED,
    ("udmabuf.unpin", "reads"): _COUNTED,
    ("irq.synchronize", "reads"): _ONLY_GUARD,
    ("irq_work.sync", "reads"): _ONLY_GUARD,
    ("memory.go_on", "reads"): _OWN_ENTRY,
    ("memory.go_on", "sees nothing"): _OWN_ENTRY,
    ("memory.listen", "reads"): _OWN_ENTRY,
    ("waitqueue.finish", "reads"): _OWN_ENTRY,
    ("waitqueue.wait", "reads"): _OWN_ENTRY,
    ("syncobj_wait.look", "reads"): _OWN_ENTRY,
    ("kthread.parkme", "reads"): Reason(
        Kind.COARSE, "who waits for the thread to park waits no more once it is told to go on"
    ),
    ("memory.view", "reads"): Reason(Kind.COARSE, "two views commute; a close changes the memory"),
    ("memory.view", "sees the first"): Reason(
        Kind.COVERED, "whoever touches the bytes looks whether the memory is open"
    ),
    ("rcu.synchronize", "reads"): Reason(
        Kind.COARSE, "it goes on when who it waits for has gone; that others wait is counted"
    ),
    ("mmu_interval.remove", "not the first"): Reason(
        Kind.COARSE, "what changes is the list that it is taken off"
    ),
    ("rcu.take", "reads"): Reason(Kind.COARSE, "one helper takes, others add to the end"),
    ("sync_file.disarm", "reads"): Reason(Kind.COARSE, "the file is closed: nobody else comes"),
    ("sync_file.disarm", "sees nothing"): Reason(
        Kind.COARSE, "the file is closed: nobody else comes"
    ),
    ("workqueue.keep", "sees the first"): Reason(
        Kind.COVERED, "whoever touches the item touches its queue"
    ),
    ("machine.choose", "reads"): Reason(Kind.COARSE, "a signal does not matter to a chance"),
    ("machine.choose", "sees nothing"): Reason(Kind.COARSE, "a signal does not matter to a chance"),
    ("engine.reset_fails", "reads"): Reason(Kind.OWN, "a chance of the task that takes it"),
    ("engine.reset_fails", "sees nothing"): Reason(Kind.OWN, "a chance of the task that takes it"),
    ("irq.save", "reads"): Reason(Kind.OWN, "what it does to handlers is told by CPU and doors"),
    ("irq.save", "sees nothing"): Reason(
        Kind.OWN, "what it does to handlers is told by CPU and doors"
    ),
    ("softirq.disable", "reads"): Reason(
        Kind.OWN, "what it does to softirqs is told by CPU and doors"
    ),
    ("softirq.disable", "sees nothing"): Reason(
        Kind.OWN, "what it does to softirqs is told by CPU and doors"
    ),
    ("softirq.enter", "reads"): Reason(Kind.OWN, "what it does to others is told by CPU and doors"),
    ("softirq.enter", "sees nothing"): Reason(
        Kind.OWN, "what it does to others is told by CPU and doors"
    ),
    ("task.cond_resched", "reads"): Reason(Kind.OWN, "the CPU is told by the runtime"),
    ("task.cond_resched", "sees nothing"): Reason(Kind.OWN, "the CPU is told by the runtime"),
    ("waitqueue.finish", "sees the first"): Reason(
        Kind.COVERED, "who wakes a task by its name changes the queue that it is on"
    ),
    ("semaphore.cancel", "reads"): _LEAVES_A_QUEUE,
    ("ww_mutex.cancel", "reads"): _LEAVES_A_QUEUE,
    ("ww_mutex.destroy", "reads"): Reason(Kind.COARSE, "whoever takes or frees it changes it"),
    ("wait_set.unlisten", "reads"): _A_SET,
    ("workqueue.keep", "reads"): Reason(
        Kind.COARSE, "its worker alone takes; whoever puts or takes back changes the queue"
    ),
    ("workqueue.start_drain", "reads"): Reason(
        Kind.COARSE, "whoever asks whether the queue is closed changes it"
    ),
    ("device_mmu.access", "reads"): _TRANSLATION,
    ("device_mmu.flush", "reads"): _TRANSLATION,
    ("device_mmu.unmap", "reads"): _TRANSLATION,
    ("mmu_notifier.start", "reads"): Reason(
        Kind.COARSE, "a reader sees it by the numbers of the notifiers, which are set in steps"
    ),
    ("task.spawn", "reads"): Reason(Kind.OWN, "nobody has heard of the new task"),
    ("task.spawn", "sees nothing"): Reason(Kind.OWN, "nobody has heard of the new task"),
}
"""By operation and what it hides."""


def reason_for(mutant: Mutant) -> str:
    """Why no program can tell; empty if one should."""
    reason = EQUIVALENT.get((mutant.op, mutant.how))
    return "" if reason is None else f"{reason.kind.value}: {reason.words}"


def wrong_reason(met: Meetings, mutant: Mutant) -> str:
    """What speaks against the reason, in what has been seen; empty if nothing."""
    kind = EQUIVALENT[mutant.op, mutant.how].kind
    meetings = len(met.of(mutant.op))
    if meetings < _ENOUGH:
        return f"only {meetings} meetings"
    decisive, hidden = met.decisive(mutant), _hidden(met, mutant)
    if kind is Kind.OWN and hidden:
        return f"others touch it, in {hidden} meetings"
    if kind is Kind.COVERED and (decisive or not hidden):
        return f"{hidden} conflicts, {decisive} with nothing else"
    if kind is Kind.COARSE and not (decisive or hidden):
        return "nothing depends on it"
    return ""


def _hidden(met: Meetings, mutant: Mutant) -> int:
    """In how many meetings the other step conflicts with what is hidden."""
    count = 0
    for meeting in met.of(mutant.op):
        for mine, other in ((meeting.first, meeting.other), (meeting.other, meeting.first)):
            if mutant.hides(mine):
                said = mutant.weaken(mine.op, mine.own)
                missing = tuple(number for number in mine.own if number not in said)
                count += not independent(missing, other.own + other.more)
    return count
