"""Implicit fence poll: readiness per direction, one callback each, lifetime while it is armed."""

import pytest

from dmabuf.core.dma_buf_poll import Events, ImplicitPoll
from dmabuf.core.fence_steps import state_of
from dmabuf.core.resv import Resv, Usage
from dmabuf.errors import Interrupted
from tests.core.drivers import pending
from tests.core.exporters import Exporter, add, exported
from tests.facts import fact

IN, OUT, BOTH, NONE = Events.IN, Events.OUT, Events.IN | Events.OUT, Events(0)


class File:
    """Counts how often it is pinned."""

    def __init__(self):
        self.pins = 0
        self.most = 0

    def pin(self):
        """One more."""
        self.pins += 1
        self.most = max(self.most, self.pins)

    def unpin(self):
        """One less."""
        self.pins -= 1


def frame(*usages):
    """A poll, its file, and a pending fence with each usage."""
    resv, file = Resv("frame"), File()
    fences = [pending() for _ in usages]
    with resv:
        resv.reserve_fences(max(len(usages), 1))
        for fence, usage in zip(fences, usages, strict=True):
            resv.add_fence(fence, usage)
    return ImplicitPoll(resv, file.pin, file.unpin), file, fences


def callbacks_of(fence):
    """How many are queued, whatever keeps them."""
    with fence.timeline.rt.mutex:
        return len(state_of(fence).callbacks or ())


@fact("F17.01", "F17.02")
@pytest.mark.parametrize(
    ("usage", "ready"),
    [(Usage.KERNEL, NONE), (Usage.WRITE, NONE), (Usage.READ, IN), (Usage.BOOKKEEP, BOTH)],
)
def test_poll_readiness_by_usage(rt, usage, ready):
    """Of both directions at once, and of each alone."""

    def main():
        frames = [frame(usage) for _ in range(3)]
        ready = [f[0].poll(events) for f, events in zip(frames, (BOTH, IN, OUT), strict=True)]
        for _polled, _file, (fence,) in frames:
            fence.signal()
        return ready

    assert [ready, ready & IN, ready & OUT] == rt.run(main)


@pytest.mark.parametrize("usages", [(), (Usage.KERNEL, Usage.READ)])
def test_poll_without_pending_fences_is_ready(rt, usages):
    """None at all, or all signalled; nothing stays armed or pinned."""

    def main():
        polled, file, fences = frame(*usages)
        for fence in fences:
            fence.signal()
        return polled.poll(BOTH), polled.active, file.pins

    assert (BOTH, NONE, 0) == rt.run(main)


@fact("F17.03")
@pytest.mark.parametrize("events", [0, 2, 0x10])
def test_poll_of_no_known_event_is_nothing(rt, events):
    """The lock is not needed, and nothing is armed."""

    def main():
        polled, file, _fences = frame(Usage.WRITE)
        with polled.resv:
            return polled.poll(events), polled.active, file.most

    assert (NONE, NONE, 0) == rt.run(main)


@fact("F17.04")
def test_poll_takes_the_lock(rt):
    """Who polls waits for whoever changes the fences."""

    def main():
        polled, _file, _fences = frame()
        found = []
        with polled.resv:
            rt.spawn(lambda: found.append(polled.poll(IN)), name="poller")
            rt.settle()
            before = list(found)
        rt.settle()
        return before, found

    assert ([], [IN]) == rt.run(main)


@fact("F17.05")
def test_poll_arms_the_first_pending_fence_only(rt):
    """Once for each direction, however often one polls."""

    def main():
        usages = Usage.READ, Usage.WRITE, Usage.WRITE
        polled, file, fences = frame(*usages)
        fences[1].signal()
        for _ in range(3):
            polled.poll(BOTH)
        return [callbacks_of(fence) for fence in fences], polled.active, file.pins

    assert ([1, 0, 1], BOTH, 2) == rt.run(main)


@fact("F17.06")
def test_poll_is_not_ready_while_armed(rt):
    """Even if the fences have been taken away meanwhile; the other direction is not concerned."""

    def main():
        polled, _file, (fence,) = frame(Usage.READ)
        seen = [polled.poll(OUT)]
        with polled.resv:
            polled.resv.replace_fences(fence.context, pending_signalled(), Usage.READ)
        seen += [polled.poll(OUT), polled.poll(IN)]
        fence.signal()
        return [*seen, polled.poll(OUT)]

    assert [NONE, NONE, IN, OUT] == rt.run(main)


def pending_signalled():
    """A fence that has signalled."""
    fence = pending()
    fence.signal()
    return fence


@fact("F17.07")
def test_poll_wake_up_says_look_again(rt):
    """Fence after fence: each wake-up is followed by a look that arms the next one."""

    def main():
        polled, file, fences = frame(Usage.WRITE, Usage.WRITE)
        told, seen = [], []
        for fence in fences:
            seen.append(polled.poll(IN, told.append))
            fence.signal()
            seen.append(list(told))
        return [*seen, polled.poll(IN)], polled.active, file.pins

    assert ([NONE, [IN], NONE, [IN, IN], IN], NONE, 0) == rt.run(main)


@fact("F17.08")
def test_poll_keeps_the_file_while_armed(rt):
    """A reference for each direction, and one to the fence."""

    def main():
        polled, file, (fence,) = frame(Usage.WRITE)
        counts = [(file.pins, state_of(fence).references)]
        for events in (IN, OUT):
            polled.poll(events)
            counts.append((file.pins, state_of(fence).references))
        fence.signal()
        return [*counts, (file.pins, state_of(fence).references)]

    assert [(0, 2), (1, 3), (2, 4), (0, 2)] == rt.run(main)


@fact("F17.09")
def test_poll_tells_levels(rt):
    """Ready as long as nothing is pending; not any more with the next fence."""

    def main():
        polled, _file, (fence,) = frame(Usage.WRITE)
        fence.signal()
        seen = [polled.poll(IN), polled.poll(IN)]
        with polled.resv:
            polled.resv.reserve_fences(1)
            polled.resv.add_fence(pending(), Usage.WRITE)
        return [*seen, polled.poll(IN)]

    assert [IN, IN, NONE] == rt.run(main)


@fact("F17.10")
def test_poll_wakes_those_that_wait_for_the_direction(rt):
    """A reader is told of the writer's signal, who wants to write of the reader's."""

    def main():
        polled, _file, (read, write) = frame(Usage.READ, Usage.WRITE)
        told = []
        polled.poll(IN, lambda events: told.append(("in", events)))
        polled.poll(OUT, lambda events: told.append(("out", events)))
        write.signal()
        first = list(told)
        read.signal()
        return first, told[1:], polled.waiters

    assert ([("in", IN)], [("out", OUT)], {}) == rt.run(main)


@fact("F17.11")
def test_poll_that_is_ready_tells_others(rt):
    """Those that were told "not ready" by a fence that is gone; never oneself."""

    def main():
        polled, _file, (fence,) = frame(Usage.WRITE)
        told = []
        polled.waiters[lambda events: told.append(events)] = IN
        fence.signal()
        mine = []
        ready = polled.poll(IN, mine.append)
        return ready, told, mine

    assert (IN, [IN], []) == rt.run(main)


def test_poll_forget_takes_a_wake_back(rt):
    """It is not called any more; the callback on the fence stays, as it is everybody's."""

    def main():
        polled, _file, (fence,) = frame(Usage.WRITE)
        told = []
        wake = told.append
        polled.poll(IN, wake)
        answers = [polled.forget(wake), polled.forget(wake)]
        armed = polled.active
        fence.signal()
        return answers, armed, told

    assert ([True, False], IN, []) == rt.run(main)


@pytest.mark.parametrize(("usage", "events"), [(Usage.WRITE, IN), (Usage.READ, OUT)])
def test_poll_wait_until_ready(rt, usage, events):
    """Over several fences, one after the other."""

    def main():
        polled, file, fences = frame(usage, usage)
        found = []
        rt.spawn(lambda: found.append(polled.wait(events)), name="poller")
        seen = []
        for fence in fences:
            rt.settle()
            seen.append(list(found))
            fence.signal()
        rt.settle()
        return seen, found, file.pins, polled.waiters

    assert ([[], []], [events], 0, {}) == rt.run(main)


def test_poll_wait_any_of_both_directions(rt):
    """What is ready first is answered."""

    def main():
        polled, _file, (write, _read) = frame(Usage.WRITE, Usage.READ)
        found = []
        rt.spawn(lambda: found.append(polled.wait(BOTH)), name="poller")
        rt.settle()
        write.signal()
        rt.settle()
        return found

    assert [IN] == rt.run(main)


@pytest.mark.parametrize("timeout", [0, 0.001])
def test_poll_wait_times_out(rt, timeout):
    """Nothing is there; the callback stays on the fence."""

    def main():
        polled, _file, _fences = frame(Usage.WRITE)
        return polled.wait(BOTH, timeout), polled.active, polled.waiters

    assert (NONE, BOTH, {}) == rt.run(main)


def test_poll_wait_ends_with_a_signal_pending(rt):
    """Interrupted, and nobody is told later."""

    def main():
        polled, _file, _fences = frame(Usage.WRITE)
        seen = []

        def waits():
            with pytest.raises(Interrupted):
                polled.wait(IN)
            seen.append("interrupted")

        task = rt.spawn(waits, name="poller")
        rt.settle()
        rt.interrupt(task)
        rt.settle()
        return seen, polled.waiters

    assert (["interrupted"], {}) == rt.run(main)


def test_poll_released_while_armed_warns(rt):
    """Nobody may have let the buffer go: DF004."""

    def main():
        polled, _file, _fences = frame(Usage.WRITE)
        polled.release()
        polled.poll(IN)
        polled.release()

    ((code, message),) = rt.reports(main)

    assert ("DF004", True) == (code, "IN" in message)


# -- of a buffer ---------------------------------------------------------------------------------


@fact("F17.08")
def test_poll_keeps_a_buffer_while_armed(rt):
    """The last reference does not release it until the fence has signalled."""

    def main():
        exporter = Exporter()
        buf, fence = exported(exporter), pending()
        add(buf, fence, Usage.WRITE)
        told = []
        seen = [buf.poll(IN, told.append)]
        buf.put()
        seen.append(exporter.names)
        fence.signal()
        rt.settle()
        return seen, told, exporter.names

    assert ([NONE, []], [IN], ["release"]) == rt.run(main)


def test_poll_of_an_idle_buffer_leaves_nothing(rt):
    """It may be released at once, also by who holds its lock while it signals."""

    def main():
        exporter = Exporter()
        buf = exported(exporter)
        ready = buf.poll(BOTH)
        fence = pending()
        add(buf, fence, Usage.WRITE)
        buf.poll(OUT)
        with buf.resv:
            fence.signal()
        again = buf.poll(BOTH)
        buf.put()
        return ready, again, exporter.names

    assert (BOTH, BOTH, ["release"]) == rt.run(main)
