"""The timeline that is counted up by hand."""

import errno

import pytest

from dmabuf import check_design, design, merge
from dmabuf.core.sw_sync import SwSync
from dmabuf.sync.rcu import rcu_read_lock
from tests.core.drivers import no_memory, pending
from tests.facts import fact

BIG = (1 << 31) - 1


@fact("F14.01")
def test_sw_sync_counts_from_zero(rt):
    """A fence of number 0 is signalled when it is made, one of 1 after one step."""

    def main():
        timeline = SwSync("t")
        zero, one = timeline.create_fence(0), timeline.create_fence(1)
        before = zero.status, one.status
        timeline.inc(1)
        return before, one.status

    assert ((1, 0), 1) == rt.run(main)


@fact("F14.03")
def test_sw_sync_signals_in_order_of_numbers(rt):
    """Whatever the order in which they were made, and only those that have come."""

    def main():
        timeline, ran = SwSync("t"), []
        for number in (5, 2, 9, 3):
            fence = timeline.create_fence(number)
            fence.add_callback(lambda f: ran.append(f.seqno))
        timeline.inc(4)
        first = list(ran)
        timeline.inc(1)
        return first, ran, timeline.order

    assert ([2, 3], [2, 3, 5], [9]) == rt.run(main)


@fact("F14.02")
@pytest.mark.parametrize(("ahead", "status"), [(1, 0), (BIG, 0), (BIG + 1, 1), ((1 << 32) - 1, 1)])
def test_sw_sync_far_ahead_counts_as_passed(rt, ahead, status):
    """More than 2^31-1 ahead of the counter is taken for the past."""

    def main():
        return SwSync("t").create_fence(ahead).status

    assert status == rt.run(main)


@fact("F14.03")
def test_sw_sync_counts_modulo_32_bits(rt):
    """The counter wraps, in steps of at most INT_MAX, and signals across the wrap in order."""

    def main():
        timeline, ran = SwSync("t"), []
        timeline.inc((1 << 32) - 2)
        for number in (1, (1 << 32) - 1, 0):
            timeline.create_fence(number).add_callback(lambda f: ran.append(f.seqno))
        timeline.inc(3)
        return ran, timeline.value.read()

    assert ([(1 << 32) - 1, 0, 1], 1) == rt.run(main)


@fact("F14.04")
def test_sw_sync_shares_pending_fences_of_a_number(rt):
    """The second caller gets the same object and a reference; a passed number makes a new one."""

    def main():
        timeline = SwSync("t")
        one, same = timeline.create_fence(2), timeline.create_fence(2)
        one.put()
        alive = same.get() is not None
        timeline.inc(2)
        other = timeline.create_fence(2)
        return one is same, alive, other is one, other.status

    assert (True, True, False, 1) == rt.run(main)


@fact("F14.08")
def test_sw_sync_released_fence_leaves_the_timeline(rt):
    """A number whose fence is gone makes a new fence."""

    def main():
        timeline = SwSync("t")
        one = timeline.create_fence(2)
        one.put()
        left = list(timeline.order)
        two = timeline.create_fence(2)
        timeline.inc(2)
        return left, one is two, one.status, two.status

    left, same, gone, status = rt.run(main)

    assert ([], False) == (left, same)
    assert (1, 1) == (gone, status)  # the hook answers for the dead one as well


@fact("F14.05")
def test_sw_sync_destroy_signals_with_enoent(rt):
    """In order; those that were signalled before keep their status."""

    def main():
        timeline, ran = SwSync("t"), []
        fences = [timeline.create_fence(number) for number in (3, 1, 2)]
        for fence in fences:
            fence.add_callback(lambda f: ran.append(f.seqno))
        timeline.inc(1)
        timeline.destroy()
        timeline.destroy()
        return ran, [fence.status for fence in fences]

    assert ([1, 2, 3], [-errno.ENOENT, 1, -errno.ENOENT]) == rt.run(main)


def test_sw_sync_destroy_whose_callback_puts_the_last_reference(rt):
    """The fence is released and the lock is free again; the kernel hangs there."""

    def main():
        timeline = SwSync("t")
        fence = timeline.create_fence(1)
        fence.add_callback(lambda f: f.put())
        timeline.destroy()
        return fence.status, timeline.lock.is_locked(), timeline.pending

    assert (-errno.ENOENT, False, {}) == rt.run(main)


@fact("F14.06")
def test_sw_sync_names(rt):
    """The driver is sw_sync, the timeline the task's name, of which 15 characters count."""

    def main():
        fence = SwSync("a task with a long name").create_fence(1)
        with rcu_read_lock():
            return fence.driver_name, fence.timeline_name

    assert ("sw_sync", "a task with a l") == rt.run(main)


@fact("F14.07")
def test_sw_sync_keeps_the_earliest_deadline(rt):
    """ENOENT without one, EINVAL for a fence of no such timeline; a signal changes nothing."""

    def main():
        timeline = SwSync("t")
        fence, errors = timeline.create_fence(1), []
        for one in (fence, pending()):
            with pytest.raises(OSError, match=r"deadline|no fence of") as caught:
                timeline.deadline_of(one)
            errors.append(caught.value.errno)
        for deadline in (9, 5, 7):
            fence.set_deadline(deadline)
        early = SwSync("other").deadline_of(fence)
        timeline.inc(1)
        fence.set_deadline(3)
        return errors, early, timeline.deadline_of(fence)

    assert ([errno.ENOENT, errno.EINVAL], 5, 5) == rt.run(main)


def test_sw_sync_deadline_is_the_fences_own(rt):
    """A later fence of the same number has none; nor has a merged one, which is no such fence."""

    def main():
        timeline = SwSync("t")
        fence = timeline.create_fence(1)
        fence.set_deadline(9)
        timeline.inc(1)
        later, errors = timeline.create_fence(1), []
        array = merge(timeline.create_fence(5), SwSync("u").create_fence(1))
        for one in (later, array):
            with pytest.raises(OSError, match=r"deadline|no fence of") as caught:
                timeline.deadline_of(one)
            errors.append(caught.value.errno)
        return errors

    assert [errno.ENOENT, errno.EINVAL] == rt.run(main)


def test_sw_sync_without_memory(rt):
    """ENOMEM, for a timeline and for a fence."""

    def main():
        timeline, errors = SwSync("t"), []
        no_memory(rt)
        for make in (SwSync, lambda: timeline.create_fence(1)):
            with pytest.raises(OSError, match="no memory") as caught:
                make()
            errors.append(caught.value.errno)
        return errors, timeline.pending

    assert ([errno.ENOMEM] * 2, {}) == rt.run(main)


@pytest.mark.parametrize("number", [-1, 1 << 32])
def test_sw_sync_numbers_have_32_bits(rt, number):
    """What does not fit is EINVAL, for a fence and for a step."""

    def main():
        timeline, errors = SwSync("t"), []
        for call in (timeline.create_fence, timeline.inc):
            with pytest.raises(OSError, match="has 32 bits") as caught:
                call(number)
            errors.append(caught.value.errno)
        return errors

    assert [errno.EINVAL] * 2 == rt.run(main)


def test_sw_sync_under_every_schedule():
    """Counting against creating and waiting: nobody is left asleep."""

    @design
    def races(machine):
        timeline = SwSync("t")

        def wait():
            timeline.create_fence(1).wait()

        machine.kthread(wait, "one")
        machine.kthread(wait, "other")
        machine.kthread(lambda: timeline.inc(1), "counter")

    assert "PROVED" == check_design(races, "races").status.value


def test_sw_sync_that_nobody_counts_up_is_a_broken_promise():
    """That is why the interface is only for tests."""

    @design
    def waits(machine):
        timeline = SwSync("t")
        fence = timeline.create_fence(1)
        machine.kthread(fence.wait, "waiter")
        machine.userspace(lambda: timeline.inc(1), "program")

    verdict = check_design(waits, "waits")

    assert "VIOLATED" == verdict.status.value
    assert "DF101" in {verdict.findings[0].code, *verdict.findings[0].implied}
