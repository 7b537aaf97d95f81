"""User memory: what an access to it does."""

import errno

import pytest

from dmabuf.core.resv import Resv
from dmabuf.mm.fault import (
    Retry,
    copy_from_user,
    copy_to_user,
    drop_mmap_lock,
    fault_in_readable,
    get_user,
    is_pagefault_disabled,
    might_fault,
    pagefault_disable,
    put_user,
)
from dmabuf.mm.mm_struct import MmStruct
from dmabuf.mm.page_alloc import Memory
from dmabuf.sync.context import ALLOCATOR
from dmabuf.sync.gfp import Gfp
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.spinlock import SpinLock
from tests.facts import fact
from tests.support import errno_of

START = 0x1000


@fact("F18.50", "F18.51")
def test_fault_allocates_with_mmap_lock_held(rt):
    """The first access takes mmap_lock for reading and allocates; the second does neither."""

    def main():
        vma, seen = MmStruct("mm").mmap(START, value=7), []
        rt.runtime.extras[ALLOCATOR] = lambda gfp, _what: (
            seen.append((gfp, rt.current() in vma.mm.mmap_lock.readers)) is None
        )
        return copy_from_user(vma), get_user(vma), seen, vma.mm.mmap_lock.holders

    assert (7, 7, [(Gfp.HIGHUSER_MOVABLE, True)], ()) == rt.run(main)


@fact("F18.52")
def test_fault_asks_the_driver_whose_memory_is_mapped(rt):
    """Its handler fills the mapping with mmap_lock held, and nothing is allocated."""

    def main():
        mm, seen = MmStruct("mm"), []
        memory = Memory(pages=0)
        vma = mm.mmap(START, fault=lambda _vma: seen.append(bool(mm.mmap_lock.readers)))
        copy_to_user(vma, "drawn")
        return seen, vma.value, memory.free_pages

    assert ([True], "drawn", 0) == rt.run(main)


@fact("F18.53")
def test_fault_handler_may_drop_mmap_lock_and_have_it_retried(rt):
    """What it waits for it waits for without mmap_lock; then the fault begins anew."""

    def main():
        mm, lock, seen = MmStruct("mm"), Mutex("resv"), []

        def fault(vma):
            if not lock.trylock():
                drop_mmap_lock(vma)
                with lock:
                    seen.append(len(mm.mmap_lock.readers))
                raise Retry
            lock.unlock()
            seen.append("filled")

        vma = mm.mmap(START, fault=fault)
        lock.lock()
        rt.spawn(lambda: put_user(vma, 1), name="B")
        rt.settle()
        waits = rt.waiting()
        lock.unlock()
        rt.settle()
        return waits["B"], seen, vma.value, mm.mmap_lock.holders

    assert ("mutex.lock", [0, "filled"], 1, ()) == rt.run(main)


@fact("F18.54")
def test_access_with_faults_off_fails_where_nothing_is_there(rt):
    """EFAULT and no lock is taken; what was faulted in before can be read."""

    def main():
        vma = MmStruct("mm").mmap(START, value=7)
        inside = []
        with pagefault_disable(), pagefault_disable():
            inside.append(errno_of(copy_from_user, vma))
        fault_in_readable(vma)
        with pagefault_disable():
            inside += [copy_from_user(vma), is_pagefault_disabled(rt.runtime)]
        return inside, is_pagefault_disabled(rt.runtime)

    assert ([errno.EFAULT, 7, True], False) == rt.run(main)


@fact("F18.55")
@pytest.mark.parametrize("off", [False, True])
def test_access_in_atomic_context_is_a_sleep_unless_faults_are_off(rt, off):
    """Under a spinlock might_fault reports DF003; with faults off the access may be tried."""

    def main():
        vma = MmStruct("mm").mmap(START)
        vma.populate()
        with SpinLock("A"):
            if off:
                with pagefault_disable():
                    copy_from_user(vma)
            else:
                copy_from_user(vma)

    assert ([] if off else ["DF003"]) == [code for code, _message in rt.reports(main)]


@pytest.mark.parametrize("act", ["touch", "read", "write", "might", "off", "trylock"])
def test_access_under_a_reservation_lock_is_df209(rt, act):
    """Touching user memory or waiting for mmap_lock there is reported; trying is not."""

    def main():
        vma = MmStruct("mm").mmap(START)
        with Resv("buffer"):
            if act == "touch":
                copy_from_user(vma)
            elif act == "might":
                might_fault(rt.runtime)
            elif act == "read":
                vma.mm.mmap_lock.down_read()
            elif act == "write":
                vma.mm.mmap_lock.down_write()
            elif act == "off":
                with pagefault_disable():
                    errno_of(copy_from_user, vma)
            elif vma.mm.mmap_lock.down_read_trylock():
                vma.mm.mmap_lock.up_read()

    wanted = [] if act in ("off", "trylock") else ["DF209"]
    assert wanted == [code for code, _message in rt.reports(main)]


def test_fault_without_memory_fails(rt):
    """An allocator that has nothing makes the access fail with ENOMEM, and no lock stays held."""

    def main():
        vma = MmStruct("mm").mmap(START)
        rt.runtime.extras[ALLOCATOR] = lambda _gfp, _what: False
        return errno_of(copy_from_user, vma), vma.mm.mmap_lock.holders

    assert (errno.ENOMEM, ()) == rt.run(main)


def test_fault_that_never_ends_is_reported(rt):
    """A handler that has every fault retried is stopped."""

    def main():
        def fault(vma):
            drop_mmap_lock(vma)
            raise Retry

        copy_from_user(MmStruct("mm").mmap(START, fault=fault))

    assert ["DF108"] == [code for code, _message in rt.reports(main)]


@pytest.mark.parametrize(("start", "pages"), [(5, 1), (START, 0)])
def test_mapping_has_whole_pages(rt, start, pages):
    """Addresses are those of pages, and there is at least one."""

    def main():
        with pytest.raises(ValueError, match="whole pages"):
            MmStruct("mm").mmap(start, pages)

    rt.run(main)
