"""An address space of a process: its mappings, its lock, and who hears of changes.

Mirrors: include/linux/mm_types.h (mm_struct, vm_area_struct), include/linux/mmap_lock.h

    >>> mm = MmStruct("client")
    >>> vma = mm.mmap(0x1000, pages=1, value=b"command")
    >>> vma.is_present, mm.mmap_lock.is_locked()
    (False, False)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dmabuf._names import kernel, no_kernel
from dmabuf.mm.device_pages import DevicePages
from dmabuf.mm.mmu_notifier import Range, Subscriptions
from dmabuf.mm.reclaimable import reclaimable
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Runtime, Task
from dmabuf.sync.gfp import Gfp
from dmabuf.sync.rwsem import RwSem
from dmabuf.sync.ww_acquire import reservation_ww_class
from dmabuf.sync.ww_mutex import WwMutex

__all__ = ["PAGE", "MmStruct", "MmapLock", "Vma", "check_no_resv"]

PAGE = 4096
"""Bytes of a page, for addresses."""


@no_kernel("what lockdep is told at boot: mmap_lock comes before reservation locks")
def check_no_resv(rt: Runtime, does: str) -> None:
    """Report (DF209) a task that holds a reservation lock. Context: process.

    Args:
        rt: the runtime.
        does: what it is about to do.
    """
    task = rt.current()
    for lock in task.held:
        if isinstance(lock, WwMutex) and lock.ww_class is reservation_ww_class(rt):
            rt.report("DF209", f"{task.name} {does} while it holds {rt.label(lock)}")


class MmapLock(RwSem):
    """The lock of an address space's mappings; page faults take it for reading.

    Reservation locks are taken inside page faults, so this one is never waited for under them.
    """

    __slots__ = ()

    rule_across_wait = "DF203"
    """Held across a wait for a fence, and taken on the way to its signal."""

    def _check(self, call: str, *excluded: Any) -> None:
        super()._check(call, *excluded)
        check_no_resv(self.rt, f"takes {self.rt.label(self)}")


def _take_out(vma: Vma, task: Task) -> bool:
    """Unmap the pages, unless a pin or their absence keeps that from happening."""
    if not vma.is_present or (vma.pins and not task.arg):
        return False
    vma.is_present = False
    return True


def _put_in(vma: Vma, _task: Task) -> None:
    vma.is_present = True


def _is_in(vma: Vma, _task: Task) -> bool:
    return vma.is_present


def _store(vma: Vma, task: Task) -> None:
    vma.value = task.arg


def _may_go(vma: Vma, _task: Task) -> bool:
    return vma.is_present and not vma.pins


def _pin(vma: Vma, task: Task) -> bool:
    if not vma.is_present:
        return False
    vma.pins += task.arg
    return True


UNMAP = Op("vma.unmap", action=_take_out, says="unmaps the pages of {}")
POPULATE = Op("vma.populate", action=_put_in, says="puts pages into {}")
IS_PRESENT = Op("vma.is_present", action=_is_in, access=READ, says="looks at {}")
MAY_GO = Op("vma.may_go", action=_may_go, access=READ, says="looks at {} in reclaim")
PIN = Op(
    "vma.pin",
    action=_pin,
    touches=lambda vma, _task: ((vma, WRITE if vma.is_present else READ),),
    says="pins {}",
)
STORE = Op("vma.store", action=_store, says="stores to {}")
LOAD = Op("vma.load", action=lambda vma, _task: vma.value, access=READ, says="loads from {}")


@kernel("struct vm_area_struct")
class Vma:
    """One mapping. Its pages come and go together.

    Attributes:
        mm: the address space.
        start: first address.
        end: the first behind it.
        is_present: are the pages there?
        is_anonymous: can they only go to swap, which takes I/O?
        fault: what fills it instead of the allocator: called at a fault, with mmap_lock held.
        pins: how many times they are pinned; reclaim leaves them alone.
        pages: the pages, as devices use them.
        value: what user memory holds.
    """

    __slots__ = (
        "__weakref__",
        "end",
        "fault",
        "is_anonymous",
        "is_present",
        "mm",
        "name",
        "pages",
        "pins",
        "rt",
        "start",
        "value",
    )

    def __init__(
        self,
        mm: MmStruct,
        start: int,
        pages: int,
        name: str,
        *,
        value: Any,
        anonymous: bool,
        fault: Callable[[Vma], object] | None,
    ) -> None:
        self.mm = mm
        self.start = start
        self.end = start + pages * PAGE
        self.name = name
        self.is_present = False
        self.is_anonymous = anonymous
        self.fault = fault
        self.pins = 0
        self.value = value
        self.rt = mm.rt
        self.rt.adopt(self, name)
        self.pages = DevicePages(f"pages of {name}", rt=mm.rt)

    @property
    @no_kernel("vma_pages")
    def count(self) -> int:
        """How many pages it has."""
        return (self.end - self.start) // PAGE

    @no_kernel("MAP_POPULATE without a fault")
    def populate(self) -> None:
        """Have its pages there from now on. Context: process."""
        self.rt.step(POPULATE, self)
        self.pages.populate()

    @kernel("pin_user_pages", context="process")
    def pin(self) -> bool:
        """Keep pages that are there from being reclaimed; False if they are not. Context: any."""
        self.rt.step(PIN, self, 1)
        return bool(self.rt.current().value)

    @kernel("unpin_user_pages")
    def unpin(self) -> None:
        """Let them go again. Context: any."""
        self.rt.step(PIN, self, -1)

    def __repr__(self) -> str:
        return f"<Vma {self.name} {self.start:#x} to {self.end:#x}>"


@kernel("struct mm_struct")
class MmStruct:
    """The memory of a process.

    Args:
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        mmap_lock: guards the mappings; faults take it for reading.
        vmas: the mappings.
        subscriptions: who hears of invalidations.
    """

    __slots__ = ("__weakref__", "mmap_lock", "name", "rt", "subscriptions", "vmas")

    def __init__(self, name: str = "mm", *, rt: Runtime | None = None) -> None:
        self.name = name
        self.rt = rt or ambient()
        self.mmap_lock = MmapLock(f"{name} mmap_lock", rt=self.rt)
        self.subscriptions = Subscriptions(f"{name} notifiers", self.rt)
        self.vmas: list[Vma] = []

    @kernel("vm_mmap", context="process")
    def mmap(
        self,
        start: int,
        pages: int = 1,
        name: str = "",
        *,
        value: Any = None,
        anonymous: bool = False,
        fault: Callable[[Vma], object] | None = None,
    ) -> Vma:
        """Map memory; its pages come with the first fault. Context: process.

        Args:
            start: the address, in whole pages.
            pages: how many.
            name: for reports.
            value: what the memory holds.
            anonymous: it has no file to be dropped to, so reclaim needs I/O for it.
            fault: fills it at a fault, with mmap_lock held for reading.
        """
        if start % PAGE or pages < 1:
            raise ValueError(f"a mapping has whole pages: {pages} at {start:#x}")
        vma = Vma(
            self, start, pages, name or "user pages", value=value, anonymous=anonymous, fault=fault
        )
        if not self.vmas:
            reclaimable(self.rt).add("mms", self)
        self.vmas.append(vma)
        return vma

    @kernel("vm_munmap", context="process")
    def munmap(self, vma: Vma) -> None:
        """Unmap, having told the notifiers. Context: process, takes mmap_lock for writing."""
        with self.mmap_lock.write():
            self.invalidate(vma)

    @no_kernel("unmap_vmas, and try_to_unmap as far as notifiers go")
    def invalidate(self, vma: Vma, *, even_pinned: bool = True) -> int:
        """Take a mapping's pages away; how many there were. Context: process, may sleep."""
        found = Range(vma.start, vma.end)
        self.subscriptions.start(found)
        self.rt.step(UNMAP, vma, even_pinned)
        were_there = bool(self.rt.current().value)
        if were_there and not vma.pins:
            vma.pages.release()
        self.subscriptions.end(found)
        return vma.count if were_there else 0

    @no_kernel("shrink_folio_list, which is static")
    def reclaim(self, gfp: Gfp, free: Callable[[int], None]) -> int:
        """Take away what may go, for reclaim; how many pages. Context: process, may sleep.

        Anonymous pages go to swap, which needs IO; others are clean pages of files.
        """
        total = 0
        for vma in self.vmas:
            if vma.is_anonymous and not gfp & Gfp.IO:
                continue
            self.rt.step(MAY_GO, vma)
            if self.rt.current().value:
                pages = self.invalidate(vma, even_pinned=False)
                if pages:
                    free(pages)
                total += pages
        return total

    def __repr__(self) -> str:
        return f"<MmStruct {self.name} with {len(self.vmas)} mappings>"
