"""Work items, delayed work, and the queues whose workers run them."""

import pytest

from dmabuf import Status, check_design, design
from dmabuf.rt.api import Kind
from dmabuf.sync.completion import Completion
from dmabuf.sync.context import ALLOCATOR, memalloc_noreclaim
from dmabuf.sync.gfp import Gfp
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.spinlock import SpinLock
from dmabuf.sync.work import current_work
from dmabuf.sync.workqueue import (
    DelayedWork,
    Work,
    WorkQueue,
    schedule_delayed_work,
    schedule_work,
    system_highpri_wq,
    system_unbound_wq,
    system_wq,
)

SOON = 0.001
LATE = 1000.0


def _held_up(rt, queue):
    """An item that runs until the gate is opened, running already; returns (item, gate)."""
    gate, started = Completion("gate"), Completion("started")
    item = Work(lambda: (started.complete(), gate.wait()), "held up")
    queue.queue(item)
    started.wait()
    return item, gate


def _lives(task):
    """Has it not ended?"""
    return task.carrier.is_alive() if hasattr(task.carrier, "is_alive") else not task.finished


# --- running ----------------------------------------------------------------------------------


def test_work_runs_in_process_context_of_a_worker(rt):
    """It may sleep, in another task, which knows what it runs."""

    def main():
        seen, lock = [], Mutex("A")

        def fn():
            with lock:
                task = rt.current()
                seen.append((task is me, task.kind, task.idle, current_work() is work))

        me = rt.current()
        queue, work = WorkQueue("q"), Work(fn, "work")
        answers = queue.queue(work), work.flush()
        return answers, seen, current_work()

    assert ((True, True), [(False, Kind.WORKER, False, True)], None) == rt.run(main)


def test_work_pending_is_not_queued_again(rt):
    """Queued while it runs it runs once more."""

    def main():
        queue, runs = WorkQueue("q", ordered=True), []
        held, gate = _held_up(rt, queue)
        item = Work(lambda: runs.append(1), "item")
        answers = [queue.queue(item), queue.queue(item), queue.queue(held), queue.queue(held)]
        busy = item.is_pending(), held.is_pending(), held.is_busy()
        gate.complete()
        gate.complete()
        queue.flush()
        return answers, busy, list(runs), queue.queue(item)

    assert ([True, False, True, False], (True, True, True), [1], True) == rt.run(main)


def test_work_never_runs_twice_at_once(rt):
    """Queued while it runs it waits for that, although other workers are free."""

    def main():
        queue, other = WorkQueue("q"), []
        held, gate = _held_up(rt, queue)
        queue.queue(held)
        queue.queue(Work(lambda: other.append(held.is_pending()), "other"))
        rt.settle()
        waiting = queue.running
        gate.complete()
        gate.complete()
        held.flush()
        return waiting, other

    assert (1, [True]) == rt.run(main)


def test_work_may_queue_itself(rt):
    """From its own function, as often as it likes."""

    def main():
        queue, runs = WorkQueue("q"), []

        def fn():
            runs.append(1)
            if len(runs) < 3:
                queue.queue(work)

        work = Work(fn)
        queue.queue(work)
        queue.drain()
        return len(runs)

    assert 3 == rt.run(main)


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_work_runs_up_to_max_active_at_a_time(rt, limit):
    """The next one starts when one has ended."""

    def main():
        queue, gate = WorkQueue("q", max_active=limit), Completion("gate")
        items = [Work(gate.wait, str(n)) for n in range(4)]
        for item in items:
            queue.queue(item)
        rt.settle()
        before = queue.running, len(queue.items)
        gate.complete()
        rt.settle()
        after = queue.running, len(queue.items)
        gate.complete_all()
        queue.flush()
        return before, after, queue.running

    assert ((limit, 4 - limit), (limit, 3 - limit), 0) == rt.run(main)


def test_work_of_an_ordered_queue_runs_in_order(rt):
    """First queued, first run, one at a time."""

    def main():
        queue, order = WorkQueue("q", ordered=True), []
        _held, gate = _held_up(rt, queue)
        items = [Work(lambda n=n: order.append((n, queue.running)), str(n)) for n in range(4)]
        for n in (2, 0, 3, 1):
            queue.queue(items[n])
        gate.complete()
        queue.flush()
        return order

    assert [(2, 1), (0, 1), (3, 1), (1, 1)] == rt.run(main)


def test_work_is_queued_in_atomic_context(rt):
    """Under a spinlock."""

    def main():
        queue, ran = WorkQueue("q"), []
        with SpinLock("A"):
            queue.queue(Work(lambda: ran.append(1)))
        queue.flush()
        return ran

    assert [1] == rt.run(main)


def test_work_that_leaves_a_lock_held_warns(rt):
    """A worker goes on to other items, so it must not keep a lock."""

    def main():
        queue = WorkQueue("q")
        work = Work(Mutex("A").lock, "keeps")
        queue.queue(work)
        rt.settle()

    [(code, message)] = rt.reports(main)
    assert "DF004" == code
    assert "keeps returns with A held" in message


def test_work_that_raises_does_not_stop_what_comes_after(live):
    """The worker tells the error and goes on (live only: explored, it is the end)."""

    def main():
        queue, ran = WorkQueue("q"), []
        bad, good = Work(lambda: [].pop(), "bad"), Work(lambda: ran.append(1), "good")
        for _ in range(3):
            queue.queue(bad)
            queue.queue(good)
            queue.flush()
        rt.settle()
        told = [type(error) for error in live.runtime.errors]
        live.runtime.errors.clear()
        return ran, told, queue.running, bad.is_busy()

    rt = live
    assert ([1] * 3, [IndexError] * 3, 0, False) == live.run(main)


def test_work_live_workers_are_reused(live):
    """As many threads as items ran at a time, and a spare one (live only: they are threads)."""

    def main():
        queue = WorkQueue("q")
        for _ in range(20):
            work = Work(lambda: None)
            queue.queue(work)
            work.flush()
        live.settle()
        return len(live.runtime.tasks)

    assert live.run(main) <= 3


# --- flush and cancel -------------------------------------------------------------------------


def test_work_flush_waits_for_the_last_run_asked_for(rt):
    """Not for what is queued afterwards; nothing to wait for answers False."""

    def main():
        queue = WorkQueue("q", ordered=True)
        held, gate = _held_up(rt, queue)
        work = Work(lambda: None, "work")
        idle = work.flush()
        queue.queue(work)
        answers = []
        rt.spawn(lambda: answers.append(work.flush()), name="flusher")
        rt.settle()
        waiting = rt.waiting()
        gate.complete()
        rt.settle()
        return idle, waiting["flusher"], answers, held.is_busy()

    assert (False, "work.flush", [True], False) == rt.run(main)


def test_work_flush_does_not_wait_for_a_later_queueing(rt):
    """An item that queues itself for ever can be flushed."""

    def main():
        queue, gate, started = WorkQueue("q"), Completion("gate"), Completion("started")

        def fn():
            started.complete()
            gate.wait()
            if not stop:
                queue.queue(work)

        stop = []
        work = Work(fn, "again")
        queue.queue(work)
        started.wait()
        flushed = []
        rt.spawn(lambda: flushed.append(work.flush()), name="flusher")
        rt.settle()
        gate.complete()
        started.wait()
        rt.settle()
        answer = list(flushed), work.is_busy()
        stop.append(1)
        gate.complete()
        return answer

    assert ([True], True) == rt.run(main)


def test_work_cancel_takes_it_off_the_queue(rt):
    """It does not wait for a run that has started."""

    def main():
        queue, ran = WorkQueue("q", ordered=True), []
        held, gate = _held_up(rt, queue)
        work = Work(lambda: ran.append(1), "work")
        queue.queue(work)
        answers = [work.cancel(), work.cancel(), held.cancel(), held.is_busy()]
        gate.complete()
        queue.flush()
        return answers, ran

    assert ([True, False, False, True], []) == rt.run(main)


def test_work_cancel_ends_a_flush_of_it(rt):
    """Nothing is left to wait for."""

    def main():
        queue = WorkQueue("q", ordered=True)
        _held, gate = _held_up(rt, queue)
        work = Work(lambda: None, "work")
        queue.queue(work)
        rt.spawn(work.flush, name="flusher")
        rt.settle()
        before = rt.waiting()["flusher"]
        work.cancel()
        rt.settle()
        after = rt.waiting().get("flusher")
        gate.complete()
        return before, after

    assert ("work.flush", None) == rt.run(main)


def test_work_cancel_sync_waits_and_keeps_it_from_being_queued(rt):
    """Meanwhile nobody can queue it, afterwards everybody can."""

    def main():
        queue = WorkQueue("q")
        held, gate = _held_up(rt, queue)
        answers = []
        rt.spawn(lambda: answers.append(held.cancel_sync()), name="canceller")
        rt.settle()
        waiting, queued = rt.waiting()["canceller"], queue.queue(held)
        gate.complete_all()
        rt.settle()
        return waiting, queued, answers, queue.queue(held)

    assert ("work.cancel_sync", False, [False], True) == rt.run(main)


def test_work_disabled_is_not_queued(rt):
    """Depths count; enabling what is enabled warns."""

    def main():
        queue, work = WorkQueue("q"), Work(lambda: None)
        answers = [work.disable(), work.disable_sync(), queue.queue(work), work.enable()]
        answers += [queue.queue(work), work.enable(), queue.queue(work)]
        return answers

    assert [False, False, False, False, False, True, True] == rt.run(main)


def test_work_enable_without_disable_warns(rt):
    """The depth would be negative."""
    assert ["DF004"] == [code for code, _ in rt.reports(lambda: Work(lambda: None).enable())]


@pytest.mark.parametrize(
    "call",
    [
        lambda queue, work: work.flush(),
        lambda queue, work: work.cancel_sync(),
        lambda queue, work: work.disable_sync(),
        lambda queue, work: queue.flush(),
        lambda queue, work: queue.drain(),
        lambda queue, work: queue.destroy(),
    ],
    ids=["flush_work", "cancel_sync", "disable_sync", "flush_workqueue", "drain", "destroy"],
)
def test_work_waits_in_atomic_context_are_reported(rt, call):
    """All of them may sleep."""

    def main():
        queue, work = WorkQueue("q"), Work(lambda: None)
        with SpinLock("A"):
            call(queue, work)

    assert "DF003" in [code for code, _ in rt.reports(main)]


# --- the queue --------------------------------------------------------------------------------


def test_workqueue_flush_waits_for_what_is_queued(rt):
    """Running and pending items, not those of later, nor of other queues."""

    def main():
        queue, other = WorkQueue("q", max_active=2), WorkQueue("other")
        _first, gate = _held_up(rt, queue)
        _foreign, _gate = _held_up(rt, other)
        rt.spawn(queue.flush, name="flusher")
        rt.settle()
        _second, later = _held_up(rt, queue)
        before = rt.waiting()["flusher"]
        gate.complete()
        rt.settle()
        after = rt.waiting().get("flusher")
        later.complete()
        _gate.complete()
        return before, after

    assert ("workqueue.flush", None) == rt.run(main)


def test_workqueue_drained_takes_only_chained_items(rt):
    """Its own items may queue; anybody else's warns."""

    def main():
        queue, ran = WorkQueue("q"), []
        gate, started = Completion("gate"), Completion("started")
        chained = Work(lambda: ran.append("chained"), "chained")

        def fn():
            started.complete()
            gate.wait()
            queue.queue(chained)

        queue.queue(Work(fn, "first"))
        started.wait()
        rt.spawn(queue.drain, name="drainer")
        rt.settle()
        gate.complete()
        rt.settle()
        opened = queue.queue(Work(lambda: ran.append("later"), "later"))
        queue.flush()
        return ran, opened

    assert (["chained", "later"], True) == rt.run(main)


def test_workqueue_drained_refuses_others(rt):
    """That warns (DF004), and the item does not run."""

    def main():
        queue = WorkQueue("q")
        _held, gate = _held_up(rt, queue)
        rt.spawn(queue.drain, name="drainer")
        rt.settle()
        try:
            queue.queue(Work(lambda: None, "other"))
        finally:
            if not rt.explored:
                gate.complete()

    [(code, message)] = rt.reports(main)
    assert "DF004" == code
    assert "other is queued on q, which is drained" in message


def test_workqueue_destroyed_ends_its_workers(rt):
    """What is queued runs first; queueing afterwards warns."""

    def main():
        queue, ran = WorkQueue("q", mem_reclaim=True), []
        for n in range(3):
            queue.queue(Work(lambda n=n: ran.append(n), str(n)))
        queue.destroy()
        rt.settle()
        assert [0, 1, 2] == sorted(ran)
        alive = [t.name for t in rt.runtime.tasks if t.name != "main" and _lives(t)]
        assert [] == alive
        queue.queue(Work(lambda: None, "late"))

    [(code, _)] = rt.reports(main)
    assert "DF004" == code


def test_workqueue_system_queues_exist_once(rt):
    """One of each kind per runtime, on which the `schedule` functions put their items."""

    def main():
        ran, done = [], Completion("done")
        same = [wq() is wq() for wq in queues]
        work = Work(lambda: ran.append(current_work().queue is system_wq()))
        late = DelayedWork(done.complete)
        answers = schedule_work(work), schedule_delayed_work(late, SOON)
        work.flush()
        done.wait()
        return same, answers, ran

    queues = [system_wq, system_highpri_wq, system_unbound_wq]
    assert ([True] * 3, (True, True), [True]) == rt.run(main)


def test_workqueue_system_queue_is_made_by_whoever_needs_it():
    """Every schedule makes the same one, whichever task comes first."""

    @design
    def schedules(machine):
        work, other = Work(lambda: None, "work"), Work(lambda: None, "other")
        machine.kthread(lambda: schedule_work(work) and work.flush(), "t")
        machine.kthread(lambda: schedule_work(other) and other.flush(), "u")

    assert Status.PROVED is check_design(schedules, "schedules").status


# --- delayed work -----------------------------------------------------------------------------


def test_delayed_work_runs_after_its_time(rt):
    """Pending meanwhile, so it is not queued again."""

    def main():
        queue, seen, done = WorkQueue("q"), [], Completion("done")
        work = DelayedWork(lambda: (seen.append(rt.now() >= due), done.complete()), "late")
        due = rt.now() + 1_000_000
        answers = queue.queue_delayed(work, SOON), work.is_pending(), queue.queue(work)
        done.wait()
        return answers[:2], seen

    assert ((True, True), [True]) == rt.run(main)


def test_delayed_work_without_delay_is_queued_at_once(rt):
    """No timer then."""

    def main():
        queue, ran = WorkQueue("q"), []
        work = DelayedWork(lambda: ran.append(1))
        queue.queue_delayed(work, 0)
        queue.flush()
        return ran

    assert [1] == rt.run(main)


def test_delayed_work_mod_moves_it(rt):
    """Later or sooner; it answers whether it was pending."""

    def main():
        queue, done = WorkQueue("q"), Completion("done")
        work = DelayedWork(done.complete)
        answers = [queue.mod_delayed(work, LATE), queue.mod_delayed(work, 2 * LATE)]
        answers.append(queue.mod_delayed(work, 0))
        done.wait()
        return answers

    assert [False, True, True] == rt.run(main)


def test_delayed_work_cancel_and_flush(rt):
    """Cancelled it never runs; flushed it runs at once; a queue's flush leaves it alone."""

    def main():
        queue, ran = WorkQueue("q"), []
        work = DelayedWork(lambda: ran.append(1))
        queue.queue_delayed(work, LATE)
        queue.flush()
        answers = [work.cancel(), work.cancel_sync(), work.is_pending(), work.flush_delayed()]
        queue.queue_delayed(work, LATE)
        answers.append(work.flush_delayed())
        return answers, ran, work.is_busy()

    assert ([True, False, False, False, True], [1], False) == rt.run(main)


def test_delayed_work_of_a_drained_queue_warns_when_its_time_comes(rt):
    """The drain did not wait for it."""

    def main():
        queue, done = WorkQueue("q"), Completion("done")
        queue.queue_delayed(DelayedWork(lambda: None, "late"), SOON)
        queue.destroy()
        done.wait(timeout=0.05)

    [(code, message)] = rt.reports(main)
    assert "DF004" == code
    assert "late is queued on q, which is drained" in message


# --- memory -----------------------------------------------------------------------------------


def _say_no(rt, calls):
    def answer(gfp, what):
        calls.append((gfp, what, rt.current().name))
        return False

    return answer


@pytest.mark.parametrize("rescuer", [False, True])
def test_workqueue_without_memory_stalls_unless_it_has_a_rescuer(rt, rescuer):
    """The manager asks, never the queuer; the rescuer runs the items one by one."""

    def main():
        calls, ran = [], []
        rt.runtime.extras[ALLOCATOR] = _say_no(rt, calls)
        queue = WorkQueue("q", mem_reclaim=rescuer)
        items = [
            Work(lambda n=n: ran.append((n, rt.current().name[:7], queue.running)), str(n))
            for n in range(2)
        ]
        for item in items:
            queue.queue(item)
        rt.settle()
        left = [item.is_pending() for item in items]
        for item in items:
            item.cancel()
        return ran, left, {(gfp, what, name[:7]) for gfp, what, name in calls}

    ran, left, calls = rt.run(main)
    rescued = [(0, "rescuer", 1), (1, "rescuer", 1)]
    assert (rescued if rescuer else []) == ran
    assert ([False] * 2 if rescuer else [True] * 2) == left
    assert {(Gfp.KERNEL, "a worker", "kworker")} == calls


def test_workqueue_with_memory_that_comes_runs_its_items(rt):
    """A worker that goes on needs no new one."""

    def main():
        calls, ran = [], []
        rt.runtime.extras[ALLOCATOR] = lambda gfp, what: calls.append(what) is None
        queue = WorkQueue("q", ordered=True)
        for n in range(3):
            queue.queue(Work(lambda n=n: ran.append(n), str(n)))
        queue.flush()
        return ran, 1 <= len(calls) <= 3

    assert ([0, 1, 2], True) == rt.run(main)


@pytest.mark.parametrize("by_scope", [False, True])
def test_workqueue_for_reclaim_must_not_flush_another(rt, by_scope):
    """Who frees memory, or has a rescuer, warns when it waits for a queue without one."""

    def main():
        plain, reclaim = WorkQueue("plain"), WorkQueue("reclaim", mem_reclaim=True)
        if by_scope:
            with memalloc_noreclaim():
                plain.flush()
        else:
            work = Work(plain.flush, "frees")
            reclaim.queue(work)
            work.flush()

    assert "DF004" in [code for code, _ in rt.reports(main)]


# --- explored ---------------------------------------------------------------------------------


def _codes(fn):
    verdict = check_design(design(fn), fn.__name__)
    return [finding.code for finding in verdict.findings], verdict.status


@pytest.mark.parametrize("call", ["flush", "cancel_sync", "disable_sync"])
def test_work_waiting_for_itself_deadlocks(call):
    """From its own function."""

    def waits(machine):
        queue = WorkQueue("q")
        work = Work(lambda: getattr(work, call)(), "work")
        machine.kthread(lambda: queue.queue(work), "t")

    assert (["DF001"], Status.VIOLATED) == _codes(waits)


@pytest.mark.parametrize("call", ["flush", "cancel_sync", "disable_sync"])
@pytest.mark.parametrize("held", [False, True])
def test_work_waited_for_under_the_lock_it_takes_deadlocks(call, held):
    """Unless the lock is dropped before."""

    def waits(machine):
        queue, lock = WorkQueue("q"), Mutex("L")

        def fn():
            with lock:
                pass

        work = Work(fn, "work")

        def remove():
            queue.queue(work)
            if held:
                with lock:
                    getattr(work, call)()
            else:
                with lock:
                    pass
                getattr(work, call)()

        machine.kthread(remove)

    assert ((["DF001"], Status.VIOLATED) if held else ([], Status.PROVED)) == _codes(waits)


@pytest.mark.parametrize("ordered", [False, True])
def test_work_flushing_one_behind_it_deadlocks_on_an_ordered_queue(ordered):
    """One with more workers runs both."""

    def waits(machine):
        queue = WorkQueue("q", ordered=ordered)
        behind = Work(lambda: None, "behind")
        first = Work(behind.flush, "first")

        def submit():
            queue.queue(first)
            queue.queue(behind)
            first.flush()

        machine.kthread(submit)

    assert ((["DF001"], Status.VIOLATED) if ordered else ([], Status.PROVED)) == _codes(waits)


@pytest.mark.parametrize(("own", "call"), [(True, "flush"), (True, "drain"), (False, "flush")])
def test_workqueue_flushed_from_its_own_item_deadlocks(own, call):
    """Flushing another queue is fine."""

    def waits(machine):
        queue = WorkQueue("q", ordered=True)
        target = queue if own else WorkQueue("other", ordered=True)
        work = Work(lambda: getattr(target, call)(), "work")
        machine.kthread(lambda: queue.queue(work), "t")

    assert ((["DF001"], Status.VIOLATED) if own else ([], Status.PROVED)) == _codes(waits)


def test_work_never_overlaps_itself_in_any_schedule():
    """Queued by two tasks onto a queue with many workers."""
    overlaps = []

    def twice(machine):
        queue, inside, pause = WorkQueue("q"), [], SpinLock("pause")

        def fn():
            inside.append(1)
            overlaps.append(len(inside))
            with pause:
                pass
            inside.pop()

        work = Work(fn, "work")
        for n in range(2):
            machine.kthread(lambda: queue.queue(work), f"t{n}")

    assert ([], Status.PROVED) == _codes(twice)
    assert {1} == set(overlaps)


@pytest.mark.parametrize("rescuer", [False, True])
def test_workqueue_that_stalls_is_a_finding_when_somebody_waits(rescuer):
    """A flush of a queue without a rescuer and without memory never ends."""

    def stalls(machine):
        machine.rt.extras[ALLOCATOR] = lambda gfp, what: False
        queue, work = WorkQueue("q", mem_reclaim=rescuer), Work(lambda: None, "work")
        machine.kthread(lambda: queue.queue(work) and work.flush(), "t")

    codes, status = _codes(stalls)
    assert (Status.PROVED if rescuer else Status.VIOLATED) is status
    assert ([] if rescuer else ["DF001"]) == codes
