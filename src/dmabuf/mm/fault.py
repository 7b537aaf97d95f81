"""User memory, as the kernel gets at it: the access may fault, and a fault does a lot.

Mirrors: include/linux/uaccess.h, mm/memory.c (handle_mm_fault, might_fault)

    >>> from dmabuf.mm.mm_struct import MmStruct
    >>> command = MmStruct("client").mmap(0x1000, value="draw")
    >>> with pagefault_disable():
    ...     copy_from_user(command)
    Traceback (most recent call last):
    OSError: [Errno 14] ...
    >>> copy_from_user(command)
    'draw'

A fault takes mmap_lock, may allocate with it held, or calls the driver whose memory is mapped,
which takes a reservation lock. So user memory is not touched under any of these locks, nor on the
way to the signal of a fence that is waited for under them.
"""

from __future__ import annotations

import errno
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from dmabuf._names import kernel, no_kernel
from dmabuf.mm.mm_struct import IS_PRESENT, LOAD, POPULATE, STORE, Vma, check_no_resv
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import Runtime, Task
from dmabuf.sync.acts import Act, doing
from dmabuf.sync.context import allocate, might_sleep, touches_user_memory
from dmabuf.sync.gfp import Gfp

__all__ = [
    "PAGEFAULT",
    "Retry",
    "copy_from_user",
    "copy_to_user",
    "drop_mmap_lock",
    "fault_in_readable",
    "get_user",
    "handle_mm_fault",
    "is_pagefault_disabled",
    "might_fault",
    "pagefault_disable",
    "put_user",
]

PAGEFAULT = "mm.pagefault_disabled"
"""Name in `Runtime.extras` of how many times each task has faults off: a task's own entry."""

_MOST_FAULTS = 1000
"""More faults in one access are taken as one that never ends."""


class Retry(Exception):
    """Raised by a mapping's `fault` that has dropped mmap_lock and waited without it."""


@contextmanager
@no_kernel("pagefault_disable and pagefault_enable as a with-block")
def pagefault_disable() -> Generator[None]:
    """Inside, touching user memory that is not there fails and does not fault. Context: any."""
    rt = ambient()
    depth: dict[Task, int] = rt.extras.setdefault(PAGEFAULT, {})
    task = rt.current()
    before = depth.get(task, 0)
    depth[task] = before + 1
    try:
        yield
    finally:
        if before:
            depth[task] = before
        else:
            del depth[task]


@kernel("faulthandler_disabled")
def is_pagefault_disabled(rt: Runtime) -> bool:
    """Has the calling task faults off, or is it atomic? Context: any."""
    task = rt.current()
    return task.is_atomic or bool(rt.extras.get(PAGEFAULT, {}).get(task))


@kernel("might_fault", context="process")
def might_fault(rt: Runtime, what: str = "user memory") -> None:
    """Report a task that may not take a page fault here. Context: process.

    Nothing is said where faults are off. Reports DF209 under a reservation lock, DF003 in atomic
    context.
    """
    if rt.extras.get(PAGEFAULT, {}).get(rt.current()):
        return
    might_sleep(f"an access to {what}", runtime=rt)
    touches_user_memory(rt)
    check_no_resv(rt, f"touches {what}")


@kernel("copy_from_user", context="process")
def copy_from_user(vma: Vma) -> Any:
    """What user memory holds. Context: process, may sleep unless faults are off.

    Raises OSError (EFAULT): the page is not there, and faults are off.
    """
    _access(vma)
    vma.rt.step(LOAD, vma)
    return vma.rt.current().value


@kernel("copy_to_user", context="process")
def copy_to_user(vma: Vma, value: Any) -> None:
    """Store to user memory. Context: process, may sleep unless faults are off.

    Raises OSError (EFAULT): the page is not there, and faults are off.
    """
    _access(vma)
    vma.rt.step(STORE, vma, value)


@kernel("get_user", context="process")
def get_user(vma: Vma) -> Any:
    """As `copy_from_user`, of one word. Context: process, may sleep unless faults are off."""
    return copy_from_user(vma)


@kernel("put_user", context="process")
def put_user(vma: Vma, value: Any) -> None:
    """As `copy_to_user`, of one word. Context: process, may sleep unless faults are off."""
    copy_to_user(vma, value)


@kernel("fault_in_readable", context="process")
def fault_in_readable(vma: Vma) -> None:
    """Have the pages there, for an access with faults off that follows. Context: process."""
    _access(vma)


def _access(vma: Vma) -> None:
    """Come to where the page is there; it may go again at once."""
    rt = vma.rt
    might_fault(rt, rt.label(vma))
    with doing(rt, Act("DF203", f"touches user memory ({rt.label(vma)})")):
        for _ in range(_MOST_FAULTS):
            rt.step(IS_PRESENT, vma)
            if rt.current().value:
                return
            if is_pagefault_disabled(rt):
                raise OSError(errno.EFAULT, f"{vma.name} is not there, and faults are off")
            handle_mm_fault(vma)
    rt.report("DF108", f"{rt.current().name} faults on {rt.label(vma)} again and again")


@kernel("handle_mm_fault", context="process")
def handle_mm_fault(vma: Vma) -> None:
    """Fill a mapping: by its driver, or with a new page. Context: process, takes mmap_lock.

    Since 6.4 a fault can often do with the lock of one mapping; it falls back to mmap_lock, so that
    is what has to be reckoned with.
    """
    rt = vma.rt
    mm = vma.mm
    mm.mmap_lock.down_read()
    try:
        if vma.fault is not None:
            vma.fault(vma)
        elif not allocate(Gfp.HIGHUSER_MOVABLE, f"a page of {vma.name}", runtime=rt):
            raise OSError(errno.ENOMEM, f"no page for {vma.name}")
        rt.step(POPULATE, vma)
        vma.pages.populate()
    except Retry:
        return  # it has given the lock back
    except BaseException:
        mm.mmap_lock.up_read()
        raise
    mm.mmap_lock.up_read()


@no_kernel("fault_flag_allow_retry_first with mmap_read_unlock")
def drop_mmap_lock(vma: Vma) -> None:
    """For a `fault` that has to wait: give mmap_lock back, wait, then raise `Retry`."""
    vma.mm.mmap_lock.up_read()
