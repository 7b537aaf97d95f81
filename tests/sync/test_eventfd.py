"""Eventfds: a counter that is read at once, all of it or one by one."""

from dmabuf.errors import Interrupted
from dmabuf.sync.eventfd import COUNT_MAX, EventFd


def test_eventfd_read_takes_all(rt):
    """What was added since; then there is nothing."""

    def main():
        counter = EventFd("e", 2)
        counter.signal()
        return counter.is_readable(), counter.read(), counter.is_readable(), counter.read_nowait()

    assert (True, 3, False, 0) == rt.run(main)


def test_eventfd_semaphore_read_takes_one(rt):
    """One by one until there is nothing."""

    def main():
        counter = EventFd("e", 2, semaphore=True)
        return [counter.read(), counter.read(), counter.read_nowait()]

    assert [1, 1, 0] == rt.run(main)


def test_eventfd_read_waits_for_a_signal(rt):
    """Until the count is not 0."""

    def main():
        counter, got = EventFd("e"), []
        rt.spawn(lambda: got.append(counter.read()), name="reader")
        rt.settle()
        before = list(got)
        counter.signal()
        rt.settle()
        return before, got

    assert ([], [1]) == rt.run(main)


def test_eventfd_read_with_a_timeout(rt):
    """0 when the time has run out."""
    assert 0 == rt.run(lambda: EventFd("e").read(0.001))


def test_eventfd_read_ends_with_a_signal_pending(rt):
    """Interrupted; not if it is told not to be."""

    def main():
        counter, seen = EventFd("e"), []

        def reads():
            try:
                counter.read()
            except Interrupted:
                seen.append("interrupted")

        task = rt.spawn(reads, name="reader")
        rt.settle()
        rt.interrupt(task)
        rt.settle()
        return seen

    assert ["interrupted"] == rt.run(main)


def test_eventfd_count_does_not_wrap(rt):
    """It stays at 2^64 - 1."""

    def main():
        counter = EventFd("e", COUNT_MAX)
        counter.signal()
        return counter.read()

    assert COUNT_MAX == rt.run(main)
