"""Memory: pages, views, the cache of the non-coherent kind, descriptors, release."""

import errno
import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dmabuf import check_design, design
from dmabuf.core.memory import Memory
from dmabuf.core.pages import PAGE_SIZE, MappedPages, page_align
from dmabuf.errors import ContractViolation, NotAvailable
from tests.core.drivers import no_memory
from tests.support import open_descriptors

READ, WRITE, RW = 1, 2, 3
SIDES = {"cpu": (Memory.read, Memory.write), "device": (Memory.device_read, Memory.device_write)}


def failure(call, *arguments, **keywords):
    """The errno of what is refused."""
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is compared
        call(*arguments, **keywords)
    return caught.value.errno


# --- pages -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "pages"), [(1, 1), (PAGE_SIZE, 1), (PAGE_SIZE + 1, 2), (10 * PAGE_SIZE - 1, 10)]
)
def test_memory_is_whole_pages_of_zeros(rt, size, pages):
    """The size is rounded up, and every byte is 0."""

    def main():
        with Memory(size) as memory:
            return memory.size, memory.read(0, memory.size) == bytes(memory.size)

    assert (pages * PAGE_SIZE, True) == rt.run(main)


@pytest.mark.parametrize("size", [0, -1, -PAGE_SIZE, 2**63, 2**63 - 1, 2**64, 2**100])
def test_memory_size_that_no_file_has(rt, size):
    """Nothing, less than nothing and what no file can be: EINVAL."""
    assert errno.EINVAL == rt.run(lambda: failure(Memory, size))


@pytest.mark.parametrize("size", [2**46, 2**62])
def test_memory_size_that_is_not_there(rt, size):
    """More than the machine can have: ENOMEM, an OSError."""
    assert errno.ENOMEM == rt.run(lambda: failure(Memory, size))


def test_memory_without_memory(rt):
    """The allocator's refusal is ENOMEM."""

    def main():
        no_memory(rt)
        return failure(Memory, 1)

    assert errno.ENOMEM == rt.run(main)


def test_page_align_of_the_largest_file():
    """The largest whole number of pages is its own; one byte more is too much."""
    largest = 2**63 - PAGE_SIZE

    assert largest == page_align(largest)
    assert errno.EINVAL == failure(page_align, largest + 1)


@pytest.mark.parametrize("side", SIDES)
def test_memory_reads_what_was_written(rt, side):
    """At any offset, of anything that is bytes, and nothing beside it."""
    read, write = SIDES[side]

    def main():
        with Memory(2 * PAGE_SIZE, coherent=side == "cpu") as memory:
            write(memory, PAGE_SIZE - 2, b"abcd")
            write(memory, 2 * PAGE_SIZE - 1, bytearray(b"e"))
            write(memory, 0, memoryview(b"fg"))
            write(memory, 5, b"")
            return [
                read(memory, *at)
                for at in ((PAGE_SIZE - 3, 6), (2 * PAGE_SIZE - 1, 1), (0, 3), (7, 0))
            ]

    assert [b"\0abcd\0", b"e", b"fg\0", b""] == rt.run(main)


@pytest.mark.parametrize("range_", [(-1, 1), (0, -1), (0, PAGE_SIZE + 1), (PAGE_SIZE, 1)])
def test_memory_ranges_that_are_not_inside(rt, range_):
    """Reads, writes, views and brackets outside are EINVAL, and nothing is changed."""
    offset, length = range_

    def main():
        with Memory(PAGE_SIZE, coherent=False) as memory:
            found = {
                failure(memory.read, offset, length),
                failure(memory.device_read, offset, length),
                failure(memory.view, offset=offset, length=length),
                failure(memory.begin_cpu_access, offset=offset, length=length),
                failure(memory.end_cpu_access, offset=offset, length=length),
            }
            if length > 0:
                found.add(failure(memory.write, offset, b"x" * length))
                found.add(failure(memory.device_write, offset, b"x" * length))
            return found, memory.read(0, PAGE_SIZE).strip(b"\0")

    assert ({errno.EINVAL}, b"") == rt.run(main)


# --- views -------------------------------------------------------------------------------------


def test_memory_view_is_the_memory(rt):
    """What is written through a view is read from the memory, and the other way round."""

    def main():
        with Memory(PAGE_SIZE) as memory, memory.view() as view:
            view[1:3] = b"ab"
            memory.write(3, b"c")
            return memory.read(0, 5), bytes(view[0:5]), len(view), view.format

    assert (b"\0abc\0", b"\0abc\0", PAGE_SIZE, "B") == rt.run(main)


def test_memory_view_of_a_range(rt):
    """It has the length asked for, or goes to the end."""

    def main():
        with Memory(PAGE_SIZE) as memory:
            memory.write(8, b"abcd")
            with memory.view(offset=8, length=2) as two, memory.view(offset=10) as rest:
                return bytes(two), len(rest), bytes(rest[:2])

    assert (b"ab", PAGE_SIZE - 10, b"cd") == rt.run(main)


def test_memory_view_to_read_cannot_be_written(rt):
    """A view that was asked for with READ alone refuses writes."""

    def main():
        with Memory(PAGE_SIZE) as memory, memory.view(READ) as view:
            assert view.readonly
            with pytest.raises(TypeError, match="read-only"):
                view[0] = 1
            with memory.view(WRITE) as other:
                return other.readonly

    assert rt.run(main) is False


@pytest.mark.parametrize("coherent", [True, False])
def test_memory_close_is_refused_while_views_exist(rt, coherent):
    """It says which they are; nothing is lost; it closes when they are gone."""

    def main():
        memory = Memory(PAGE_SIZE, "frame", coherent=coherent)
        memory.write(0, b"kept")
        one, two = memory.view(offset=8), memory.view(READ, length=4)
        with pytest.raises(BufferError) as caught:
            memory.close()
        one.release()
        with pytest.raises(BufferError, match=r"a read-only view of bytes 0 to 4 .* exists$"):
            memory.close()
        left = bytes(two), memory.read(0, 4), memory.is_closed
        del two
        memory.close()
        return str(caught.value), left, memory.is_closed

    said, left, closed = rt.run(main)

    assert "frame cannot be closed: a writable view of bytes 8 to 4096 taken at " in said
    assert said.count(f"{__file__}:") == 2
    assert said.endswith(" exist")
    assert (b"kept", b"kept", False) == left
    assert closed


@pytest.mark.parametrize("coherent", [True, False])
def test_memory_close_is_refused_while_a_slice_exists(rt, coherent):
    """A part of a view counts although the view itself is gone."""

    def main():
        memory = Memory(PAGE_SIZE, coherent=coherent)
        part = memory.view()[4:8]
        with pytest.raises(BufferError, match="a slice of a view"):
            memory.close()
        part[0] = 7
        memory.end_cpu_access(WRITE)
        found = memory.read(4, 1), memory.device_read(4, 1), memory.is_closed
        part.release()
        memory.close()
        return found

    assert (b"\7", b"\7", False) == rt.run(main)


def test_memory_many_views_are_named_in_short(rt):
    """A handful is named, the rest is counted."""

    def main():
        memory = Memory(PAGE_SIZE)
        views = [memory.view() for _ in range(8)]
        with pytest.raises(BufferError, match="and 3 more exist"):
            memory.close()
        views.clear()
        memory.close()

    rt.run(main)


def test_memory_views_that_are_gone_are_forgotten(rt):
    """Taking and dropping views does not add up."""

    def main():
        with Memory(PAGE_SIZE) as memory:
            for _ in range(100):
                memory.view().release()
            memory.view()
            return len(memory._views)

    assert 1 == rt.run(main)


def test_memory_after_close_is_reported(rt):
    """Whatever is asked of closed memory is DF004; closing it again is nothing."""
    uses = [
        lambda m: m.read(0, 1),
        lambda m: m.write(0, b"x"),
        lambda m: m.device_read(0, 1),
        lambda m: m.device_write(0, b"x"),
        Memory.view,
        Memory.fileno,
    ]

    def use(one):
        memory = Memory(PAGE_SIZE, "frame")
        memory.close()
        memory.close()
        one(memory)

    for one in uses:
        assert [("DF004", "frame is used, but it is closed")] == rt.reports(lambda o=one: use(o))


@pytest.mark.parametrize("call", [Memory.begin_cpu_access, Memory.end_cpu_access])
def test_memory_bracket_after_close_is_reported(rt, call):
    """The cache of closed memory is gone."""

    def main():
        memory = Memory(PAGE_SIZE, coherent=False)
        memory.close()
        call(memory)

    assert ["DF004"] == [code for code, _ in rt.reports(main)]


# --- arrays ------------------------------------------------------------------------------------


def test_memory_as_the_array_interface_says_it(rt):
    """Bytes in place, held by a view of their own as long as the array lives."""

    def main():
        memory = Memory(PAGE_SIZE)
        told = memory.__array_interface__
        told["data"][3] = 9
        with pytest.raises(BufferError):
            memory.close()
        shape = told["shape"], told["typestr"], told["version"]
        del told
        found = memory.read(3, 1)
        memory.close()
        return shape, found

    assert ((((PAGE_SIZE,), "|u1", 3)), b"\x09") == rt.run(main)


def test_memory_in_numpy_without_a_copy(rt):
    """An array of the memory, or of a view, is the memory, and keeps it from being closed."""
    numpy = pytest.importorskip("numpy")

    def main():
        memory = Memory(PAGE_SIZE)
        words = numpy.frombuffer(memory.view(), dtype="<u4")
        words[1] = 0x04030201
        whole = numpy.asarray(memory)
        whole[0] = 5
        found = memory.read(0, 8)
        with pytest.raises(BufferError):
            memory.close()
        del words, whole
        memory.close()
        return found

    assert b"\5\0\0\0\1\2\3\4" == rt.run(main)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="PEP 688 came with Python 3.12")
def test_memory_is_a_buffer(rt):
    """What takes bytes takes the memory itself."""

    def main():
        with Memory(PAGE_SIZE) as memory:
            memory.write(0, b"abc")
            with memoryview(memory) as view:
                return bytes(view[:3])

    assert b"abc" == rt.run(main)


# --- not coherent ------------------------------------------------------------------------------


def bracketed(*, begin, end, offset=0, length=None):
    """What CPU and device see after a device's write, and a CPU's, around these brackets."""
    memory = Memory(PAGE_SIZE, coherent=False)
    memory.device_write(0, b"DDDD")
    if begin:
        memory.begin_cpu_access(begin, offset=offset, length=length)
    seen = memory.read(0, 4)
    memory.write(1, b"cc")
    if end:
        memory.end_cpu_access(end, offset=offset, length=length)
    there = memory.device_read(0, 4)
    memory.close()
    return seen, there


BRACKETS = [
    (0, 0, b"\0\0\0\0", b"DDDD"),
    (READ, 0, b"DDDD", b"DDDD"),
    (READ, READ, b"DDDD", b"DDDD"),
    (RW, RW, b"DDDD", b"DccD"),
    (WRITE, WRITE, b"\0\0\0\0", b"\0cc\0"),
    (0, WRITE, b"\0\0\0\0", b"\0cc\0"),
    (WRITE, READ, b"\0\0\0\0", b"DDDD"),
    (READ, WRITE, b"DDDD", b"DccD"),
]


@pytest.mark.parametrize(("begin", "end", "seen", "there"), BRACKETS)
def test_memory_not_coherent_shows_stale_bytes(rt, begin, end, seen, there):
    """READ at the beginning brings memory to the CPU, WRITE at the end the CPU's to memory."""
    assert (seen, there) == rt.run(lambda: bracketed(begin=begin, end=end))


@pytest.mark.parametrize(
    ("offset", "length", "seen", "there"),
    [
        (1, 2, b"\0DD\0", b"DccD"),
        (2, 1, b"\0\0D\0", b"DDcD"),
        (3, None, b"\0\0\0D", b"DDDD"),
        (0, 0, b"\0\0\0\0", b"DDDD"),
    ],
)
def test_memory_not_coherent_brackets_of_a_range(rt, offset, length, seen, there):
    """What is outside the range of a bracket stays as it was, on both sides."""
    found = rt.run(lambda: bracketed(begin=RW, end=RW, offset=offset, length=length))

    assert (seen, there) == found


def test_memory_not_coherent_views_are_the_cache(rt):
    """A view sees what the CPU sees, across brackets."""

    def main():
        with Memory(PAGE_SIZE, coherent=False) as memory, memory.view() as view:
            memory.device_write(0, b"d")
            stale = bytes(view[:1])
            memory.begin_cpu_access(READ)
            fresh = bytes(view[:1])
            view[0:1] = b"c"
            before = memory.device_read(0, 1)
            memory.end_cpu_access(WRITE)
            return stale, fresh, before, memory.device_read(0, 1)

    assert (b"\0", b"d", b"d", b"c") == rt.run(main)


def test_memory_coherent_needs_no_bracket(rt):
    """Both sides see one memory, whatever brackets there are."""

    def main():
        with Memory(PAGE_SIZE) as memory:
            memory.device_write(0, b"d")
            seen = memory.read(0, 1)
            memory.begin_cpu_access(WRITE)
            memory.write(1, b"c")
            there = memory.device_read(0, 2)
            memory.end_cpu_access(READ)
            return seen, there

    assert (b"d", b"dc") == rt.run(main)


@pytest.mark.parametrize("coherent", [True, False])
@pytest.mark.parametrize("access", [0, 4, 7, -1])
def test_memory_brackets_name_an_access(rt, access, coherent):
    """Neither READ nor WRITE, or more than these: EINVAL."""

    def main():
        with Memory(1, coherent=coherent) as memory:
            return failure(memory.begin_cpu_access, access), failure(memory.end_cpu_access, access)

    assert (errno.EINVAL, errno.EINVAL) == rt.run(main)


# --- explored ----------------------------------------------------------------------------------


def _crossing(machine, *, bracketed_read):
    """A device writes a frame; the CPU, told so, reads it."""
    memory = Memory(PAGE_SIZE, "frame", coherent=False)

    def device():
        memory.device_write(0, b"d")

    def cpu():
        if bracketed_read:
            memory.begin_cpu_access(READ)
        seen = memory.read(0, 1)
        assert seen in ((b"\0", b"d") if bracketed_read else (b"\0",))

    machine.kthread(device, "device")
    machine.kthread(cpu, "cpu")


def test_memory_explored_writes_of_a_cache_commute_with_those_of_memory():
    """Without a bracket the orders of CPU and device need not be told apart; with one they do."""

    @design
    def unbracketed(machine):
        _crossing(machine, bracketed_read=False)

    @design
    def properly(machine):
        _crossing(machine, bracketed_read=True)

    one, two = check_design(unbracketed, "unbracketed"), check_design(properly, "properly")

    assert ("PROVED", 1) == (one.status.value, one.executions)
    assert ("PROVED", 2) == (two.status.value, two.executions)


def test_memory_explored_has_no_descriptor(explored):
    """Nothing of the system is used in virtual time."""

    def main():
        before = open_descriptors()
        memory = Memory(PAGE_SIZE)
        with pytest.raises(NotAvailable, match="no descriptor"):
            memory.fileno()
        return open_descriptors() - before

    assert set() == explored.run(main)


# --- live: descriptors and processes -------------------------------------------------------------


def test_memory_live_is_a_file(live):
    """The descriptor is a sealed memfd of the same bytes, closed on exec, gone after close."""

    def main():
        before = open_descriptors()
        memory = Memory(PAGE_SIZE, "my\0frame")
        fd = memory.fileno()
        memory.write(0, b"abc")
        os.pwrite(fd, b"X", 1)
        found = os.pread(fd, 3, 0), memory.read(0, 3), os.get_inheritable(fd)
        link = Path(f"/proc/self/fd/{fd}").readlink().name
        sealed = failure(os.ftruncate, fd, 0), failure(os.ftruncate, fd, 2 * PAGE_SIZE)
        spent = len(open_descriptors() - before)
        memory.close()
        return found, link, sealed, spent, open_descriptors() == before

    found, link, sealed, spent, all_gone = live.run(main)

    assert (b"aXc", b"aXc", False) == found
    assert link.startswith("memfd:dmabuf:my?frame")
    assert (errno.EPERM, errno.EPERM) == sealed
    assert (1, True) == (spent, all_gone)


def test_memory_live_dropped_is_released(live):
    """The last reference gives back what close would have; a view outlives the object."""

    def main():
        before = open_descriptors()
        Memory(PAGE_SIZE)
        gc.collect()
        view = Memory(PAGE_SIZE).view()
        view[0] = 3
        return view[0], open_descriptors() == before

    assert (3, True) == live.run(main)


def test_memory_live_is_shared_with_another_process(live):
    """A process that is given the descriptor maps the same bytes."""
    program = (
        "import mmap, sys\n"
        "bytes_ = mmap.mmap(int(sys.argv[1]), 0)\n"
        "assert bytes_[:4] == b'ping', bytes_[:4]\n"
        "bytes_[:4] = b'pong'\n"
    )

    def main():
        with Memory(PAGE_SIZE) as memory:
            memory.write(0, b"ping")
            fd = memory.fileno()
            subprocess.run([sys.executable, "-c", program, str(fd)], pass_fds=[fd], check=True)
            return memory.read(0, 4)

    assert b"pong" == live.run(main)


def test_memory_live_of_several_files_is_one_range(live):
    """Parts of memfds lie one behind the other, each of them shared."""

    def main():
        files = [os.memfd_create("part") for _ in range(2)]
        for number, fd in enumerate(files):
            os.ftruncate(fd, 2 * PAGE_SIZE)
            os.pwrite(fd, b"ab"[number : number + 1], PAGE_SIZE)
        parts = [(files[1], PAGE_SIZE, PAGE_SIZE), (files[0], 0, 2 * PAGE_SIZE)]
        pages = MappedPages(3 * PAGE_SIZE, parts=[*parts])
        first = pages.read(0, 1), pages.read(2 * PAGE_SIZE, 1), pages.fd
        pages.write(PAGE_SIZE - 1, b"xyz")
        back = os.pread(files[1], 1, 2 * PAGE_SIZE - 1), os.pread(files[0], 2, 0)
        pages.close()
        for fd in files:
            os.close(fd)
        return first, back

    assert ((b"b", b"a", -1), (b"x", b"yz")) == live.run(main)


def test_memory_live_of_a_file_that_cannot_be_mapped(live):
    """The system's error comes out, and nothing is left."""

    def main():
        before = open_descriptors()
        reading = os.open("/proc/self/status", os.O_RDONLY)
        found = failure(MappedPages, PAGE_SIZE, parts=[(reading, 0, PAGE_SIZE)])
        os.close(reading)
        return found, open_descriptors() == before

    found, all_gone = live.run(main)

    assert found in (errno.ENODEV, errno.EACCES, errno.EIO)
    assert all_gone


_EXHAUSTED = """
import errno, os, resource
from dmabuf.core.memory import Memory

Memory(1).close()  # what is loaded once is loaded
used = len(os.listdir("/proc/self/fd")) - 1
failures = 0
for room in range(8):
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + room, 4096))
    try:
        memory = Memory(1)
    except OSError as error:
        assert error.errno == errno.EMFILE, error
        failures += 1
    else:
        memory.write(0, b"x")
        memory.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    assert len(os.listdir("/proc/self/fd")) - 1 == used
assert failures == 1, failures
"""


@pytest.mark.slow
def test_memory_live_without_descriptors():
    """Running out at any point is EMFILE, and all that was opened is closed."""
    done = subprocess.run(
        [sys.executable, "-c", _EXHAUSTED], capture_output=True, text=True, check=False
    )

    assert (0, "") == (done.returncode, done.stderr)


_NO_ADDRESSES = """
import errno, os, resource
from dmabuf.core.memory import Memory

Memory(1).close()
used = len(os.listdir("/proc/self/fd"))
held = int(open("/proc/self/statm", "rb", 0).read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (held + (64 << 20), -1))
kept = []
try:
    Memory(1 << 28)
except OSError as error:
    assert error.errno == errno.ENOMEM, error
    kept.append(error)  # with its traceback, so that nothing is collected
else:
    raise AssertionError
assert len(os.listdir("/proc/self/fd")) == used, os.listdir("/proc/self/fd")
"""


@pytest.mark.slow
def test_memory_live_without_addresses():
    """A file that cannot be mapped is closed at once."""
    command = [sys.executable, "-c", _NO_ADDRESSES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)


def test_memory_live_after_a_fork_is_shared(live):
    """A forked child writes into the same memory, and its exit closes nothing of ours."""

    def main():
        with Memory(PAGE_SIZE) as memory:
            child = os.fork()
            if not child:
                memory.write(0, b"child")
                os._exit(0)
            os.waitpid(child, 0)
            return memory.read(0, 5)

    assert b"child" == live.run(main)


def test_memory_use_after_close_raises(live):
    """Live too: a closed mapping is never touched."""

    def main():
        memory = Memory(1)
        memory.close()
        memory.read(0, 1)

    with pytest.raises(ContractViolation, match="DF004"):
        live.run(main)
