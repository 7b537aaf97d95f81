"""Descriptors of buffers: one each, found again, gone with the buffer."""

import errno
import gc
import os
import socket
import subprocess
import sys

import pytest

from dmabuf.core.dma_buf import DmaBuf
from dmabuf.core.heap import SystemHeap
from dmabuf.core.memfd import F_SEAL_SHRINK, MemFd
from dmabuf.core.udmabuf import udmabuf_create
from dmabuf.errors import NotAvailable
from tests.core.exporters import exported
from tests.core.test_memory import failure
from tests.support import open_descriptors


def of_memfd():
    """A buffer whose bytes have no descriptor of their own."""
    file = MemFd(4096)
    file.add_seals(F_SEAL_SHRINK)
    return udmabuf_create(file, 0, 4096)


MAKERS = {"heap": lambda: SystemHeap().alloc(1), "udmabuf": of_memfd, "other": exported}


@pytest.mark.parametrize("maker", MAKERS)
def test_fd_is_one_a_buffer(live, maker):
    """The same number each time, closed on exec, closed by the last put."""

    def main():
        MAKERS[maker]().put()
        gc.collect()
        before = open_descriptors()
        buf = MAKERS[maker]()
        fd = buf.fileno()
        same = fd == buf.fileno(), os.get_inheritable(fd)
        buf.put()
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(fd)
        del buf
        gc.collect()
        return same, open_descriptors() == before

    assert ((True, False), True) == live.run(main)


@pytest.mark.parametrize("maker", MAKERS)
def test_from_fd_is_the_same_object(live, maker):
    """Of the descriptor itself and of a duplicate, each with a reference of its own."""

    def main():
        buf, other = MAKERS[maker](), MAKERS[maker]()
        other.fileno()
        duplicate = os.dup(buf.fileno())
        same = DmaBuf.from_fd(buf.fileno()) is buf, DmaBuf.from_fd(duplicate) is buf
        for _ in range(3):
            buf.put()
        gone = failure(DmaBuf.from_fd, duplicate)
        os.close(duplicate)
        return same, buf.file.count, gone

    assert ((True, True), 0, errno.EINVAL) == live.run(main)


def test_adopt_fd_closes_it(live):
    """A duplicate is closed, the buffer's own descriptor is not; a refused one stays open."""

    def main():
        buf = SystemHeap().alloc(1)
        duplicate, null = os.dup(buf.fileno()), os.open(os.devnull, os.O_RDONLY)
        same = DmaBuf.adopt_fd(duplicate) is buf, DmaBuf.adopt_fd(buf.fileno()) is buf
        refused = failure(DmaBuf.adopt_fd, null)
        os.close(null)
        return same, failure(os.fstat, duplicate), refused, buf.fileno() >= 0

    assert ((True, True), errno.EBADF, errno.EINVAL, True) == live.run(main)


def test_from_fd_of_what_is_no_buffer(live):
    """EBADF if it is not open, EINVAL if it is something else."""

    def main():
        null = os.open(os.devnull, os.O_RDONLY)
        other = MemFd(1)
        found = [failure(DmaBuf.from_fd, fd) for fd in (-1, 1 << 20, 1 << 40, null, other.fileno())]
        os.close(null)
        return found

    assert [errno.EBADF] * 3 + [errno.EINVAL] * 2 == live.run(main)


def test_fd_after_release_is_reported(live):
    """A released buffer has none."""

    def main():
        buf = SystemHeap().alloc(1)
        buf.put()
        buf.fileno()

    assert ["DF004"] == [code for code, _message in live.reports(main)]


def test_fd_of_a_buffer_that_is_dropped_is_closed(live):
    """Without put as well, when nobody refers to the object."""

    def main():
        exported().put()
        gc.collect()
        before = open_descriptors()
        buf = exported()
        fd = os.dup(buf.fileno())
        del buf
        gc.collect()
        found = failure(DmaBuf.from_fd, fd)
        os.close(fd)
        return found, open_descriptors() == before

    assert (errno.EINVAL, True) == live.run(main)


def test_fd_explored_is_not_available(explored):
    """Descriptors are live only."""

    def main():
        with pytest.raises(NotAvailable):
            exported().fileno()
        with pytest.raises(NotAvailable):
            DmaBuf.from_fd(0)

    explored.run(main)


def test_fd_passed_through_a_socket_is_the_buffer(live):
    """What comes back from another place is found as the same object."""

    def main():
        buf = SystemHeap().alloc(1)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            socket.send_fds(ours, [b"x"], [buf.fileno()])
            _data, (fd,), _flags, _address = socket.recv_fds(theirs, 1, 1)
        return DmaBuf.adopt_fd(fd) is buf

    assert live.run(main)


_EXHAUSTED = """
import errno, os, resource
from tests.core.exporters import exported

exported().fileno()
used = len(os.listdir("/proc/self/fd")) - 1
buf = exported()
resource.setrlimit(resource.RLIMIT_NOFILE, (used, 4096))
for _ in range(2):
    try:
        buf.fileno()
    except OSError as error:
        assert error.errno == errno.EMFILE, error
    else:
        raise AssertionError
resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, 4096))
assert type(buf).from_fd(buf.fileno()) is buf
"""


@pytest.mark.slow
def test_fd_without_descriptors():
    """EMFILE, and it can be asked for again later."""
    command = [sys.executable, "-W", "error", "-c", _EXHAUSTED]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)
