"""irq_work: work put off to interrupt context."""

import weakref

import pytest

from dmabuf.sync.completion import Completion
from dmabuf.sync.irq_work import IrqWork
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SpinLock


def test_irq_work_runs_in_irq_context_of_another_task(rt):
    """Not in the caller's: in a helper that is atomic while it runs, and idle otherwise."""

    def main():
        seen = []

        def work():
            task = rt.current()
            seen.append((task.in_irq, task.is_atomic, task.idle, task is helper))

        helper = None
        item = IrqWork(work, "work")
        queued = item.queue()
        helper = rt.runtime.service("irq_work", lambda: None)
        item.sync()
        rt.settle()
        return queued, seen, (helper.in_irq, helper.is_atomic, helper.idle)

    queued, [seen], after = rt.run(main)
    assert queued is True
    assert (True, True, False) == seen[:3]
    assert (False, False, True) == after


def test_irq_work_pending_is_not_queued_again(rt):
    """Queued twice before it runs it runs once; queued while it runs it runs again."""

    def main():
        gate, runs = SpinLock("gate"), []
        blocker = IrqWork(lambda: gate.lock() or gate.unlock(), "blocker")
        item = IrqWork(lambda: runs.append(item.pending), "item")
        gate.lock()
        blocker.queue()
        rt.settle()
        answers = [item.queue(), item.queue(), item.queue(), blocker.queue()]
        gate.unlock()
        rt.settle()
        ran = list(runs)
        return answers, ran, item.queue()

    assert ([True, False, False, True], [False], True) == rt.run(main)


def test_irq_work_runs_in_order_of_queueing(rt):
    """First queued, first run."""

    def main():
        order = []
        items = [IrqWork(lambda n=n: order.append(n), str(n)) for n in range(4)]
        for item in (items[2], items[0], items[3], items[1]):
            item.queue()
        rt.settle()
        return order

    assert [2, 0, 3, 1] == rt.run(main)


def test_irq_work_may_queue_itself(rt):
    """Queued from its own function it runs again."""

    def main():
        runs = []

        def work():
            runs.append(1)
            if len(runs) < 3:
                item.queue()

        item = IrqWork(work)
        item.queue()
        rt.settle()
        item.sync()
        return len(runs)

    assert 3 == rt.run(main)


def test_irq_work_sync_waits_until_it_has_run(rt):
    """Neither pending nor running afterwards; idle work is not waited for."""

    def main():
        gate, ran = SpinLock("gate"), Shared(False, "ran")

        def work():
            with gate:
                ran.write(True)

        item = IrqWork(work)
        item.sync()
        gate.lock()
        item.queue()
        rt.settle()
        rt.spawn(item.sync, name="syncer")
        rt.settle()
        waiting = rt.waiting()
        gate.unlock()
        item.sync()
        return waiting["syncer"], ran.read(), item.pending, item.busy

    assert ("irq_work.sync", True, False, False) == rt.run(main)


def test_irq_work_sync_in_atomic_context_is_reported(rt):
    """It may sleep."""

    def main():
        with SpinLock("A"):
            IrqWork(lambda: None).sync()

    assert ["DF003"] == [code for code, _ in rt.reports(main)]


def test_irq_work_that_sleeps_is_reported(rt):
    """Irq context is atomic."""

    def main():
        IrqWork(Completion("done").wait, "sleeper").queue()
        rt.settle()

    [(code, message)] = rt.reports(main)
    assert "DF003" == code
    assert "runs as an interrupt handler" in message


def test_irq_work_is_queued_in_atomic_context(rt):
    """Under a spinlock and from irq context."""

    def main():
        ran = []
        inner = IrqWork(lambda: ran.append("inner"))
        outer = IrqWork(lambda: ran.append(("outer", inner.queue())))
        with SpinLock("A"):
            outer.queue()
        rt.settle()
        return ran

    assert [("outer", True), "inner"] == rt.run(main)


def test_irq_work_that_raises_does_not_stop_what_comes_after(live):
    """The helper tells the error and goes on (live only: explored, it is the end)."""

    def main():
        ran = []
        bad = IrqWork(lambda: [].pop(), "bad")
        good = IrqWork(lambda: ran.append(rt.current().in_irq), "good")
        rt = live.runtime
        for _ in range(5):
            bad.queue()
            good.queue()
            bad.sync()
            good.sync()
        told = [type(error) for error in rt.errors]
        rt.errors.clear()
        return ran, bad.busy, told

    assert ([True] * 5, False, [IndexError] * 5) == live.run(main)


@pytest.mark.parametrize("count", [1, 3])
def test_irq_work_of_a_runtime_has_one_helper(rt, count):
    """However many items there are."""

    def main():
        for _ in range(count):
            IrqWork(lambda: None).queue()
        rt.settle()
        return [task.name for task in rt.runtime.tasks if task.name != "main"]

    assert ["irq_work"] == rt.run(main)


def test_irq_work_that_is_done_is_not_kept(live):
    """What the work referred to can be collected at once (live: explored runs keep objects)."""

    class Load:
        """Something large."""

        def fill(self):
            """The work."""

    def main():
        load = Load()
        gone = weakref.ref(load)
        work = IrqWork(load.fill, "work")
        work.queue()
        live.settle()
        del work, load
        return gone() is None

    assert live.run(main)
