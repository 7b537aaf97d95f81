"""A memfd: the model in virtual time does what the real one does live."""

import errno
import subprocess
import sys

import pytest

from dmabuf.core.memfd import (
    F_SEAL_FUTURE_WRITE,
    F_SEAL_GROW,
    F_SEAL_SEAL,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
    MemFd,
)
from dmabuf.errors import NotAvailable
from tests.core.test_memory import failure


def test_memfd_reads_up_to_its_end(rt):
    """Zeros where nothing was written, and short at the end."""

    def main():
        with MemFd(10) as file:
            file.write(8, b"ab")
            return file.read(6, 100), file.read(10, 1), file.read(99, 1), file.size

    assert (b"\0\0ab", b"", b"", 10) == rt.run(main)


def test_memfd_grows_and_shrinks(rt):
    """By truncate and by writing; what was cut off is zeros when it is there again."""

    def main():
        with MemFd() as file:
            file.write(4095, b"abc")
            grown = file.size, file.read(4094, 9)
            file.truncate(4096)
            file.truncate(10_000)
            return grown, file.read(4095, 3), file.size

    assert ((4098, b"\0abc"), b"a\0\0", 10_000) == rt.run(main)


@pytest.mark.parametrize("size", [-1, 1 << 63, 1 << 64])
def test_memfd_size_that_no_file_has(rt, size):
    """EINVAL, made so or made so later (live, what is no loff_t at all cannot even be asked)."""
    assert errno.EINVAL == rt.run(lambda: failure(MemFd, size))


@pytest.mark.parametrize(
    ("seal", "refused"),
    [
        (F_SEAL_SHRINK, {"shrink"}),
        (F_SEAL_GROW, {"grow", "append"}),
        (F_SEAL_WRITE, {"write", "append"}),
        (F_SEAL_FUTURE_WRITE, {"write", "append"}),
        (F_SEAL_SEAL, {"seal"}),
        (F_SEAL_SHRINK | F_SEAL_GROW, {"shrink", "grow", "append"}),
    ],
)
def test_memfd_seals_refuse(rt, seal, refused):
    """Each its own, with EPERM, and reading never."""

    def main():
        with MemFd(100) as file:
            file.add_seals(seal)
            calls = {
                "shrink": lambda: file.truncate(50),
                "grow": lambda: file.truncate(200),
                "write": lambda: file.write(0, b"x"),
                "append": lambda: file.write(file.size, b"x"),
                "seal": lambda: file.add_seals(F_SEAL_SHRINK),
            }
            found = set()
            for name, call in calls.items():
                try:
                    call()
                except PermissionError:
                    found.add(name)
            return found, file.seals & seal, file.read(1, 1)

    assert (refused, seal, b"\0") == rt.run(main)


def test_memfd_seals_that_there_are_not(rt):
    """EINVAL."""
    assert errno.EINVAL == rt.run(lambda: failure(MemFd().add_seals, 1 << 10))


def test_memfd_without_sealing(rt):
    """It is born with the seal against seals."""

    def main():
        file = MemFd(allow_sealing=False)
        return file.seals, failure(file.add_seals, F_SEAL_SHRINK)

    assert (F_SEAL_SEAL, errno.EPERM) == rt.run(main)


def test_memfd_closed(rt):
    """EBADF for everything; closing again is nothing."""

    def main():
        file = MemFd(1)
        file.close()
        file.close()
        return {failure(file.read, 0, 1), failure(file.write, 0, b""), failure(file.truncate, 0)}

    assert {errno.EBADF} == rt.run(main)


def test_memfd_explored_has_no_descriptor(explored):
    """Nothing of the system is used in virtual time."""

    def main():
        with pytest.raises(NotAvailable, match="explored"):
            MemFd().fileno()

    explored.run(main)


_EXHAUSTED = """
import errno, os, resource
from dmabuf.core.memfd import MemFd

MemFd().close()
used = len(os.listdir("/proc/self/fd")) - 1
resource.setrlimit(resource.RLIMIT_NOFILE, (used, 4096))
try:
    MemFd(4096)
except OSError as error:
    assert error.errno == errno.EMFILE, error
else:
    raise AssertionError
resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, 4096))
MemFd(4096)
MemFd(4096)
"""


@pytest.mark.slow
def test_memfd_without_descriptors():
    """EMFILE, nothing left open; the last reference closes what close did not."""
    command = [sys.executable, "-W", "error", "-c", _EXHAUSTED]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)
