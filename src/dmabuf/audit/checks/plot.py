"""What a plot is: the text around a chain in a design, and texts that several plots share."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ALLOCATE",
    "FENCE",
    "GFP",
    "MM",
    "NOTIFIERS",
    "SHRINKER",
    "TIMELINE",
    "WAITING_NOTIFIER",
    "WAITING_SHRINKER",
    "Plot",
    "holder",
]


@dataclass(frozen=True, slots=True)
class Plot:
    """The text around a chain.

    Attributes:
        imports: lines.
        before: what is there when it begins.
        act: what the last function does.
        others: the other tasks.
        signals: the first function signals the fence at its end.
        runs: how the first function is started.
        gap: the first function leaves a signalling section for what it does, and enters another.
        shows: the rule that the explorer reports, where that is not the finding's.
        why: the reason for that, in one sentence.
    """

    imports: tuple[str, ...]
    before: tuple[str, ...]
    act: tuple[str, ...]
    others: tuple[str, ...] = ()
    signals: bool = True
    runs: str = "machine.kthread({root})"
    gap: bool = False
    shows: str = ""
    why: str = ""


TIMELINE = "from dmabuf import Timeline"
ALLOCATE = "from dmabuf import allocate"
GFP = "from dmabuf import Gfp"
SHRINKER = "from dmabuf.mm.shrinker import SHRINK_STOP, ShrinkControl, Shrinker"
MM = "from dmabuf.mm.mm_struct import MmStruct"
NOTIFIERS = "from dmabuf.mm.mmu_notifier import IntervalNotifier, Range"
FENCE = 'fence = Timeline("{driver}").fence()'

WAITING_SHRINKER = (
    "",
    "def scan(control: ShrinkControl) -> int:  # any driver that waits in reclaim, as it may",
    "    if not control.gfp & Gfp.FS:",
    "        return SHRINK_STOP",
    "    fence.wait()",
    "    return 1",
    "",
    'Shrinker("buffers", lambda _control: 1, scan)',
)
WAITING_NOTIFIER = (
    'mm = MmStruct("process")',
    'mm.mmap(0x1000, name="user buffer").populate()',
    "",
    "def invalidate(notifier: IntervalNotifier, _range: Range, seq: int) -> bool:",
    "    notifier.set_seq(seq)",
    "    fence.wait()  # any driver that waits in a notifier, as it may",
    "    return True",
    "",
    "IntervalNotifier(mm, 0x1000, 0x1000, invalidate).insert()",
)


def holder(evidence: tuple[object, ...], inside: tuple[str, ...]) -> tuple[str, ...]:
    """The task that holds the lock over what taints it."""
    where = ""
    if evidence:
        place = getattr(evidence[0], "place")  # noqa: B009 - both kinds of hop have one
        where = f"  # {place.function}(), {place.file}:{place.line}"
    return (
        "",
        f"def holder() -> None:{where}",
        "    with lock:",
        *(f"        {line}" for line in inside),
        "",
        "machine.kthread(holder)",
    )
