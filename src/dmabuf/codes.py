"""The catalogue of rules as data: every ID a checker may report.

An entry says what the rule demands, which sentence of the contract it protects, how strong its
source words it, what to do about it, and which checkers can decide it. Reasons, sources and
designs stand in `dmabuf.rules`; an ID enters here together with its page and its tests.

    >>> CODES["DF202"].sentence
    <Sentence.LIVENESS: 'L'>
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["CODES", "PRECEDENCE", "Code", "Sentence", "Strength", "implied_by"]


class Sentence(enum.Enum):
    """What breaking a rule makes false."""

    LIVENESS = "L"
    DATA = "D"
    MEMORY = "M"
    ADVICE = "A"

    @property
    def meaning(self) -> str:
        """The sentence in a few words."""
        return _MEANINGS[self]


_MEANINGS = {
    Sentence.LIVENESS: "every published fence signals in every fair run",
    Sentence.DATA: "no reader sees a half-written buffer, no writer overtakes a reader",
    Sentence.MEMORY: "no memory is freed, moved or reused while a device may access it",
    Sentence.ADVICE: "no run breaks, but nobody else can check the code",
}


class Strength(enum.Enum):
    """How the rule's source words it."""

    MUST = "must"
    SHOULD = "should"
    IDEAL = "ideal"


@dataclass(frozen=True, slots=True)
class Code:
    """One rule.

    Attributes:
        id: "DF202"; stable once shipped.
        statement: what the rule demands, in one sentence.
        remedy: what to do about a finding, in one sentence.
        decided_by: which of "run", "explore", "audit" can decide it today.
        implies: rules that a finding of this one may break as well.
        entails: those of them that every finding of this one breaks.
    """

    id: str
    sentence: Sentence
    strength: Strength
    statement: str
    remedy: str
    decided_by: tuple[str, ...]
    implies: tuple[str, ...] = ()
    entails: tuple[str, ...] = ()


_LIST = (
    Code(
        "DF001",
        Sentence.LIVENESS,
        Strength.MUST,
        "No cycle of locks or waits.",
        "Take the locks in one order everywhere, or drop one before waiting for the other.",
        ("run", "explore"),
    ),
    Code(
        "DF002",
        Sentence.LIVENESS,
        Strength.MUST,
        "No lost wake-up: a waiter is queued before it looks at its condition.",
        "Use wait_event, or queue with prepare_to_wait before testing the condition.",
        ("explore",),
        implies=("DF001",),
    ),
    Code(
        "DF003",
        Sentence.ADVICE,
        Strength.MUST,
        "No sleep in atomic context, no irq-unsafe lock order.",
        "Sleep before taking the spinlock, or take it with interrupts off.",
        ("run", "explore"),
        implies=("DF001",),
    ),
    Code(
        "DF004",
        Sentence.ADVICE,
        Strength.MUST,
        "Primitives are used as documented: owner, balance, lifetime.",
        "Pair every lock with one unlock by the same task, every get with one put.",
        ("run", "explore"),
    ),
    Code(
        "DF005",
        Sentence.ADVICE,
        Strength.MUST,
        "A design is deterministic, raises nothing, and keeps what it states about itself.",
        "Keep state inside the design, share it through Shared, take chances through choose().",
        ("explore",),
    ),
    Code(
        "DF101",
        Sentence.LIVENESS,
        Strength.MUST,
        "A published fence signals in finite time, whatever userspace does.",
        "Let kernel code signal it on every path; let a timeout complete it for a job that hangs.",
        ("explore",),
    ),
    Code(
        "DF102",
        Sentence.LIVENESS,
        Strength.MUST,
        "Work that may run for ever is backed by a timeout and recovery; when reset fails or is "
        "not supported, all in-flight fences are force-completed and submission is refused - also "
        "a submission racing with that.",
        "Complete each fence in flight after a reset, mark the device dead under the lock that "
        "submission takes, and ask there.",
        ("explore", "audit"),
        implies=("DF101",),
    ),
    Code(
        "DF105",
        Sentence.LIVENESS,
        Strength.MUST,
        "Completion never depends on an allocation succeeding.",
        "Allocate before publication, signal with an error where there is no memory, or use a "
        "pool whose elements come back without the waiter.",
        ("explore", "audit"),
        implies=("DF108", "DF109", "DF101", "DF001"),
    ),
    Code(
        "DF106",
        Sentence.LIVENESS,
        Strength.MUST,
        "The error is set before the signal, signalling takes effect once, and no fence loses "
        "its last reference while pending with waiters.",
        "Call set_error before signal, and signal before the last put.",
        ("run", "explore"),
        implies=("DF101",),
    ),
    Code(
        "DF107",
        Sentence.LIVENESS,
        Strength.MUST,
        "A work item on the way to a signal runs on a queue that has a rescuer (WQ_MEM_RECLAIM).",
        "Give the queue WQ_MEM_RECLAIM, and one of its own to each item that waits for another.",
        ("run", "explore", "audit"),
        implies=("DF301", "DF302", "DF105", "DF202", "DF201", "DF108", "DF101", "DF001"),
    ),
    Code(
        "DF108",
        Sentence.LIVENESS,
        Strength.MUST,
        "No unbounded wait on the way to a signal, except for fences that do not depend on it "
        "and for events that kernel or hardware owe.",
        "Move the wait before the fence is published, or give it an end that the kernel owes.",
        ("run", "explore", "audit"),
        implies=("DF101", "DF001"),
    ),
    Code(
        "DF109",
        Sentence.LIVENESS,
        Strength.MUST,
        "After publication nothing may abort without signalling.",
        "Do what can fail before the fence is published, or signal with an error on that path.",
        ("explore", "audit"),
        implies=("DF101",),
    ),
    Code(
        "DF201",
        Sentence.LIVENESS,
        Strength.MUST,
        "Waiting under a reservation lock is allowed, so the way to a signal takes none.",
        "Signal first and lock afterwards, hand what needs the lock to a work item that nobody "
        "waits for, or only try the lock.",
        ("run", "explore", "audit"),
        implies=("DF202", "DF101", "DF001"),
    ),
    Code(
        "DF202",
        Sentence.LIVENESS,
        Strength.MUST,
        "A lock held across a fence wait, or across anything that may wait for one, is not "
        "taken on the way to a signal.",
        "Drop the lock before the wait, or signal without taking it.",
        ("run", "explore", "audit"),
        implies=("DF101", "DF001"),
    ),
    Code(
        "DF203",
        Sentence.LIVENESS,
        Strength.MUST,
        "Reservation locks are taken inside page faults, so the way to a signal touches no user "
        "memory and takes no mmap_lock.",
        "Copy from user memory, and look up what needs mmap_lock, before the fence is published.",
        ("run", "explore", "audit"),
        implies=("DF201", "DF202", "DF108", "DF101", "DF001"),
    ),
    Code(
        "DF204",
        Sentence.LIVENESS,
        Strength.MUST,
        "Several reservation locks are taken through one acquire context, with back-off.",
        "Take them all with one context; at WouldDeadlock unlock all, take the slow way, start "
        "over.",
        ("run", "explore"),
        implies=("DF001",),
        entails=("DF001",),
    ),
    Code(
        "DF205",
        Sentence.ADVICE,
        Strength.SHOULD,
        "The way from publication to signal is annotated, and opportunistic signalling is not.",
        "Open a signalling section where the fence becomes visible, close it after the signal.",
        ("run", "explore", "audit"),
    ),
    Code(
        "DF206",
        Sentence.LIVENESS,
        Strength.MUST,
        "No fence wait in atomic context.",
        "Wait before taking the spinlock or outside the handler, or use add_callback.",
        ("run", "explore"),
        implies=("DF003",),
        entails=("DF003",),
    ),
    Code(
        "DF207",
        Sentence.ADVICE,
        Strength.MUST,
        "The dma-buf locking convention: who holds the reservation lock in which call and "
        "callback.",
        "Look the call up in the table of the convention and take or drop the lock as it says.",
        ("run", "explore"),
        implies=("DF004", "DF001"),
    ),
    Code(
        "DF208",
        Sentence.DATA,
        Strength.MUST,
        "A slot is reserved, under the lock, before a fence is added.",
        "Call reserve_fences for all fences to come, after each time of taking the lock.",
        ("run", "explore"),
    ),
    Code(
        "DF209",
        Sentence.LIVENESS,
        Strength.MUST,
        "Reservation locks are taken inside page faults, so no user memory is touched and no "
        "mmap_lock waited for under one.",
        "Touch user memory before the lock, or with page faults off, and start over if that fails.",
        ("run", "explore", "audit"),
        implies=("DF001",),
    ),
    Code(
        "DF301",
        Sentence.LIVENESS,
        Strength.MUST,
        "Waiting for fences in shrinkers is allowed, so the way to a signal allocates nothing with "
        "GFP_KERNEL.",
        "Allocate before the fence is published; what is left takes GFP_ATOMIC or GFP_NOWAIT, and "
        "may fail.",
        ("run", "explore", "audit"),
        implies=("DF105", "DF202", "DF201", "DF108", "DF101", "DF001"),
    ),
    Code(
        "DF302",
        Sentence.LIVENESS,
        Strength.MUST,
        "Waiting for fences in MMU notifiers is allowed, so the way to a signal allocates nothing "
        "with GFP_NOFS or GFP_NOIO either.",
        "Allocate before the fence is published; what is left takes GFP_ATOMIC or GFP_NOWAIT, and "
        "may fail.",
        ("run", "explore", "audit"),
        implies=("DF105", "DF202", "DF201", "DF108", "DF101", "DF001"),
    ),
    Code(
        "DF303",
        Sentence.ADVICE,
        Strength.SHOULD,
        "Only drivers of GPUs wait for fences in shrinkers and MMU notifiers; others have a better "
        "memory manager or better hardware.",
        "Pin what the device uses, or stop the device there without waiting for its fences.",
        ("audit",),
    ),
    Code(
        "DF304",
        Sentence.LIVENESS,
        Strength.MUST,
        "Reclaim takes reservation locks by trylock only.",
        "Try the lock and leave alone what is busy.",
        ("run", "explore", "audit"),
        implies=("DF204", "DF001"),
    ),
    Code(
        "DF305",
        Sentence.LIVENESS,
        Strength.MUST,
        "The tail of an atomic commit, once its out-fence is visible, is on the way to a signal.",
        "Allocate, copy and take the locks in question before the commit becomes visible.",
        ("audit",),
        implies=("DF301", "DF302", "DF105", "DF202", "DF203", "DF201", "DF108", "DF101", "DF001"),
    ),
    Code(
        "DF306",
        Sentence.MEMORY,
        Strength.MUST,
        "Memory is not freed, moved or reused while a device may still access it.",
        "Wait for the fences of its users, or stop the device, and flush translations; then free.",
        ("run", "explore"),
    ),
    Code(
        "DF601",
        Sentence.DATA,
        Strength.MUST,
        "CPU access is bracketed, balanced, and waits for the other side's fences.",
        "Load and store inside cpu_access with the right direction, and end it after the last.",
        ("run", "explore"),
        implies=("DF604",),
    ),
    Code(
        "DF603",
        Sentence.DATA,
        Strength.MUST,
        "An importer uses a mapping only after the KERNEL fences; a dynamic importer survives "
        "every move.",
        "Wait for the KERNEL fences after mapping, and map anew when told that a mapping is void.",
        ("run", "explore"),
        implies=("DF604",),
    ),
    Code(
        "DF604",
        Sentence.DATA,
        Strength.MUST,
        "With implicit synchronisation a reader waits for KERNEL and WRITE, a writer also for "
        "READ, and both add their fence before unlocking.",
        "Wait for what usage_rw says and add the fence while the lock is held.",
        ("run", "explore"),
    ),
    Code(
        "DF606",
        Sentence.ADVICE,
        Strength.MUST,
        "A driver that exports or imports dma-bufs selects DMA_SHARED_BUFFER in its Kconfig.",
        "Add the select to the option that builds the driver.",
        ("audit",),
    ),
)

CODES: dict[str, Code] = {code.id: code for code in _LIST}
"""Every rule by ID, in order of ID."""

PRECEDENCE = (
    "DF005",
    "DF106",
    "DF206",
    "DF207",
    "DF304",
    "DF209",
    "DF204",
    "DF208",
    "DF601",
    "DF603",
    "DF604",
    "DF306",
    "DF003",
    "DF305",
    "DF203",
    "DF107",
    "DF301",
    "DF302",
    "DF105",
    "DF201",
    "DF202",
    "DF002",
    "DF108",
    "DF102",
    "DF109",
    "DF004",
    "DF101",
    "DF001",
    "DF205",
    "DF303",
    "DF606",
)
"""Which ID leads where several apply: the more specific one first."""


def implied_by(code: str) -> frozenset[str]:
    """The IDs that may be listed after `code`, directly or through others."""
    found: set[str] = set()
    queue = [code]
    while queue:
        for other in CODES[queue.pop()].implies:
            if other not in found:
                found.add(other)
                queue.append(other)
    return frozenset(found)
