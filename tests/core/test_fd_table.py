"""Descriptors: numbers, and the files behind them."""

import errno

import pytest

from dmabuf.core.fd_table import FdTable
from tests.core.exporters import Exporter, exported


class Other:
    """A file that is no buffer."""

    def __init__(self):
        self.count = 1

    def get_file(self):
        """Take a reference."""
        self.count += 1
        return True

    def put(self):
        """Put a reference."""
        self.count -= 1


def test_fd_lowest_number_first(rt):
    """Also after some were closed."""

    def main():
        table = FdTable()
        numbers = [table.get_unused() for _ in range(4)]
        for number in (2, 0):
            table.put_unused(number)
        return numbers, [table.get_unused() for _ in range(3)]

    assert ([0, 1, 2, 3], [0, 2, 4]) == rt.run(main)


def test_fd_close_on_exec(rt):
    """As asked for, and forgotten with the number."""

    def main():
        table = FdTable()
        table.get_unused()
        table.get_unused(cloexec=False)
        before = set(table.cloexec)
        table.put_unused(0)
        return before, table.cloexec

    assert ({0}, set()) == rt.run(main)


def fd(buf, table):
    """A descriptor of a buffer, as an exporter makes it."""
    number = table.get_unused()
    table.install(number, buf)
    return number


def test_fd_of_a_buffer_takes_its_reference(rt):
    """The last of descriptors and others releases it."""

    def main():
        ops, table = Exporter(), FdTable()
        buf = exported(ops)
        number = fd(buf, table)
        same = table.fget(number)
        count = buf.file.count
        table.close(number)
        before = list(ops.names)
        same.put()
        return same is buf, count, before, ops.names

    assert (True, 2, [], ["release"]) == rt.run(main)


def test_fd_exhausted(rt):
    """EMFILE, nothing changed; the reference is still the caller's."""

    def main():
        table, buf = FdTable("process", limit=1), exported()
        fd(buf.get(), table)
        with pytest.raises(OSError, match="process has 1") as caught:
            fd(buf, table)
        return caught.value.errno, buf.file.count, list(table.files)

    assert (errno.EMFILE, 2, [0]) == rt.run(main)


def test_fd_that_is_none(rt):
    """EBADF: never opened, closed, only reserved, or negative."""

    def main():
        table, found = FdTable(), []
        closed = fd(exported(), table)
        table.close(closed)
        reserved = table.get_unused()
        for number in (reserved, 7, -1):
            with pytest.raises(OSError, match="descriptor") as caught:
                table.fget(number)
            found.append(caught.value.errno)
        return found

    assert [errno.EBADF] * 3 == rt.run(main)


def test_fd_closed_that_is_none(rt):
    """EBADF; a number that is only reserved is none yet."""

    def main():
        table, found = FdTable(), []
        for number in (table.get_unused(), 7):
            with pytest.raises(OSError, match="no descriptor") as caught:
                table.close(number)
            found.append(caught.value.errno)
        return found, list(table.files)

    assert ([errno.EBADF] * 2, [0]) == rt.run(main)


def test_fd_installed_without_reserving_warns(rt):
    """Somebody else may have the number."""

    def main():
        FdTable().install(0, exported())

    assert [("DF004", "main installs descriptor 0, which it has not reserved")] == rt.reports(main)


def test_fd_of_a_file_that_is_being_released(rt):
    """Whoever looks it up while the last reference goes finds it closed."""

    def main():
        table, tries = FdTable(), []

        class Dying(Other):
            def get_file(self):
                tries.append(1)
                table.close(0)
                return False

        table.install(table.get_unused(), Dying())
        with pytest.raises(OSError, match="no descriptor"):
            table.fget(0)
        return tries

    assert [1] == rt.run(main)


def test_fd_table_closed(rt):
    """When a process ends all its files are put."""

    def main():
        table, ops = FdTable(), Exporter()
        for _ in range(2):
            fd(exported(ops), table)
        table.get_unused()
        table.close_all()
        return table.files, table.get_unused(), ops.names

    files, number, names = rt.run(main)
    assert ([0], 0) == (list(files), number)
    assert ["release", "release"] == names
