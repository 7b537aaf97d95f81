"""RCU: readers, grace periods, callbacks, and what is freed after them."""

import pytest

from dmabuf import Mutex, Status, check_design, design
from dmabuf.sync.completion import Completion
from dmabuf.sync.rcu import (
    RcuHead,
    RcuPointer,
    call_rcu,
    rcu_barrier,
    rcu_read_lock,
    rcu_read_lock_held,
    synchronize_rcu,
)
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SpinLock


def test_rcu_reader_is_atomic_and_sections_nest(rt):
    """From the first lock to the last unlock."""

    def main():
        seen = [rcu_read_lock_held()]
        with rcu_read_lock():
            with rcu_read_lock():
                seen.append(rt.current().is_atomic)
            seen += [rcu_read_lock_held(), rt.current().is_atomic]
        return [*seen, rcu_read_lock_held(), rt.current().is_atomic, rt.current().held]

    assert [False, True, True, True, False, False, {}] == rt.run(main)


def test_rcu_reader_that_sleeps_is_reported(rt):
    """The message says why it may not."""

    def main():
        with rcu_read_lock():
            Mutex("A").lock()

    [(code, message)] = rt.reports(main)
    assert "DF003" == code
    assert "is inside rcu_read_lock" in message


@pytest.mark.parametrize("call", [synchronize_rcu, rcu_barrier])
def test_rcu_wait_inside_a_reader_is_reported(rt, call):
    """It would wait for itself."""

    def main():
        with rcu_read_lock():
            call()

    assert "DF003" in [code for code, _ in rt.reports(main)]


def test_synchronize_rcu_waits_for_readers_of_old_only(rt):
    """One that begins later does not keep it."""

    def main():
        gates = [SpinLock("first"), SpinLock("second")]
        inside = [Completion("in first"), Completion("in second")]

        def holder():
            for gate in gates:
                gate.lock()
            release.append(1)
            while len(release) < 2:
                rt.nap(0.001)
            gates[0].unlock()
            while len(release) < 3:
                rt.nap(0.001)
            gates[1].unlock()
            over.complete()

        def reader(n):
            with rcu_read_lock():
                inside[n].complete()
                with gates[n]:
                    pass

        release, over = [], Completion("over")
        rt.spawn(holder, name="holder")
        while not release:
            rt.nap(0.001)
        rt.spawn(lambda: reader(0), name="first")
        inside[0].wait()
        synced = []
        rt.spawn(lambda: (synchronize_rcu(), synced.append(1)), name="updater")
        while "updater" not in rt.waiting():
            rt.nap(0.001)
        rt.spawn(lambda: reader(1), name="second")
        inside[1].wait()
        before, op = list(synced), rt.waiting().get("updater")
        release.append(1)
        while not synced:
            rt.nap(0.001)
        still = rt.waiting().get("second")
        release.append(1)
        over.wait()
        return before, op, still

    assert ([], "rcu.synchronize", "spinlock.lock") == rt.run(main)


def test_synchronize_rcu_without_readers_returns(rt):
    """There is nobody to wait for."""
    assert rt.run(synchronize_rcu) is None


def test_call_rcu_runs_in_softirq_context_after_the_readers(rt):
    """In order; the caller, although a reader, does not wait."""

    def main():
        seen = []

        def callback(n):
            task = rt.current()
            seen.append((n, task.is_atomic, task.in_irq, task is me))

        me = rt.current()
        with rcu_read_lock():
            call_rcu(lambda: callback(0))
            call_rcu(lambda: callback(1))
            rt.settle()
            early = list(seen)
        rcu_barrier()
        return early, seen

    assert ([], [(0, True, False, False), (1, True, False, False)]) == rt.run(main)


def test_rcu_barrier_without_callbacks_does_not_wait_for_readers(rt):
    """It is no grace period."""

    def main():
        ready, gate = Completion("ready"), SpinLock("gate")

        def reader():
            with rcu_read_lock():
                ready.complete()
                with gate:
                    pass

        gate.lock()
        rt.spawn(reader, name="reader")
        while not ready.try_wait():
            rt.nap(0.001)
        passed = []
        rt.spawn(lambda: (rcu_barrier(), passed.append(1)), name="barrier")
        rt.settle()
        answer = list(passed), rt.waiting()
        gate.unlock()
        return answer

    assert ([1], {"reader": "spinlock.lock"}) == rt.run(main)


def test_rcu_pointer_is_dereferenced_by_readers_and_lock_holders(rt):
    """Both see what was assigned last."""

    def main():
        cell, lock = RcuPointer("a", "cell"), SpinLock("lock")
        with rcu_read_lock():
            first = cell.dereference()
        cell.assign("b")
        with lock:
            second = cell.dereference_protected(lock)
        return first, second, cell.replace("c"), cell.access()

    assert ("a", "b", "b", "c") == rt.run(main)


@pytest.mark.parametrize("protected", [False, True])
def test_rcu_pointer_unprotected_dereference_is_reported(rt, protected):
    """Neither a reader nor the lock's holder may be sure of what it finds."""

    def main():
        cell = RcuPointer("a", "cell")
        return cell.dereference_protected(SpinLock("L")) if protected else cell.dereference()

    [(code, message)] = rt.reports(main)
    assert "DF004" == code
    assert "dereferences cell" in message


@pytest.mark.parametrize("call", ["read", "free"])
def test_rcu_head_freed_is_used_no_more(rt, call):
    """Use after free and double free are reported."""

    def main():
        head = RcuHead(1, "head")
        assert head.read() == 1
        head.free()
        getattr(head, call)()

    [(code, message)] = rt.reports(main)
    assert "DF004" == code
    assert "head, which is freed" in message


def test_rcu_head_kfree_rcu_frees_after_the_readers(rt):
    """The updater may be a reader itself."""

    def main():
        head = RcuHead(1, "head")
        with rcu_read_lock():
            head.kfree_rcu()
            rt.settle()
            value = head.read()
        rcu_barrier()
        return value, head.is_freed

    assert (1, True) == rt.run(main)


# --- explored ---------------------------------------------------------------------------------


def _updating(free):
    @design
    def updates(machine):
        old = RcuHead("old", "old")
        cell = RcuPointer(old, "cell")

        def read():
            with rcu_read_lock():
                head = cell.dereference()
                if head is not None:
                    head.read()

        def update():
            cell.assign(None)
            free(old)

        machine.kthread(read, "reader")
        machine.kthread(update, "updater")

    return check_design(updates, "updates")


def _synchronous(head):
    synchronize_rcu()
    head.free()


@pytest.mark.parametrize("free", [_synchronous, RcuHead.kfree_rcu])
def test_rcu_free_after_a_grace_period_is_proved(free):
    """No reader meets what is freed."""
    assert Status.PROVED is _updating(free).status


@pytest.mark.parametrize("free", [RcuHead.free, lambda head: rcu_barrier() or head.free()])
def test_rcu_free_without_a_grace_period_is_found(free):
    """A barrier is none."""
    verdict = _updating(free)

    assert ["DF004"] == [finding.code for finding in verdict.findings]
    assert "reader uses old, which is freed" in verdict.findings[0].message


def test_synchronize_rcu_before_the_removal_is_found():
    """A reader that begins after the grace period may still find the object."""

    @design
    def wrong_order(machine):
        old = RcuHead("old", "old")
        cell = RcuPointer(old, "cell")

        def read():
            with rcu_read_lock():
                head = cell.dereference()
                if head is not None:
                    head.read()

        def update():
            synchronize_rcu()
            cell.assign(None)
            old.free()

        machine.kthread(read, "reader")
        machine.kthread(update, "updater")

    assert ["DF004"] == [f.code for f in check_design(wrong_order, "wrong_order").findings]


def test_synchronize_rcu_waits_for_ever_for_a_reader_that_never_leaves():
    """The reader spins for a lock whose holder is gone."""

    @design
    def hangs(machine):
        lock, inside = SpinLock("L"), Shared(False, "inside")
        RcuPointer(None, "cell")

        def read():
            with rcu_read_lock():
                inside.write(True)
                with lock:
                    pass

        machine.kthread(lambda: lock.lock(), "keeper")
        machine.kthread(read, "reader")
        machine.kthread(synchronize_rcu, "updater")

    verdict = check_design(hangs, "hangs")

    assert Status.VIOLATED is verdict.status
