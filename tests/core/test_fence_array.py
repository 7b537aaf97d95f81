"""dma_fence_array: members, signalling, errors, release."""

import errno
import gc

import pytest

from dmabuf.core.fence_array import (
    FenceArray,
    array_first,
    array_next,
    is_array,
    match_context,
)
from dmabuf.core.fence_chain import FenceChain
from dmabuf.core.fence_container import is_container
from dmabuf.core.fence_steps import ENABLED, is_flagged, state_of
from dmabuf.core.timeline import Timeline
from dmabuf.sync.gfp import Gfp
from dmabuf.sync.rcu import rcu_read_lock
from dmabuf.sync.spinlock import SpinLock
from tests.core.drivers import Driver, flags, no_memory, pending, pending_of
from tests.facts import fact


def some(count=3):
    """Pending fences of as many timelines."""
    return [pending() for _ in range(count)]


def fail(fence, error):
    """Signal with an error."""
    fence.set_error(-error)
    fence.signal()


@fact("F3.01")
def test_array_puts_its_members_when_released(rt):
    """In order, and only when its own last reference is put."""

    def main():
        released = []
        line = Timeline("gpu", ops=Driver(release=lambda f: released.append(f.seqno)))
        array = FenceArray.create(line.fence() for _ in range(3))
        array.fences[1].get()
        array.get()
        array.put()
        before = list(released)
        array.put()
        return before, released

    assert ([], [1, 3]) == rt.run(main)


@fact("F3.02")
def test_array_of_no_fences_warns(rt):
    """There is nothing that could ever signal it."""

    def main():
        FenceArray.create([], rt=rt.runtime)

    assert ["DF004"] == [code for code, _ in rt.reports(main)]


@fact("F3.22")
def test_array_of_no_fences_is_signalled_once_enabled_and_asked(live):
    """Enabling alone does not signal it (live: explored, the warning ends the execution)."""
    seen = []

    def main():
        array = FenceArray.create([], rt=live.runtime)
        seen.append(array.is_signaled())
        array.enable_signaling()
        live.settle()
        seen.append(is_flagged(array))
        seen.append(array.is_signaled())

    live.reports(main)
    assert [False, False, True] == seen


@fact("F3.03")
@pytest.mark.parametrize("kind", ["array", "chain"])
def test_array_with_a_container_as_member_warns(rt, kind):
    """Operations on it would recurse."""

    def main():
        inner = (
            FenceArray.create(some(2)) if kind == "array" else FenceChain.create(None, pending(), 1)
        )
        FenceArray.create([pending(), inner])

    assert ["DF004"] == [code for code, _ in rt.reports(main)]


@fact("F3.04")
def test_array_has_the_kernels_names(rt):
    """While it is pending."""

    def main():
        array = FenceArray.create(some())
        with rcu_read_lock():
            return array.driver_name, array.timeline_name

    assert ("dma_fence_array", "unbound") == rt.run(main)


@fact("F3.05")
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
@pytest.mark.parametrize("enable", [True, False])
def test_array_signals_with_its_last_member(rt, order, enable):
    """Asked after each member's signal, whether or not signalling is on."""

    def main():
        fences = some()
        array = FenceArray.create(fences)
        if enable:
            array.enable_signaling()
        seen = []
        for index in order:
            fences[index].signal()
            rt.settle()
            seen.append(array.is_signaled())
        return seen

    assert [False, False, True] == rt.run(main)


@fact("F3.06")
def test_array_signals_from_irq_work_after_the_last_member(rt):
    """Inside the member's signal it is still pending; its own callbacks run in irq context."""

    def main():
        order, fences = [], some(2)
        array = FenceArray.create(fences)
        array.add_callback(lambda _f: order.append(("array", rt.current().in_irq)))
        fences[1].add_callback(lambda _f: order.append(("inside", is_flagged(array))))
        fences[0].signal()
        rt.settle()
        order.append("one left")
        fences[1].signal()
        rt.settle()
        return order, is_flagged(array)

    assert (["one left", ("inside", False), ("array", True)], True) == rt.run(main)


@fact("F3.07")
def test_array_counts_signalled_members_when_enabled(rt):
    """The others have a callback each."""

    def main():
        fences = some(4)
        array = FenceArray.create(fences)
        fences[1].signal()
        fences[2].signal()
        array.enable_signaling()
        hooked = [len(state_of(f).callbacks or ()) for f in fences]
        seen = [is_flagged(array)]
        for index in (0, 3):
            fences[index].signal()
            rt.settle()
            seen.append(is_flagged(array))
        return hooked, seen

    assert ([1, 0, 0, 1], [False, False, True]) == rt.run(main)


@fact("F3.08")
def test_array_of_signalled_members_signals_when_enabled(rt):
    """At once: adding a callback finds it done."""

    def main():
        fences = some()
        array = FenceArray.create(fences)
        for fence in fences:
            fence.signal()
        before = is_flagged(array)
        return before, array.add_callback(lambda _f: None), is_flagged(array)

    assert (False, None, True) == rt.run(main)


@fact("F3.09", "F3.10")
@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ((0, errno.EIO, errno.ENODEV), -errno.EIO),
        ((errno.ETIME, 0, errno.EIO), -errno.ETIME),
        ((0, 0, errno.ENODEV), -errno.ENODEV),
    ],
)
def test_array_has_the_first_error_of_its_members(rt, errors, expected):
    """First in order of signals, not of members; it shows when the array signals."""

    def main():
        fences = some()
        array = FenceArray.create(reversed(fences))
        array.enable_signaling()
        for fence, error in zip(fences, errors, strict=True):
            before = array.status
            if error:
                fail(fence, error)
            else:
                fence.signal()
        rt.settle()
        return before, array.status, array.error

    assert (0, expected, expected) == rt.run(main)


@fact("F3.11")
def test_array_without_errors_has_status_1(rt):
    """Error 0."""

    def main():
        fences = some()
        array = FenceArray.create(fences)
        array.enable_signaling()
        for fence in fences:
            fence.signal()
        rt.settle()
        return array.status, array.error

    assert (1, 0) == rt.run(main)


@fact("F3.12", "F3.09")
@pytest.mark.parametrize("all_done", [True, False])
def test_array_takes_errors_found_when_enabled(rt, all_done):
    """A member that had failed before is counted with its error."""

    def main():
        fences = some()
        array = FenceArray.create(fences)
        fences[0].signal()
        fail(fences[1], errno.EIO)
        if all_done:
            fail(fences[2], errno.ENODEV)
        array.enable_signaling()
        if not all_done:
            fail(fences[2], errno.ENODEV)
        rt.settle()
        return array.status

    assert -errno.EIO == rt.run(main)


@fact("F3.13")
def test_array_that_nobody_enabled_collects_no_errors(rt):
    """Its status is 1 though a member failed, and stays so when it is enabled later."""

    def main():
        fences = some()
        array = FenceArray.create(fences)
        for fence in fences:
            fail(fence, errno.EIO)
        seen = [array.is_signaled(), array.status, array.error]
        array.enable_signaling()
        return [*seen, array.status]

    assert [True, 1, 0, 1] == rt.run(main)


@fact("F3.10")
def test_array_keeps_an_error_set_by_hand(rt):
    """Members' errors come too late then."""

    def main():
        fences = some(2)
        array = FenceArray.create(fences)
        array.enable_signaling()
        array.set_error(-errno.EINTR)
        for fence in fences:
            fail(fence, errno.EIO)
        rt.settle()
        return array.status

    assert -errno.EINTR == rt.run(main)


@fact("F3.14")
def test_array_with_signalling_on_asks_nobody(rt):
    """Members whose driver has to be asked are not; with signalling off they are."""

    def main():
        driver = Driver(enable_signaling=lambda _f: True, signaled=lambda _f: False)
        array = FenceArray.create([pending_of(driver), pending_of(driver)])
        array.is_signaled()
        off = list(driver.calls)
        array.enable_signaling()
        driver.calls.clear()
        array.is_signaled()
        return off, driver.calls, flags(array) & ENABLED

    assert (["signaled"] * 2, [], ENABLED) == rt.run(main)


@fact("F3.15")
def test_array_forwards_deadlines(rt):
    """To every member that is pending."""

    def main():
        told = []
        line = Timeline("gpu", ops=Driver(set_deadline=lambda f, ns: told.append((f.seqno, ns))))
        array = FenceArray.create(line.fence() for _ in range(3))
        array.fences[1].signal()
        array.set_deadline(5)
        return told

    assert [(1, 5), (3, 5)] == rt.run(main)


@fact("F3.16")
def test_match_context_asks_all_members(rt):
    """A plain fence answers for itself; the array's own context does not count."""

    def main():
        gpu = Timeline("gpu")
        same = FenceArray.create([gpu.fence(), gpu.fence()])
        mixed = FenceArray.create([gpu.fence(), pending()])
        fences = (gpu.fence(), same, mixed, pending())
        return [match_context(f, gpu.context) for f in fences], match_context(same, same.context)

    assert ([True, True, False, False], False) == rt.run(main)


@fact("F3.17", "F3.18")
def test_array_first_and_next(rt):
    """The loop over a fence that may be an array sees a plain one once."""

    def main():
        fences = some()
        array, plain = FenceArray.create(fences), pending()
        walked = [array_first(array), *(array_next(array, n) for n in (1, 2, 3))]
        return (
            [fences.index(f) if f is not None else None for f in walked],
            array_first(plain) is plain,
            [array_next(plain, n) for n in (0, 1)],
            array_first(None),
        )

    assert ([0, 1, 2, None], True, [None, None], None) == rt.run(main)


@fact("F3.19")
def test_array_is_known_after_its_signal(rt):
    """Its operations have a release, so they stay."""

    def main():
        array = FenceArray.create(some(1))
        seen = [is_array(array), is_container(array)]
        array.fences[0].signal()
        assert array.is_signaled()
        return [*seen, is_array(array), is_container(array), array.ops is not None], is_array(None)

    assert ([True] * 5, False) == rt.run(main)


@fact("F3.20")
def test_array_allocates_before_it_initialises(rt):
    """One GFP_KERNEL allocation, which may sleep; initialising is for any context."""

    def main():
        asked = no_memory(rt, but=1)
        fences, lock = some(), SpinLock("A")
        array = FenceArray.alloc(3, rt=rt.runtime)
        with lock:
            array.init(fences, context=77, seqno=8)
        return asked, array.context, array.seqno

    assert ([(Gfp.KERNEL, "a dma_fence_array of 3")], 77, 8) == rt.run(main)


@fact("F3.21")
def test_array_without_memory_is_enomem(rt):
    """An error that cannot be overlooked."""

    def main():
        fences = some()
        no_memory(rt)
        with pytest.raises(OSError, match="no memory") as error:
            FenceArray.create(fences)
        return error.value.errno

    assert errno.ENOMEM == rt.run(main)


@fact("F3.23")
def test_array_that_is_enabled_is_released_after_its_signal(rt):
    """The callbacks own a reference: a put before the signal is no broken promise."""

    def main():
        order = []
        line = Timeline("gpu", ops=Driver(release=lambda _f: order.append("released")))
        array = FenceArray.create([line.fence(), line.fence()])
        array.add_callback(lambda _f: order.append("signalled"))
        array.put()
        for fence in array.fences:
            order.append("next")
            fence.signal()
            rt.settle()
        return order

    assert ["next", "next", "signalled", "released", "released"] == rt.run(main)


@fact("F3.23")
def test_array_enabled_and_done_has_the_references_it_had(rt):
    """At once, and after waiting for the irq work."""

    def main():
        done, later = (FenceArray.create(some(2)) for _ in range(2))
        for fence in done.fences:
            fence.signal()
        done.enable_signaling()
        later.enable_signaling()
        armed = [state_of(array).references for array in (done, later)]
        for fence in later.fences:
            fence.signal()
        rt.settle()
        return armed, [state_of(array).references for array in (done, later)]

    assert ([1, 2], [1, 1]) == rt.run(main)


def test_array_dropped_while_waited_for_puts_nothing(live):
    """Dropped is not put: its members keep their counted references (live: the collector)."""
    seen = []

    def main():
        done = pending()

        def build():
            array = FenceArray.create([done, pending()])
            done.signal()
            array.add_callback(lambda _f: seen.append("called"))

        build()
        gc.collect()
        live.runtime.flush()
        live.settle()
        seen.append(state_of(done).references)

    codes = {code for code, _ in live.reports(main)}
    assert {"DF106"} == codes
    assert ["called", 1] == seen


def test_array_by_many_signallers_at_once(rt):
    """Each member is counted once, whoever signals when."""

    def main():
        fences = some(6)
        array, done = FenceArray.create(fences), []
        rt.spawn(lambda: done.append(array.wait()), name="waiter")
        for n, fence in enumerate(fences):
            rt.spawn(fence.signal, name=f"signaller {n}")
        rt.settle()
        return done, array.status

    assert ([True], 1) == rt.run(main)


def test_array_asked_while_it_is_enabled(rt):
    """Asking and enabling at the same time never signals it early, nor not at all."""

    def main():
        fences = some(3)
        array, seen = FenceArray.create(fences), []
        rt.spawn(array.enable_signaling, name="enabler")
        rt.spawn(lambda: seen.append((array.is_signaled(), all(map(is_flagged, fences)))))
        for n, fence in enumerate(fences):
            rt.spawn(fence.signal, name=f"signaller {n}")
        rt.settle()
        return seen, array.is_signaled()

    seen, finally_ = rt.run(main)
    assert seen[0] in [(False, False), (False, True), (True, True)]
    assert finally_
