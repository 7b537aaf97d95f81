"""Buffers of memfds: what is refused, and that buffer and memfd are the same memory."""

import errno
import os
import subprocess
import sys

import pytest

from dmabuf.core.dma_buf_memory import backing_of
from dmabuf.core.dma_buf_ops import Vma
from dmabuf.core.dma_map import Access, Direction
from dmabuf.core.memfd import (
    F_SEAL_FUTURE_WRITE,
    F_SEAL_GROW,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
    MemFd,
)
from dmabuf.core.pages import PAGE_SIZE as PAGE
from dmabuf.core.udmabuf import Item, udmabuf_create, udmabuf_create_list
from dmabuf.errors import NotAvailable
from tests.core.drivers import no_memory
from tests.core.test_memory import failure
from tests.facts import fact
from tests.support import open_descriptors

MIB = 1 << 20


def sealed(pages=4, seals=F_SEAL_SHRINK):
    """A memfd as the driver wants it."""
    file = MemFd(pages * PAGE, "frames")
    file.add_seals(seals)
    return file


@fact("F12.01")
@pytest.mark.parametrize(
    ("offset", "size"), [(1, PAGE), (0, 1), (PAGE // 2, PAGE), (0, PAGE + 1), (-1, PAGE)]
)
def test_udmabuf_is_whole_pages(rt, offset, size):
    """Offset and size that are not aligned are EINVAL."""
    assert errno.EINVAL == rt.run(lambda: failure(udmabuf_create, sealed(), offset, size))


@fact("F12.01", "F12.09")
@pytest.mark.parametrize("number", [-PAGE, 2**64 - PAGE, 2**64, 2**63])
def test_udmabuf_numbers_out_of_range(rt, number):
    """Aligned, but no file is so large."""

    def main():
        file = sealed()
        return failure(udmabuf_create, file, number, PAGE), failure(udmabuf_create, file, 0, number)

    assert (errno.EINVAL, errno.EINVAL) == rt.run(main)


@fact("F12.02")
def test_udmabuf_of_nothing(rt):
    """No pages, or no range at all."""

    def main():
        return failure(udmabuf_create, sealed(), 0, 0), failure(udmabuf_create_list, [])

    assert (errno.EINVAL, errno.EINVAL) == rt.run(main)


@fact("F12.03")
def test_udmabuf_as_large_as_the_limit(rt):
    """The limit is fine, a page more is not, in one range or in two."""

    def main():
        file = sealed(MIB // PAGE + 1)
        udmabuf_create(file, 0, MIB, size_limit_mb=1).put()
        two = [Item(file, 0, MIB), Item(file, 0, PAGE)]
        return (
            failure(udmabuf_create, file, 0, MIB + PAGE, size_limit_mb=1),
            failure(udmabuf_create_list, two, size_limit_mb=1),
        )

    assert (errno.EINVAL, errno.EINVAL) == rt.run(main)


@fact("F12.04")
def test_udmabuf_of_as_many_ranges_as_the_limit(rt):
    """The limit is fine, one more is not."""

    def main():
        items = [Item(sealed(1), 0, PAGE)] * 3
        udmabuf_create_list(items, list_limit=3).put()
        return failure(udmabuf_create_list, items, list_limit=2)

    assert errno.EINVAL == rt.run(main)


@fact("F12.04")
def test_udmabuf_of_more_ranges_than_by_default(rt):
    """1024."""
    assert errno.EINVAL == rt.run(lambda: failure(udmabuf_create_list, [Item(-1, 0, PAGE)] * 1025))


@fact("F12.05")
def test_udmabuf_of_what_is_not_open(rt):
    """EBADFD for a file that was closed, and for a number that no file has."""

    def main():
        file = sealed()
        file.close()
        return {
            failure(udmabuf_create, one, 0, PAGE) for one in (file, -1, 1 << 20, 1 << 31, 1 << 40)
        }

    assert {errno.EBADFD} == rt.run(main)


@fact("F12.06")
def test_udmabuf_of_what_is_no_memfd(live):
    """EBADFD; real descriptors are live only."""

    def main():
        reading, writing = os.pipe()
        null = os.open(os.devnull, os.O_RDWR)
        path = os.open("/proc/self/fd", os.O_PATH)
        mine = [reading, writing, null, path]
        found = {failure(udmabuf_create, fd, 0, PAGE) for fd in mine}
        for fd in mine:
            os.close(fd)
        return found

    assert {errno.EBADFD} == live.run(main)


@fact("F12.07", "F12.08")
@pytest.mark.parametrize(
    "seals",
    [
        0,
        F_SEAL_GROW,
        F_SEAL_SHRINK | F_SEAL_WRITE,
        F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE,
        F_SEAL_GROW | F_SEAL_WRITE,
    ],
)
def test_udmabuf_of_a_memfd_with_other_seals(rt, seals):
    """Sealed against shrinking, and not against writing; else EINVAL."""
    assert errno.EINVAL == rt.run(lambda: failure(udmabuf_create, sealed(4, seals), 0, PAGE))


@fact("F12.07")
def test_udmabuf_of_a_memfd_that_cannot_be_sealed(rt):
    """EINVAL as well."""

    def main():
        return failure(udmabuf_create, MemFd(PAGE, allow_sealing=False), 0, PAGE)

    assert errno.EINVAL == rt.run(main)


@fact("F12.09")
@pytest.mark.parametrize(("offset", "pages"), [(0, 5), (3, 2), (4, 1), (1 << 40, 1)])
def test_udmabuf_beyond_the_end(rt, offset, pages):
    """EINVAL, and the last page of the file has to be whole."""

    def main():
        file = sealed()
        file.truncate(5 * PAGE - 1)
        return failure(udmabuf_create, file, offset * PAGE, pages * PAGE)

    assert errno.EINVAL == rt.run(main)


@fact("F12.10")
def test_udmabuf_looks_at_numbers_before_files(rt):
    """A bad number in the last item comes before a bad file in the first."""

    def main():
        good = Item(sealed(), 0, PAGE)
        bad_file, bad_number = Item(-1, 0, PAGE), Item(good.memfd, 1, PAGE)
        return (
            failure(udmabuf_create_list, [bad_file, bad_number]),
            failure(udmabuf_create_list, [good, bad_file]),
        )

    assert (errno.EINVAL, errno.EBADFD) == rt.run(main)


@fact("F12.11")
def test_udmabuf_range_of_nothing_beside_others(rt):
    """Refused when its file is looked at: after a bad file before it."""

    def main():
        good, empty = Item(sealed(), 0, PAGE), Item(sealed(), 0, 0)
        return (
            failure(udmabuf_create_list, [good, empty]),
            failure(udmabuf_create_list, [Item(-1, 0, PAGE), empty]),
        )

    assert (errno.EINVAL, errno.EBADFD) == rt.run(main)


@fact("F12.12")
def test_udmabuf_shares_memory_with_the_memfd(rt):
    """In both directions, also after the file is closed."""

    def main():
        file = sealed()
        buf = udmabuf_create(file, PAGE, 2 * PAGE)
        file.write(PAGE, b"file")
        with buf.cpu_access(Access.READ | Access.WRITE) as view:
            seen = bytes(view[:4])
            view[2 * PAGE - 3 :] = b"buf"
        back = file.read(3 * PAGE - 3, 4)
        again = udmabuf_create(file, 2 * PAGE, PAGE)
        file.close()
        with again.cpu_access(Access.READ) as view:
            return buf.size, seen, back, bytes(view[-3:])

    assert (2 * PAGE, b"file", b"buf\0", b"buf") == rt.run(main)


@fact("F12.13")
def test_udmabuf_list_is_in_order(rt):
    """Ranges of several files, one behind the other; a read may cross from one to the next."""

    def main():
        one, two = sealed(), sealed()
        buf = udmabuf_create_list([Item(two, 3 * PAGE, PAGE), Item(one, 0, 2 * PAGE)])
        one.write(0, b"one")
        two.write(4 * PAGE - 3, b"two")
        memory = backing_of(buf).memory
        seen = memory.read(PAGE - 3, 6)
        memory.write(PAGE - 1, b"WON")
        return buf.size, seen, two.read(4 * PAGE - 2, 2), one.read(0, 3)

    assert (3 * PAGE, b"twoone", b"wW", b"ONe") == rt.run(main)


@fact("F12.14")
def test_udmabuf_of_one_page_twice(rt):
    """What is written at one place is there at the other."""

    def main():
        file = sealed()
        memory = backing_of(udmabuf_create_list([Item(file, PAGE, PAGE)] * 2)).memory
        memory.write(PAGE, b"x")
        return memory.size, memory.read(0, 1), file.read(PAGE, 1)

    assert (2 * PAGE, b"x", b"x") == rt.run(main)


@fact("F12.15")
def test_udmabuf_of_a_memfd_that_grows(rt):
    """Nothing changes, also while there is a view; the new pages can be used."""

    def main():
        file = sealed(1)
        buf = udmabuf_create(file, 0, PAGE)
        with buf.cpu_access(Access.READ) as view:
            file.truncate(3 * PAGE)
            file.write(0, b"x")
            seen = bytes(view[:1])
        more = udmabuf_create(file, 2 * PAGE, PAGE)
        file.write(2 * PAGE, b"y")
        with more.cpu_access(Access.READ) as view:
            return buf.size, seen, bytes(view[:1])

    assert (PAGE, b"x", b"y") == rt.run(main)


@fact("F12.16")
@pytest.mark.parametrize("mapped", [True, False])
def test_udmabuf_keeps_the_memfd_writable(rt, mapped):
    """F_SEAL_WRITE is EBUSY until the last buffer is gone; other seals are not."""

    def main():
        file = sealed()
        one, two = (udmabuf_create(file, 0, PAGE) for _ in range(2))
        if mapped:
            one.vunmap_unlocked(one.vmap_unlocked())
        found = [failure(file.add_seals, F_SEAL_WRITE)]
        file.add_seals(F_SEAL_GROW)
        one.put()
        found.append(failure(file.add_seals, F_SEAL_WRITE))
        two.put()
        file.add_seals(F_SEAL_WRITE)
        return found, file.seals

    seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE
    assert ([errno.EBUSY] * 2, seals) == rt.run(main)


@fact("F12.16")
def test_udmabuf_that_failed_keeps_nothing(rt):
    """A list that fails at a later item lets go of the earlier ones."""

    def main():
        file = sealed()
        failure(udmabuf_create_list, [Item(file, 0, PAGE), Item(-1, 0, PAGE)])
        no_memory(rt)
        found = failure(udmabuf_create, file, 0, PAGE)
        file.add_seals(F_SEAL_WRITE)
        return found

    assert errno.ENOMEM == rt.run(main)


@fact("F12.17")
def test_udmabuf_access_that_ends_before_it_was_ever_begun(rt):
    """EINVAL; once it was begun it may end, and the driver knows no more than that."""

    def main():
        buf = udmabuf_create(sealed(), 0, PAGE)
        before = failure(buf.end_cpu_access, Direction.TO_DEVICE)
        with buf.cpu_access(Access.READ):
            pass
        buf.ops.end_cpu_access(buf, Direction.TO_DEVICE)
        return before

    assert errno.EINVAL == rt.run(main)


@fact("F12.18")
def test_udmabuf_is_not_mapped_privately(rt):
    """EINVAL; a shared mapping is a view."""

    def main():
        buf = udmabuf_create(sealed(), 0, PAGE)
        with buf.mmap(Vma(1)) as view:
            view[0] = 1
        with buf.mmap(Vma(1, writable=False)) as view:
            assert view.readonly
        return failure(buf.mmap, Vma(1, shared=False))

    assert errno.EINVAL == rt.run(main)


def test_udmabuf_not_coherent(rt):
    """The memfd is the device's side; the cache begins with what is there."""

    def main():
        file = sealed()
        file.write(0, b"old")
        buf = udmabuf_create(file, 0, PAGE, coherent=False)
        memory = backing_of(buf).memory
        file.write(0, b"new")
        stale = memory.read(0, 3)
        with buf.cpu_access(Access.READ | Access.WRITE) as view:
            fresh = bytes(view[:3])
            view[:3] = b"cpu"
            early = file.read(0, 3)
        return stale, fresh, early, file.read(0, 3)

    assert (b"old", b"new", b"new", b"cpu") == rt.run(main)


def test_udmabuf_explored_in_several_places_has_no_view(explored):
    """It is read and written by value; live there is one range of addresses."""

    def main():
        buf = udmabuf_create_list([Item(sealed(), 0, PAGE), Item(sealed(), 0, PAGE)])
        with pytest.raises(NotAvailable, match="several places"), buf.cpu_access(Access.READ):
            pass
        buf.put()

    explored.run(main)


def test_udmabuf_live_of_several_files_has_one_view(live):
    """The files lie behind each other at adjacent addresses."""

    def main():
        one, two = sealed(1), sealed(1)
        buf = udmabuf_create_list([Item(one, 0, PAGE), Item(two.fileno(), 0, PAGE)])
        with buf.cpu_access(Access.WRITE) as view:
            view[PAGE - 1 : PAGE + 1] = b"ab"
        return one.read(PAGE - 1, 1), two.read(0, 1)

    assert (b"a", b"b") == live.run(main)


def test_udmabuf_live_of_a_descriptor_to_read(live):
    """As in the kernel, how the memfd was opened does not matter."""

    def main():
        file = sealed()
        reading = os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDONLY)
        before = open_descriptors()
        buf = udmabuf_create(reading, 0, PAGE)
        with buf.cpu_access(Access.WRITE) as view:
            view[:1] = b"x"
        left = open_descriptors() - before
        os.close(reading)
        return file.read(0, 1), left

    assert (b"x", set()) == live.run(main)


_EXHAUSTED = """
import errno, os, resource
from dmabuf.core.memfd import F_SEAL_SHRINK, MemFd
from dmabuf.core.udmabuf import udmabuf_create

file = MemFd(4096)
file.add_seals(F_SEAL_SHRINK)
reading = os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDONLY)
udmabuf_create(reading, 0, 4096).put()
used = len(os.listdir("/proc/self/fd")) - 1
failures = 0
for room in range(8):
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + room, 4096))
    try:
        udmabuf_create(reading, 0, 4096).put()
    except OSError as error:
        assert error.errno == errno.EMFILE, error
        failures += 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    assert len(os.listdir("/proc/self/fd")) - 1 == used
assert failures == 1, failures
"""


@pytest.mark.slow
def test_udmabuf_without_descriptors():
    """EMFILE where one is needed, and nothing is left open."""
    command = [sys.executable, "-W", "error", "-c", _EXHAUSTED]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)
