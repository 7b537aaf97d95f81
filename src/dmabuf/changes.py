"""What kernels answer otherwise than each other, and which of them ours follow.

>>> CHANGES[3].what, CHANGES[3].answers["6.1"], CHANGES[3].answers["6.12"]
('wait for no sync objects', 'EINVAL', 'success, first_signaled as it was')

Ours are the newest kernel's, unless an entry says why not. Differences of names are in
`dmabuf.differences`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["CHANGES", "Change", "Follows"]


class Follows(enum.Enum):
    """How ours stands to a change."""

    NEWEST = "as the newest"
    OTHERWISE = "otherwise"
    NOT_HERE = "not here"


@dataclass(frozen=True, slots=True)
class Change:
    """One behaviour that a program or a driver's author can notice, and when it changed.

    Attributes:
        id: for ever; K1 changed between 6.1 and 6.12, K2 between 6.12 and 7.3.
        what: the subject.
        before: what the older kernels answer.
        since: what the newer ones do.
        here: what ours does: "newest", perhaps with more to say, "otherwise: why", or "not here".
        shown: facts (tests/facts.py) and rows (tests/agreement/rows.py) whose tests show it.
    """

    id: str
    what: str
    before: str
    since: str
    here: str
    shown: tuple[str, ...] = ()

    @property
    def follows(self) -> Follows:
        """How ours stands to it."""
        if self.here.startswith("otherwise"):
            return Follows.OTHERWISE
        return Follows.NOT_HERE if self.here.startswith("not here") else Follows.NEWEST

    @property
    def answers(self) -> dict[str, str]:
        """What each of the kernels read answers, by version."""
        middle = self.since if self.id.startswith("K1.") else self.before
        return {"6.1": self.before, "6.12": middle, "7.3": self.since}


CHANGES = (
    Change(
        "K1.01",
        "deadline hints of fences, sync files and sync objects",
        before="no such call: ENOTTY; the flag of a wait is EINVAL",
        since="passed on to the driver, which keeps the earliest",
        here="newest",
        shown=("F1.131", "F1.133", "F13.12", "F15.27", "A5.18", "A9.46"),
    ),
    Change(
        "K1.02",
        "deadline of a sw_sync fence",
        before="ENOTTY",
        since="the earliest that was set, ENOENT without",
        here="newest",
        shown=("F14.07", "A8.05"),
    ),
    Change(
        "K1.03",
        "eventfd of a sync object",
        before="EINVAL, as any unknown number",
        since="adds 1 once the point is there",
        here="newest",
        shown=("F15.44", "F15.45", "A9.38", "A9.40"),
    ),
    Change(
        "K1.04",
        "wait for no sync objects",
        before="EINVAL",
        since="success, first_signaled as it was",
        here="newest",
        shown=("F15.15", "A9.13"),
    ),
    Change(
        "K1.05",
        "which side holds the reservation lock of a buffer",
        before="partly asserted, nowhere written down",
        since="one table, each call asserts its line",
        here="newest",
        shown=("F6.01", "F6.02", "F6.03", "F6.04", "F6.05"),
    ),
    Change(
        "K1.06",
        "vmap and vunmap",
        before="under a mutex of their own, no form that locks",
        since="under the reservation lock; the _unlocked forms take it",
        here="newest",
        shown=("F6.01", "F6.03"),
    ),
    Change(
        "K1.07",
        "pages of a udmabuf",
        before="looked up once, may be replaced by a hole",
        since="pinned, so that F_SEAL_WRITE is EBUSY as long",
        here="otherwise: mapped, so a hole shows; the seal is EBUSY",
        shown=("F12.16", "A7.16"),
    ),
    Change(
        "K1.08",
        "a hole of a hugetlb memfd under a udmabuf",
        before="EINVAL",
        since="filled",
        here="otherwise: there are no huge pages here",
        shown=(),
    ),
    Change(
        "K1.09",
        "scheduler: who submits",
        before="a kthread a scheduler, a limit in jobs",
        since="an ordered workqueue, credits",
        here="not here",
        shown=(),
    ),
    Change(
        "K1.10",
        "scheduler: order within a priority",
        before="round-robin",
        since="first in, first out",
        here="not here",
        shown=(),
    ),
    Change(
        "K1.11",
        "scheduler: error of the hardware fence",
        before="lost",
        since="copied to the finished fence",
        here="not here",
        shown=(),
    ),
    Change(
        "K1.12",
        "reserving no slots",
        before="success",
        since="a warning, EINVAL",
        here="newest",
        shown=("F5.24",),
    ),
    Change(
        "K2.01",
        "dma_fence_signal",
        before="0, or -EINVAL for a fence signalled already",
        since="nothing; check_and_signal tells",
        here="newest",
        shown=("F1.19", "F1.21", "F1.22"),
    ),
    Change(
        "K2.02",
        "lock of a fence",
        before="mandatory",
        since="NULL gives the fence a lock of its own",
        here="newest",
        shown=("F1.07", "F1.08"),
    ),
    Change(
        "K2.03",
        "64-bit numbers",
        before="a flag of the operations, of chains only",
        since="dma_fence_init64",
        here="newest",
        shown=("F1.09",),
    ),
    Change(
        "K2.04",
        "names of a signalled fence",
        before="the driver's, for ever",
        since="detached-driver and signaled-timeline, read under RCU",
        here="newest",
        shown=("F1.137", "A5.17"),
    ),
    Change(
        "K2.05",
        "operations of a signalled fence",
        before="stay",
        since="detached if they have neither release nor wait",
        here="newest",
        shown=("F1.138",),
    ),
    Change(
        "K2.06",
        "a fence that was never initialised",
        before="not told",
        since="a flag tells",
        here="otherwise: it has no state, and using it is an error of Python",
        shown=(),
    ),
    Change(
        "K2.07",
        "dma_fence_array_create",
        before="signal_on_any, with the first member",
        since="with the last member always",
        here="newest",
        shown=("F3.05",),
    ),
    Change(
        "K2.08",
        "lock classes of arrays and chains",
        before="one class of all inline locks",
        since="each its own",
        here="newest",
        shown=("F1.07",),
    ),
    Change(
        "K2.09",
        "dma_fence_dedup_array",
        before="a part of the merge",
        since="a function",
        here="newest",
        shown=("F4.15",),
    ),
    Change(
        "K2.10",
        "merge with one pending fence",
        before="allocates first, so may be ENOMEM",
        since="that fence, before anything is allocated",
        here="newest",
        shown=("F4.08",),
    ),
    Change(
        "K2.11",
        "begin_signalling under a lock",
        before="orders that lock before dma_fence_map: reported if a section takes it elsewhere",
        since="a read trylock: quiet",
        here="newest",
        shown=("F8.03",),
    ),
    Change(
        "K2.12",
        "dma_fence_enable_sw_signaling",
        before="its name",
        since="dma_fence_enable_signaling",
        here="both names",
        shown=("F1.54",),
    ),
    Change(
        "K2.13",
        "descriptor of one point of a sync object",
        before="EINVAL",
        since="flag TIMELINE, a point beside the handle",
        here="newest",
        shown=("A9.45",),
    ),
    Change(
        "K2.14",
        "udmabuf size_limit_mb",
        before="64",
        since="2147483647",
        here="newest, and a parameter",
        shown=("F12.03", "A7.10"),
    ),
    Change(
        "K2.15",
        "heap allocation whose answer cannot be copied back",
        before="EFAULT, the descriptor stays open",
        since="EFAULT, and it is closed",
        here="not here: files",
        shown=("A6.43",),
    ),
    Change(
        "K2.16",
        "mapping of a static importer",
        before="made when it attaches to an exporter that pins, and kept",
        since="made by each map, pinned around it",
        here="newest",
        shown=("F6.20", "F6.25"),
    ),
    Change(
        "K2.17",
        "taking the storage away from importers",
        before="move_notify: they map anew, and cannot be refused for ever",
        since="invalidate_mappings; the exporter waits for fences and unmapping",
        here="newest, both names",
        shown=("F6.28", "F6.54"),
    ),
    Change(
        "K2.18",
        "statistics of buffers in sysfs",
        before="one folder a buffer",
        since="gone",
        here="otherwise: data of each buffer and exporter",
        shown=(),
    ),
    Change(
        "K2.19",
        "trace events of buffers",
        before="none",
        since="export, fd, attach, detach, put and more",
        here="not here",
        shown=(),
    ),
    Change(
        "K2.20",
        "scheduler: fair policy",
        before="none",
        since="by time that was used",
        here="not here",
        shown=(),
    ),
    Change(
        "K2.21",
        "scheduler: NO_HANG, cancel_job",
        before="none",
        since="a job that timed out may be put back; fini cancels",
        here="not here",
        shown=(),
    ),
    Change(
        "K2.22",
        "self-tests of dma-buf",
        before="a module",
        since="KUnit",
        here="otherwise: tests of ours",
        shown=(),
    ),
)
"""In order of the kernel versions."""
