"""Pages that devices use, and the sentence that such memory is not taken away from under them.

Mirrors: include/linux/iommu.h (as far as mapping, unmapping and flushing go)

    >>> pages, mmu = DevicePages("frame"), DeviceMmu("gpu")
    >>> mmu.map(pages)
    >>> with mmu.access(pages) as reached: print(reached)
    True
    >>> mmu.unmap(pages); mmu.flush(); pages.release()
    >>> with mmu.access(pages) as reached: print(reached)
    False

What a device reads and writes is told by its task: `device_access` for one that needs no
translation, `DeviceMmu.access` for one that goes through a table of its own. A table's entry may
stay in the device's translation cache after it was removed, until the cache is flushed.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from dmabuf._names import kernel, no_kernel
from dmabuf.errors import Unwind
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, WRITE, Op, Runtime, Task

__all__ = ["DeviceMmu", "DevicePages"]

Touches = tuple[tuple[Any, int], ...]


def _begin(pages: DevicePages, task: Task) -> str:
    """Why the access is wrong; empty if it is not."""
    pages.users[task] = pages.users.get(task, 0) + 1
    return pages.gone


def _end(pages: DevicePages, task: Task) -> None:
    left = pages.users[task] - 1
    if left:
        pages.users[task] = left
    else:
        del pages.users[task]


def _take_away(pages: DevicePages, task: Task) -> tuple[Task, ...]:
    """Who uses them."""
    pages.gone = task.arg
    return tuple(pages.users)


def _come_back(pages: DevicePages, _task: Task) -> None:
    pages.gone = ""


BEGIN = Op("device_pages.begin", action=_begin, says="begins to use {}")
END = Op("device_pages.end", action=_end, says="is done with {}")
TAKE = Op("device_pages.take", action=_take_away, says="takes {} away")
RETURN = Op(
    "device_pages.return",
    action=_come_back,
    touches=lambda pages, _task: ((pages, WRITE if pages.gone else READ),),
    says="has {} again",
)


@no_kernel("struct page, as far as a device that uses it is concerned")
class DevicePages:
    """Memory that devices may be using.

    Args:
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        users: which tasks are using it, and how many times.
        gone: what became of it ("freed", "moved"); empty while it is there.
    """

    __slots__ = ("__weakref__", "gone", "name", "rt", "users")

    def __init__(self, name: str = "pages", *, rt: Runtime | None = None) -> None:
        self.name = name
        self.users: dict[Task, int] = {}
        self.gone = ""
        self.rt = rt or ambient()
        self.rt.adopt(self, name)

    @contextmanager
    @no_kernel("DMA")
    def device_access(self) -> Generator[None]:
        """Inside, the calling task's device reads or writes the memory. Context: any.

        Raises ContractViolation (DF306) if the memory is gone.
        """
        rt = self.rt
        rt.step(BEGIN, self)
        gone = rt.current().value
        if gone:
            who = rt.current().name
            rt.report("DF306", f"{who} uses {rt.label(self)}, which has been {gone}")
        try:
            yield
        except Unwind:
            raise
        except BaseException:
            rt.step(END, self)
            raise
        else:
            rt.step(END, self)

    @kernel("put_page")
    def release(self) -> None:
        """Free the memory. Context: any.

        Raises ContractViolation (DF306) if a device is using it.
        """
        self._take("freed", "frees")

    @kernel("migrate_pages")
    def move(self) -> None:
        """Put other pages in their place: from now on they are reused. Context: process.

        Raises ContractViolation (DF306) if a device is using it.
        """
        self._take("moved", "moves")

    @no_kernel("alloc_pages for the same purpose")
    def populate(self) -> None:
        """Have memory again, if it was freed or moved. Context: process."""
        self.rt.step(RETURN, self)

    def _take(self, became: str, does: str) -> None:
        rt = self.rt
        rt.step(TAKE, self, became)
        users = rt.current().value
        if users:
            names = ", ".join(task.name for task in users)
            who = rt.current().name
            rt.report("DF306", f"{who} {does} {rt.label(self)}, which {names} is using")

    def __repr__(self) -> str:
        return f"<DevicePages {self.name}{' ' + self.gone if self.gone else ''}>"


# -- translations --------------------------------------------------------------------------------


def _map(mmu: DeviceMmu, task: Task) -> None:
    mmu.table[task.arg] = True


def _unmap(mmu: DeviceMmu, task: Task) -> None:
    if task.arg in mmu.table:
        mmu.table[task.arg] = False


def _flush(mmu: DeviceMmu, _task: Task) -> None:
    for pages in [one for one, is_mapped in mmu.table.items() if not is_mapped]:
        del mmu.table[pages]


def _translate(mmu: DeviceMmu, task: Task) -> bool:
    return task.arg in mmu.table


MAP = Op("device_mmu.map", action=_map, says="maps into {}")
UNMAP = Op("device_mmu.unmap", action=_unmap, says="unmaps from {}")
FLUSH = Op("device_mmu.flush", action=_flush, says="flushes {}")
# The access is one step with the translation: no flush comes in between.
ACCESS = Op(
    "device_mmu.access",
    action=lambda mmu, task: (
        (_begin(task.arg, task), True) if _translate(mmu, task) else ("", False)
    ),
    touches=lambda mmu, task: (
        ((mmu, READ), (task.arg, WRITE)) if _translate(mmu, task) else ((mmu, READ),)
    ),
    says="translates by {}",
)


@kernel("struct iommu_domain")
class DeviceMmu:
    """The page table of a device and its translation cache (TLB).

    Args:
        name: for reports.
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        table: what the device can reach; False for what the table no longer has and the cache may.
    """

    __slots__ = ("__weakref__", "name", "rt", "table")

    def __init__(self, name: str = "device", *, rt: Runtime | None = None) -> None:
        self.name = f"{name} page table"
        self.table: dict[DevicePages, bool] = {}
        self.rt = rt or ambient()
        self.rt.adopt(self, self.name)

    @kernel("iommu_map")
    def map(self, pages: DevicePages) -> None:
        """Let the device reach the pages. Context: any."""
        self.rt.step(MAP, self, pages)

    @kernel("iommu_unmap")
    def unmap(self, pages: DevicePages) -> None:
        """Take the entry out of the table; the cache may still have it. Context: any."""
        self.rt.step(UNMAP, self, pages)

    @kernel("iommu_flush_iotlb_all")
    def flush(self) -> None:
        """Empty the cache. Accesses under way go on to their end. Context: any."""
        self.rt.step(FLUSH, self)

    @contextmanager
    @no_kernel("DMA through a translation")
    def access(self, pages: DevicePages) -> Generator[bool]:
        """Inside, the calling task's device uses the memory if it can reach it. Context: any.

        Gives False if there is no translation: the device takes a fault.
        Raises ContractViolation (DF306) if the memory is gone.
        """
        rt = self.rt
        rt.step(ACCESS, self, pages)
        gone, reached = rt.current().value
        if gone:
            who = rt.current().name
            rt.report(
                "DF306",
                f"{who} uses {rt.label(pages)} through {rt.label(self)}; it has been {gone}",
            )
        try:
            yield reached
        except Unwind:
            raise
        except BaseException:
            if reached:
                rt.step(END, pages)
            raise
        else:
            if reached:
                rt.step(END, pages)
