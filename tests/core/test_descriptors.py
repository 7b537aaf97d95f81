"""Open files by number: lowest free, shared, closed once."""

import errno

from dmabuf.core.descriptors import Descriptors
from tests.core.test_syncobj import refused


class File:
    """A file that counts how often it is released."""

    def __init__(self):
        self.released = 0

    def release(self):
        """The last user is gone."""
        self.released += 1


def opened(table, file):
    """A number for a file."""
    fd = table.get_unused()
    table.install(fd, file)
    return fd


def test_descriptors_are_the_lowest_free_ones(rt):
    """From 0 on; what was put or closed comes first."""

    def main():
        table = Descriptors(4)
        fds = [opened(table, File()) for _ in range(3)]
        table.close(1)
        table.close(0)
        table.put_unused(table.get_unused())
        return fds, [table.get_unused() for _ in range(3)], refused(table.get_unused)

    assert ([0, 1, 2], [0, 1, 3], errno.EMFILE) == rt.run(main)


def test_descriptors_share_a_file(rt):
    """It is released with the last number and the last user."""

    def main():
        table, file = Descriptors(), File()
        fd = opened(table, file)
        other = table.dup(fd)
        seen = [other]
        with table.opened(fd) as inside:
            table.close(fd)
            table.close(other)
            seen += [inside is file, file.released]
        return seen, file.released

    assert ([1, True, 0], 1) == rt.run(main)


def test_descriptors_closed_or_never_open(rt):
    """EBADF; a number that is only taken has nothing open."""

    def main():
        table = Descriptors(2)
        fd = opened(table, File())
        taken = table.get_unused()
        full = refused(table.dup, fd)
        table.close(fd)
        return full, [refused(table.close, n) for n in (fd, taken)], refused(table.dup, fd)

    assert (errno.EMFILE, [errno.EBADF] * 2, errno.EBADF) == rt.run(main)
