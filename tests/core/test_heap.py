"""Heaps: what a buffer of the system heap is, and which errors come before it."""

import errno
import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dmabuf import check_design, design
from dmabuf.core.dma_buf_memory import backing_of
from dmabuf.core.dma_map import Access, Device, Direction
from dmabuf.core.heap import DmaHeap, SystemHeap
from dmabuf.core.pages import PAGE_SIZE
from dmabuf.core.resv import Usage
from tests.core.drivers import no_memory, pending
from tests.core.test_dma_buf_attach import add
from tests.core.test_memory import failure
from tests.facts import fact
from tests.support import open_descriptors

GIB = 1 << 30


@fact("F11.01")
@pytest.mark.parametrize(("length", "pages"), [(1, 1), (PAGE_SIZE, 1), (PAGE_SIZE + 1, 2)])
def test_heap_buffer_is_whole_pages_of_zeros(rt, length, pages):
    """The length is rounded up, and nothing of others is left in it."""

    def main():
        buf = SystemHeap().alloc(length)
        with buf.cpu_access(Access.READ) as view:
            zeros = bytes(view) == bytes(buf.size)
        return buf.size, zeros

    assert (pages * PAGE_SIZE, True) == rt.run(main)


@fact("F11.02")
@pytest.mark.parametrize("length", [0, 2**64 - 1, 2**64 - PAGE_SIZE + 1, -1, 2**64])
def test_heap_length_of_nothing(rt, length):
    """What rounds to 0 in 64 bits is nothing as well."""
    assert errno.EINVAL == rt.run(lambda: failure(SystemHeap().alloc, length))


@fact("F11.03")
@pytest.mark.parametrize("flags", [os.O_NONBLOCK, os.O_APPEND, os.O_CREAT, 1 << 31, 1 << 32])
def test_heap_flags_of_the_descriptor(rt, flags):
    """Beside the access mode and O_CLOEXEC there are none."""

    def main():
        heap = SystemHeap()
        for good in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, 3, os.O_RDWR | os.O_CLOEXEC):
            heap.alloc(1, good).put()
        return failure(heap.alloc, 1, flags)

    assert errno.EINVAL == rt.run(main)


@fact("F11.04")
@pytest.mark.parametrize("flags", [1, 1 << 63])
def test_heap_has_no_flags(rt, flags):
    """Not one is defined."""
    assert errno.EINVAL == rt.run(lambda: failure(SystemHeap().alloc, 1, os.O_RDWR, flags))


@fact("F11.05")
def test_heap_looks_at_the_arguments_before_it_allocates(rt):
    """First the descriptor's flags, then the heap's, then the length, and memory last."""

    def main():
        asked = no_memory(rt)
        heap = SystemHeap()
        said = []
        for arguments in ((0, os.O_NONBLOCK, 1), (0, os.O_RDWR, 1), (0, os.O_RDWR, 0)):
            with pytest.raises(OSError, match="no ") as caught:
                heap.alloc(*arguments)
            said.append(caught.value.strerror.partition(":")[0])
        nobody = list(asked)
        return said, nobody, failure(heap.alloc, 1)

    said = ["no flags of a heap's descriptor", "no flags of a heap", "no length of a buffer"]
    assert (said, [], errno.ENOMEM) == rt.run(main)


@fact("F11.06")
@pytest.mark.parametrize("length", [2**63, 2**64 - PAGE_SIZE, 2**62])
def test_heap_without_so_much_memory(rt, length):
    """What can never be there is ENOMEM."""
    assert errno.ENOMEM == rt.run(lambda: failure(SystemHeap().alloc, length))


@fact("F11.06")
@pytest.mark.parametrize("but", range(4))
def test_heap_without_memory_at_some_point(rt, but):
    """Wherever memory runs out, what was allocated goes back."""

    def main():
        heap = SystemHeap()
        heap.alloc(1).put()
        before = open_descriptors()
        asked = no_memory(rt, but=but)
        try:
            heap.alloc(1).put()
        except OSError as error:
            return error.errno, open_descriptors() == before, len(asked)
        return 0, open_descriptors() == before, len(asked)

    found, all_gone, asked = rt.run(main)

    assert all_gone
    assert (errno.ENOMEM if asked > but else 0) == found
    assert asked >= min(but + 1, 2)


@fact("F11.07")
def test_heap_names_the_exporter(rt):
    """Buffers say which heap they are of."""

    def main():
        heap, other = SystemHeap(), DmaHeap("reserved")
        return heap.name, heap.alloc(1).exp_name, other.alloc(1, name="n").exp_name

    assert ("system", "system", "reserved") == rt.run(main)


def test_heap_memory_is_released_with_the_last_reference(rt):
    """Not before, and once."""

    def main():
        before = open_descriptors()
        buf = SystemHeap().alloc(1)
        memory = backing_of(buf).memory
        buf.get()
        buf.put()
        kept = memory.is_closed
        buf.put()
        return kept, memory.is_closed, open_descriptors() == before

    assert (False, True, True) == rt.run(main)


def test_heap_buffer_is_not_released_under_a_view(rt):
    """The last put is refused while there are views, and changes nothing."""

    def main():
        buf = SystemHeap().alloc(1, name="frame")
        view = buf.vmap_unlocked()
        part = view[:4]
        buf.vunmap_unlocked(view)
        with pytest.raises(BufferError, match="frame cannot be closed: a slice of a view"):
            buf.put()
        part[:] = b"kept"
        with buf.cpu_access(Access.READ) as other:
            found = bytes(other[:4])
        buf.get().put()
        part.release()
        buf.put()
        return found, backing_of(buf).memory.is_closed

    assert (b"kept", True) == rt.run(main)


def test_heap_pieces_do_not_lie_side_by_side(rt):
    """A device without scatter-gather takes one page, and more only from a heap that has it so."""

    def main():
        camera, gpu = Device("camera", contiguous=True), Device("gpu")
        small, large = SystemHeap().alloc(1), SystemHeap().alloc(2 << 20 | 1)
        carveout = DmaHeap("carveout", chunk_pages=[1 << 20]).alloc(PAGE_SIZE)
        sizes = [
            segment.length for segment in large.attach(gpu).map_unlocked(Direction(0)).segments
        ]
        for buf in (small, carveout):
            assert len(buf.attach(camera).map_unlocked(Direction(0)).segments) == 1
        return sizes, failure(large.attach(camera).map_unlocked, Direction(0))

    sizes, found = rt.run(main)

    assert [1 << 20, 1 << 20, PAGE_SIZE] == sizes
    assert errno.EIO == found


@pytest.mark.parametrize("coherent", [True, False])
def test_heap_bracket_waits_before_it_looks(rt, coherent):
    """What a device writes until its fence signals is seen in the bracket, on any heap."""

    def main():
        buf = SystemHeap(coherent=coherent).alloc(1)
        memory, fence = backing_of(buf).memory, pending()
        add(buf, fence, Usage.WRITE)

        def device():
            rt.settle()
            memory.device_write(0, b"new")
            fence.signal()

        rt.spawn(device, name="device")
        with buf.cpu_access(Access.READ) as view:
            return bytes(view[:3])

    assert b"new" == rt.run(main)


def test_heap_not_coherent_needs_the_bracket(rt):
    """The CPU's writes get to the device at the end of a bracket, not before."""

    def main():
        buf = SystemHeap(coherent=False).alloc(1)
        memory = backing_of(buf).memory
        with buf.cpu_access(Access.WRITE) as view:
            view[:3] = b"cpu"
            early = memory.device_read(0, 3)
        return early, memory.device_read(0, 3)

    assert (bytes(3), b"cpu") == rt.run(main)


@pytest.mark.parametrize("bracketed", [True, False])
def test_heap_not_coherent_in_a_design(bracketed):
    """In every schedule a bracket shows what the device wrote; without it stale bytes are found."""

    @design
    def frame(machine):
        buf = SystemHeap(coherent=False).alloc(1)
        memory, fence = backing_of(buf).memory, pending()
        add(buf, fence, Usage.WRITE)

        def device():
            memory.device_write(0, b"new")
            fence.signal()

        def cpu():
            if bracketed:
                with buf.cpu_access(Access.READ) as view:
                    assert bytes(view[:3]) == b"new"
            else:
                fence.wait()
                assert memory.read(0, 3) == b"new"

        machine.kthread(device, "device")
        machine.kthread(cpu, "cpu")

    verdict = check_design(frame, "frame")

    assert ("PROVED" if bracketed else "VIOLATED") == verdict.status.value


def held():
    """Blocks of Python's allocator, mappings of buffers, and descriptors."""
    gc.collect()
    mappings = Path("/proc/self/maps").read_text().count("dmabuf:")
    return sys.getallocatedblocks(), mappings, open_descriptors()


@pytest.mark.slow
def test_heap_many_buffers_leave_nothing():
    """Made, written and released by the thousand, they leave what was there before."""

    def use(count):
        for _ in range(count):
            buf = SystemHeap().alloc(1)
            with buf.cpu_access(Access.WRITE) as view:
                view[0] = 1
            buf.fileno()
            buf.put()

    use(100)
    blocks, *before = held()
    use(2000)
    after, *rest = held()

    assert before == rest
    assert after - blocks < 500


_EXHAUSTED = """
import errno, os, resource
from dmabuf.core.heap import SystemHeap

heap = SystemHeap()
heap.alloc(1).put()
used = len(os.listdir("/proc/self/fd")) - 1
failures = 0
for room in range(8):
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + room, 4096))
    try:
        heap.alloc(1).put()
    except OSError as error:
        assert error.errno == errno.EMFILE, error
        failures += 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    assert len(os.listdir("/proc/self/fd")) - 1 == used
assert failures == 1, failures
"""


@fact("F11.08")
@pytest.mark.slow
def test_heap_without_descriptors():
    """EMFILE, nothing allocated, nothing left open."""
    command = [sys.executable, "-W", "error", "-c", _EXHAUSTED]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)
