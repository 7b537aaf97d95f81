"""dma_fence: callbacks, and turning signalling on."""

import errno

import pytest

from dmabuf._names import KERNEL_NAMES
from dmabuf.core.fence_steps import ENABLED, SIGNALED, state_of
from dmabuf.core.timeline import Timeline
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SpinLock
from tests.core.drivers import Driver, flags, pending, pending_of
from tests.facts import fact


@fact("F1.30")
def test_callbacks_run_in_order_of_adding(rt):
    """First added, first called."""

    def main():
        fence, order = pending(), []
        for number in range(5):
            fence.add_callback(lambda _f, n=number: order.append(n))
        fence.signal()
        return order

    assert [0, 1, 2, 3, 4] == rt.run(main)


@fact("F1.31")
def test_callbacks_run_in_the_signallers_context(rt):
    """The task that signals calls them, not the one that added them."""

    def main():
        fence, seen = pending(), []
        fence.add_callback(lambda _f: seen.append(rt.current().name))
        rt.spawn(fence.signal, name="signaller")
        rt.settle()
        return seen

    assert ["signaller"] == rt.run(main)


@fact("F1.32", "F1.33")
@pytest.mark.parametrize("external", [False, True])
def test_callbacks_run_under_the_lock_with_interrupts_off(rt, external):
    """During a callback the signaller holds the fence's lock and is atomic; afterwards not."""

    def main():
        lock = SpinLock("ring") if external else None
        fence, seen = Timeline("gpu", lock=lock).fence(), []

        def look(_fence=None):
            task = rt.current()
            seen.append((fence.lock.owner is task, task.irqs_off, task.atomic, len(task.held)))

        fence.add_callback(look)
        fence.signal()
        look()
        return seen

    assert [(True, 1, 1, 1), (False, 0, 0, 0)] == rt.run(main)


@fact("F1.32")
def test_callbacks_keep_others_from_the_lock(rt):
    """A callback that spins on another lock keeps the fence's lock meanwhile."""

    def main():
        fence, gate = pending(), SpinLock("gate")
        fence.add_callback(lambda _f: gate.lock() or gate.unlock())
        lock = fence.lock
        gate.lock()
        rt.spawn(fence.signal, name="signaller")
        rt.settle()
        rt.spawn(lambda: lock.lock() or lock.unlock(), name="other")
        rt.settle()
        held_up = rt.waiting()
        gate.unlock()
        rt.settle()
        return held_up, rt.waiting()

    assert ({"signaller": "spinlock.lock", "other": "spinlock.lock"}, {}) == rt.run(main)


@fact("F1.34")
def test_callback_is_off_the_list_before_it_runs(rt):
    """A running callback is queued no more; those after it still are."""

    def main():
        fence, seen = pending(), []
        handles = [
            fence.add_callback(lambda _f: seen.append([handle.queued for handle in handles]))
            for _ in range(3)
        ]
        fence.signal()
        return seen

    assert [[False, True, True], [False, False, True], [False] * 3] == rt.run(main)


@fact("F1.35")
def test_callback_list_is_detached_before_the_first_runs(rt):
    """A callback finds the fence signalled: what it adds is refused and never runs."""

    def main():
        fence, seen = pending(), []
        fence.add_callback(lambda f: seen.append((f.add_callback(seen.append), f.is_signaled())))
        fence.signal()
        return seen, state_of(fence).callbacks

    assert ([(None, True)], None) == rt.run(main)


@fact("F1.36", "F1.37")
def test_callbacks_run_between_a_waiters_waking_and_its_return(rt):
    """While a callback runs a waiter is awake already, but has to wait for the lock."""

    def main():
        fence, gate, order = pending(), SpinLock("gate"), []

        def callback(_fence):
            gate.lock()
            order.append("callback")
            gate.unlock()

        fence.add_callback(callback)
        rt.spawn(lambda: order.append(fence.wait()), name="waiter")
        rt.settle()
        asleep = rt.waiting()
        gate.lock()
        rt.spawn(fence.signal, name="signaller")
        rt.settle()
        held_up = rt.waiting()
        gate.unlock()
        rt.settle()
        return asleep, held_up, order

    asleep, held_up, order = rt.run(main)
    assert {"waiter": "fence.wait"} == asleep
    assert {"waiter": "fence.settle", "signaller": "spinlock.lock"} == held_up
    assert ["callback", True] == order


def test_callbacks_all_run_though_one_raises(rt):
    """What a callback raises comes out of the signal, after the others have run."""

    def main():
        fence, seen, task = pending(), [], rt.current()
        fence.add_callback(lambda _f: seen.append("a"))
        fence.add_callback(lambda _f: [].pop())
        fence.add_callback(lambda _f: seen.append("c"))
        with pytest.raises(IndexError):
            fence.signal()
        return seen, fence.lock.owner, task.irqs_off, task.atomic, bool(task.signalling)

    assert (["a", "c"], None, 0, 0, False) == rt.run(main)


def test_callbacks_may_signal_another_fence(rt):
    """A signal from a callback nests; each fence's callbacks run once."""

    def main():
        a, b, order = pending(), pending(), []
        a.add_callback(lambda _f: b.signal())
        a.add_callback(lambda _f: order.append("a"))
        b.add_callback(lambda _f: order.append("b"))
        a.signal()
        task = rt.current()
        return order, task.irqs_off, task.atomic, bool(task.signalling)

    assert (["b", "a"], 0, 0, False) == rt.run(main)


@fact("F1.40")
def test_add_callback_answers_a_handle_and_it_runs_once(rt):
    """A callback added in time is called once, with its fence."""

    def main():
        fence, calls = pending(), []
        handle = fence.add_callback(calls.append)
        queued = handle.queued
        fence.signal()
        fence.signal()
        return queued, handle.queued, calls == [fence]

    assert (True, False, True) == rt.run(main)


@fact("F1.40", "F1.41")
def test_add_callback_racing_with_the_signal_is_called_exactly_if_queued(rt):
    """Whoever gets a handle is called, whoever does not is not: none is lost or doubled."""

    def main():
        fence, calls, handles = pending(), Shared(0, "calls"), []

        def add():
            handles.extend(fence.add_callback(lambda _f: calls.add(1)) for _ in range(10))

        for _ in range(3):
            rt.spawn(add, name="adder")
        rt.spawn(fence.signal, name="signaller")
        rt.settle()
        return calls.read() == sum(handle is not None for handle in handles), len(handles)

    assert (True, 30) == rt.run(main)


@fact("F1.41")
def test_add_callback_to_a_signalled_fence_adds_nothing(rt):
    """Too late is None, and the function is never called."""

    def main():
        fence, calls = pending(), []
        fence.signal()
        return fence.add_callback(calls.append), calls

    assert (None, []) == rt.run(main)


@fact("F1.42")
@pytest.mark.parametrize("what", [None, 3, "print"])
def test_add_callback_of_no_function_is_einval(rt, what):
    """Only what can be called is a callback."""

    def main():
        fence = pending()
        with pytest.raises(OSError, match="a callback is a function") as refused:
            fence.add_callback(what)
        return refused.value.errno, state_of(fence).callbacks

    assert (errno.EINVAL, []) == rt.run(main)


@fact("F1.43")
def test_add_callback_turns_signalling_on_first(rt):
    """When the driver's hook runs the callback is not queued yet."""

    def main():
        seen = []
        driver = Driver(enable_signaling=lambda f: seen.append(list(state_of(f).callbacks)) or True)
        fence = pending_of(driver)
        handle = fence.add_callback(lambda _f: None)
        return seen, handle.queued, flags(fence) & ENABLED

    assert ([[]], True, ENABLED) == rt.run(main)


@fact("F1.44", "F1.52")
def test_add_callback_where_the_driver_says_done_signals_the_fence(rt):
    """A false answer of the enable hook signals the fence, and nothing is added."""

    def main():
        fence, calls = pending_of(Driver(enable_signaling=lambda _f: False)), []
        return fence.add_callback(calls.append), fence.is_signaled(), calls

    assert (None, True, []) == rt.run(main)


def test_add_callback_survives_a_hook_that_signals_itself(rt):
    """A hook that signals the fence and answers true anyway loses no callback."""

    def main():
        fence = pending_of(Driver(enable_signaling=lambda f: f.signal_locked() or True))
        calls = []
        return fence.add_callback(calls.append), fence.is_signaled(), calls

    assert (None, True, []) == rt.run(main)


@fact("F1.45")
def test_remove_callback_in_time_keeps_it_from_running(rt):
    """A queued callback that is taken back is not called."""

    def main():
        fence, calls = pending(), []
        first, second = fence.add_callback(calls.append), fence.add_callback(calls.append)
        removed = fence.remove_callback(first)
        fence.signal()
        return removed, first.queued, second.queued, len(calls)

    assert (True, False, False, 1) == rt.run(main)


@fact("F1.46")
def test_remove_callback_too_late_answers_false(rt):
    """What was removed, or has run, cannot be removed again."""

    def main():
        fence = pending()
        removed, ran = (fence.add_callback(lambda _f: None) for _ in range(2))
        fence.remove_callback(removed)
        again = fence.remove_callback(removed)
        fence.signal()
        return again, fence.remove_callback(removed), fence.remove_callback(ran)

    assert (False, False, False) == rt.run(main)


@fact("F1.45", "F1.46")
def test_remove_callback_racing_with_the_signal_answers_the_truth(rt):
    """Each callback either ran or was removed, and the answer says which."""

    def main():
        fence, ran = pending(), []
        handles = [fence.add_callback(lambda _f, n=n: ran.append(n)) for n in range(10)]
        removed = []

        def remove():
            removed.extend(n for n in range(10) if fence.remove_callback(handles[n]))

        rt.spawn(remove, name="remover")
        rt.spawn(fence.signal, name="signaller")
        rt.settle()
        return sorted(ran + removed)

    assert list(range(10)) == rt.run(main)


def test_remove_callback_waits_for_running_callbacks(rt):
    """Whoever gets a false answer knows that the callback has ended."""

    def main():
        fence, gate, order = pending(), SpinLock("gate"), []

        def callback(_fence):
            gate.lock()
            gate.unlock()
            order.append("callback ended")

        handle = fence.add_callback(callback)
        gate.lock()
        rt.spawn(fence.signal, name="signaller")
        rt.settle()
        rt.spawn(lambda: order.append(fence.remove_callback(handle)), name="remover")
        rt.settle()
        gate.unlock()
        rt.settle()
        return order

    assert ["callback ended", False] == rt.run(main)


@pytest.mark.parametrize("call", ["add_callback", "enable_signaling", "remove_callback"])
def test_callbacks_changed_by_a_holder_of_the_lock_are_reported(rt, call):
    """These take the fence's lock, so its holder would spin for ever on itself."""

    def main():
        line = Timeline("gpu", lock=SpinLock("ring"))
        fence, sibling = line.fence(), line.fence()
        handle = fence.add_callback(lambda _f: None)
        argument = {"add_callback": [print], "remove_callback": [handle]}.get(call, [])
        sibling.add_callback(lambda _f: getattr(fence, call)(*argument))
        sibling.signal()

    assert ["DF004"] == [code for code, _ in rt.reports(main)]


@fact("F1.50")
def test_enable_hook_is_called_at_most_once(rt):
    """However many enable, add and wait, also at the same time."""

    def main():
        driver = Driver(enable_signaling=lambda _f: True)
        fence = pending_of(driver)
        for _ in range(3):
            rt.spawn(fence.enable_signaling)
            rt.spawn(lambda: fence.add_callback(lambda _f: None))
            rt.spawn(fence.wait)
        rt.settle()
        fence.signal()
        fence.enable_signaling()
        return driver.calls

    assert ["enable_signaling"] == rt.run(main)


@fact("F1.50")
def test_enable_hook_is_not_called_after_the_signal(rt):
    """A signalled fence has nothing to enable."""

    def main():
        driver = Driver(enable_signaling=lambda _f: True)
        fence = pending_of(driver)
        fence.signal()
        fence.enable_signaling()
        fence.add_callback(lambda _f: None)
        fence.wait()
        return driver.calls

    assert [] == rt.run(main)


@fact("F1.51")
@pytest.mark.parametrize("call", ["enable_signaling", "add_callback", "wait"])
def test_enable_hook_runs_under_the_lock(rt, call):
    """The hook's caller holds the fence's lock with interrupts off, and not afterwards."""

    def main():
        seen = []

        def look(fence):
            task = rt.current()
            seen.append((fence.lock.owner is task, task.irqs_off, task.atomic))
            return False

        fence = pending_of(Driver(enable_signaling=look))
        getattr(fence, call)(*([print] if call == "add_callback" else []))
        look(fence)
        return seen

    assert [(True, 1, 1), (False, 0, 0)] == rt.run(main)


@fact("F1.52")
def test_enable_hook_that_says_done_signals_at_once(rt):
    """A false answer runs the callbacks and wakes the waiters there and then."""

    def main():
        fence = pending_of(Driver(enable_signaling=lambda _f: False))
        fence.enable_signaling()
        return fence.is_signaled(), fence.wait(0), flags(fence) & SIGNALED

    assert (True, True, SIGNALED) == rt.run(main)


@fact("F1.53")
def test_enable_without_a_hook_is_always_on(rt):
    """Nobody has to be asked: enabling only sets the flag, and the signal comes anyhow."""

    def main():
        fence, calls = pending_of(Driver()), []
        fence.enable_signaling()
        enabled = flags(fence)
        fence.add_callback(calls.append)
        fence.signal()
        return enabled, len(calls)

    assert (ENABLED, 1) == rt.run(main)


@fact("F1.54")
def test_enable_is_known_by_both_kernel_names():
    """7.3 dropped the `sw_`; both names lead to the one method."""
    names = ("dma_fence_enable_signaling", "dma_fence_enable_sw_signaling")

    assert 1 == len({KERNEL_NAMES[name].where for name in names})
