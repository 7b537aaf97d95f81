"""Eventfds told of points: once for each registration, of signal or submission."""

import errno
import os
import select

import pytest

from dmabuf.core.fence_steps import state_of
from dmabuf.core.fence_wait import stub
from dmabuf.core.syncobj import SyncObj
from dmabuf.core.syncobj_eventfd import add_eventfd
from dmabuf.sync.eventfd import EventFd, RealEventFd
from tests.core.drivers import no_memory, pending
from tests.core.test_syncobj import points
from tests.facts import fact
from tests.support import errno_of


@fact("F15.44")
@pytest.mark.parametrize("when", ["before", "pending", "after"])
def test_syncobj_eventfd_counts_once(rt, when):
    """Registered before the submission, before the signal, or after it."""

    def main():
        obj, ready, fence = SyncObj(), EventFd(), pending()
        if when == "before":
            add_eventfd(obj, ready)
        obj.replace_fence(fence)
        if when == "pending":
            add_eventfd(obj, ready)
        before = ready.read_nowait()
        fence.signal()
        if when == "after":
            add_eventfd(obj, ready)
        obj.replace_fence(pending())
        return before, ready.read_nowait(), list(obj.eventfds)

    assert (0, 1, []) == rt.run(main)


@fact("F15.44")
def test_syncobj_eventfd_counts_each_registration(rt):
    """Two of the same point, and one of another point."""

    def main():
        line, fences = points(1, 2)
        ready = EventFd()
        for point in (1, 1, 2):
            add_eventfd(line, ready, point)
        fences[0].signal()
        rt.settle()
        first = ready.read_nowait()
        fences[1].signal()
        rt.settle()
        return first, ready.read_nowait()

    assert (2, 1) == rt.run(main)


@fact("F15.45")
def test_syncobj_eventfd_available(rt):
    """At the submission, or at once, signalled or not."""

    def main():
        line, _fences = points(1)
        ready = EventFd()
        add_eventfd(line, ready, 1, available=True)
        at_once = ready.read_nowait()
        add_eventfd(line, ready, 2, available=True)
        before = ready.read_nowait()
        line.add_point(pending(), 2)
        return at_once, before, ready.read_nowait()

    assert (1, 0, 1) == rt.run(main)


@fact("F15.49")
def test_syncobj_eventfd_of_a_point_long_reached(rt):
    """It has left the chain and counts as signalled."""

    def main():
        line, fences = points(1, 2)
        fences[0].signal()
        line.add_point(pending(), 3)
        ready = EventFd()
        add_eventfd(line, ready, 1)
        return ready.read_nowait()

    assert 1 == rt.run(main)


@fact("F15.46")
def test_syncobj_eventfd_goes_with_the_object(rt):
    """Unsubmitted: in silence. Submitted: its fence is still waited for."""

    def main():
        line, fences = points(1)
        ready, silent = EventFd("ready"), EventFd("silent")
        add_eventfd(line, ready, 1)
        add_eventfd(line, silent, 2)
        line.put()
        fences[0].signal()
        rt.settle()
        return ready.read_nowait(), silent.read_nowait()

    assert (1, 0) == rt.run(main)


class Put(EventFd):
    """Counts how often it is put."""

    def __init__(self):
        super().__init__("counted")
        self.puts = 0

    def put(self):
        """Once more."""
        self.puts += 1


def test_syncobj_eventfd_is_let_go_once(rt):
    """When it has counted, or with the object."""

    def main():
        line, fences = points(1)
        reached, dropped = Put(), Put()
        add_eventfd(line, reached, 1)
        add_eventfd(line, dropped, 2)
        before = reached.puts, dropped.puts
        fences[0].signal()
        rt.settle()
        first = reached.puts, dropped.puts
        line.put()
        return before, first, (reached.puts, dropped.puts), line.eventfds

    assert ((0, 0), (1, 0), (1, 1), {}) == rt.run(main)


def test_syncobj_eventfd_puts_its_reference(rt):
    """To the fence, once that has signalled."""

    def main():
        fence = pending()
        obj, ready = SyncObj(fence=fence), EventFd()
        add_eventfd(obj, ready)
        before = state_of(fence).references
        fence.signal()
        return before, state_of(fence).references

    assert (3, 2) == rt.run(main)


def test_syncobj_eventfd_refuses(rt):
    """A point of more than 64 bits EINVAL; without memory ENOMEM; nothing is registered."""

    def main():
        obj, ready = SyncObj(), EventFd()
        answers = [errno_of(add_eventfd, obj, ready, point) for point in (-1, 2**64)]
        no_memory(rt)
        return [*answers, errno_of(add_eventfd, obj, ready)], list(obj.eventfds)

    assert ([errno.EINVAL, errno.EINVAL, errno.ENOMEM], []) == rt.run(main)


def test_syncobj_eventfd_wakes_a_reader(rt):
    """A task that reads it waits for the signal."""

    def main():
        obj, ready, fence, got = SyncObj(), EventFd(), pending(), []
        add_eventfd(obj, ready)
        rt.spawn(lambda: got.append(ready.read()), name="reader")
        obj.replace_fence(fence)
        rt.settle()
        before = list(got)
        fence.signal()
        rt.settle()
        return before, got

    assert ([], [1]) == rt.run(main)


@fact("F15.43", "F15.44")
def test_syncobj_real_eventfd(live):
    """Live a number will do, and may be closed meanwhile (virtual time has no real ones)."""

    def main():
        fd, other = os.eventfd(0, os.EFD_NONBLOCK), os.eventfd(0)
        read, write = os.pipe()
        fence = pending()
        obj = SyncObj(fence=fence)
        add_eventfd(obj, fd)
        add_eventfd(obj, other)
        os.close(other)
        before = select.select([fd], [], [], 0)[0]
        fence.signal()
        count = os.eventfd_read(fd)
        answers = errno_of(add_eventfd, obj, read), errno_of(add_eventfd, obj, other)
        for number in (fd, read, write):
            os.close(number)
        return before, count, answers

    assert ([], 1, (errno.EINVAL, errno.EBADF)) == live.run(main)


def test_syncobj_real_eventfd_may_be_registered_twice(live):
    """Each registration has a descriptor of its own (real descriptors only)."""

    def main():
        fd = os.eventfd(0, os.EFD_NONBLOCK)
        real, fences = RealEventFd(fd), [pending(), pending()]
        for fence in fences:
            add_eventfd(SyncObj(fence=fence), real)
            fence.signal()
        count = os.eventfd_read(fd)
        real.put()
        os.close(fd)
        return count

    assert 2 == live.run(main)


def test_syncobj_real_eventfd_that_is_full_stays_full(live):
    """Nobody sleeps in a callback (real descriptors only)."""

    def main():
        fd = os.eventfd(0, os.EFD_NONBLOCK)
        os.eventfd_write(fd, 2**64 - 2)
        add_eventfd(SyncObj(fence=stub()), fd)
        count = os.eventfd_read(fd)
        os.close(fd)
        return count

    assert 2**64 - 2 == live.run(main)
