"""DF001, DF107: work, timers, handlers, and who waits for their end."""

from __future__ import annotations

from dmabuf.core.timeline import Timeline
from dmabuf.machine import Machine
from dmabuf.sync.completion import Completion
from dmabuf.sync.context import signalling
from dmabuf.sync.kthread import Kthread
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.spinlock import SpinLock
from dmabuf.sync.work import Work
from dmabuf.sync.workqueue import WorkQueue
from tests.contract.case import handle, in_turn
from tests.support import Ground


def flush_under_a_lock_that_the_item_takes(rt: Ground) -> None:
    queue, lock = WorkQueue("q"), Mutex("A")

    def item() -> None:
        with lock:
            pass

    work = Work(item, "item")
    queue.queue(work)
    rt.settle()
    with lock:
        work.flush()  # expect: DF001


def flush_without_the_lock(rt: Ground) -> None:
    queue, lock = WorkQueue("q"), Mutex("A")

    def item() -> None:
        with lock:
            pass

    work = Work(item, "item")
    queue.queue(work)
    rt.settle()
    with lock:
        pass
    work.flush()


def cancel_sync_under_a_lock_that_the_item_takes(rt: Ground) -> None:
    queue, lock = WorkQueue("q"), Mutex("A")

    def item() -> None:
        with lock:
            pass

    work = Work(item, "item")
    queue.queue(work)
    rt.settle()
    with lock:
        work.cancel_sync()  # expect: DF001


def cancel_under_a_lock_that_the_item_takes(rt: Ground) -> None:
    queue, lock = WorkQueue("q"), Mutex("A")

    def item() -> None:
        with lock:
            pass

    work = Work(item, "item")
    queue.queue(work)
    rt.settle()
    with lock:
        work.cancel()


def flush_of_the_queue_under_a_lock_that_an_item_takes(rt: Ground) -> None:
    queue, lock = WorkQueue("q"), Mutex("A")

    def item() -> None:
        with lock:
            pass

    queue.queue(Work(item, "item"))
    rt.settle()
    with lock:
        queue.flush()  # expect: DF001


def flush_of_another_queue(rt: Ground) -> None:
    queue, other, lock = WorkQueue("q"), WorkQueue("other"), Mutex("A")

    def item() -> None:
        with lock:
            pass

    queue.queue(Work(item, "item"))
    rt.settle()
    with lock:
        other.flush()


def flush_of_an_idle_item_by_another(rt: Ground) -> None:
    queue = WorkQueue("q", max_active=2)
    late: list[Work] = []

    def one() -> None:
        late[0].flush()

    def other() -> None:
        late[1].flush()  # expect: DF001

    late += [Work(other, "other"), Work(one, "one")]
    for work in reversed(late):
        queue.queue(work)
        rt.settle()


def thread_stopped_under_a_lock_that_it_takes(rt: Ground) -> None:
    lock = Mutex("A")

    def body() -> None:
        with lock:
            pass

    thread = Kthread(body, "worker")
    rt.settle()
    with lock:
        thread.stop()  # expect: DF001


def thread_stopped_without_the_lock(rt: Ground) -> None:
    lock = Mutex("A")

    def body() -> None:
        with lock:
            pass

    thread = Kthread(body, "worker")
    rt.settle()
    thread.stop()


def handler_thread_awaited_under_its_lock(rt: Ground) -> None:
    lock = Mutex("A")

    def thread_fn() -> None:
        with lock:
            pass

    line = Machine(rt.runtime).irq(None, "irq", thread_fn=thread_fn, oneshot=True)
    line.raise_irq()
    rt.settle()
    with lock:
        line.synchronize()  # expect: DF001


def handler_awaited_under_another_lock(rt: Ground) -> None:
    lock, ring = Mutex("A"), SpinLock("ring")

    def handler() -> None:
        with ring:
            pass

    line = Machine(rt.runtime).irq(handler, "irq")
    line.raise_irq()
    rt.settle()
    with lock:
        line.synchronize()


def signal_on_a_queue_without_a_rescuer(rt: Ground) -> None:
    queue, fence = WorkQueue("q"), Timeline("gpu").fence()

    def item() -> None:
        with signalling():
            fence.signal()  # expect: DF107

    fence.publish()
    queue.queue(Work(item, "done"))
    rt.settle()


def signal_on_a_queue_with_a_rescuer(rt: Ground) -> None:
    queue, fence = WorkQueue("q", mem_reclaim=True), Timeline("gpu").fence()

    def item() -> None:
        with signalling():
            fence.signal()

    fence.publish()
    queue.queue(Work(item, "done"))
    rt.settle()


def signal_of_what_nobody_sees(rt: Ground) -> None:
    queue = WorkQueue("q")

    def item() -> None:
        fence = Timeline("private").fence()
        with signalling():
            fence.signal()

    queue.queue(Work(item, "private"))
    rt.settle()


def completion_between_the_two_sides(rt: Ground) -> None:
    lock, done, fence = Mutex("A"), Completion("done"), Timeline("gpu").fence()

    def helper() -> None:
        with lock:
            pass
        done.complete()

    def signaller() -> None:
        with signalling():
            done.wait()  # suspect: DF202
            fence.signal()

    def waiter() -> None:
        with lock:
            fence.wait()

    in_turn(rt, helper, signaller, waiter)


def completion_whose_sides_say_so(rt: Ground) -> None:
    lock, done, fence = Mutex("A"), Completion("done"), Timeline("gpu").fence()

    def helper() -> None:
        with signalling():
            with lock:  # expect: DF202
                pass
            done.complete()

    def signaller() -> None:
        with signalling():
            done.wait()
            fence.signal()

    def waiter() -> None:
        with lock:
            fence.wait()

    in_turn(rt, helper, signaller, waiter)


def completion_with_another_lock(rt: Ground) -> None:
    lock, other, done = Mutex("A"), Mutex("B"), Completion("done")
    fence = Timeline("gpu").fence()

    def helper() -> None:
        with other:
            pass
        done.complete()

    def signaller() -> None:
        with signalling():
            done.wait()
            fence.signal()

    def waiter() -> None:
        with lock:
            fence.wait()

    in_turn(rt, helper, signaller, waiter)


def completion_awaited_under_a_lock_of_the_other_side(rt: Ground) -> None:
    lock, done = Mutex("A"), Completion("done")

    def helper() -> None:
        with lock:
            pass
        done.complete()

    def waiter() -> None:
        with lock:
            done.wait()  # suspect: DF001

    in_turn(rt, helper, waiter)


def lock_after_completing(rt: Ground) -> None:
    lock, done = Mutex("A"), Completion("done")

    def helper() -> None:
        done.complete()
        with lock:
            pass

    def waiter() -> None:
        with lock:
            done.wait()

    in_turn(rt, helper, waiter)


def lock_before_another_wait(rt: Ground) -> None:
    lock, begin, done = Mutex("A"), Completion("begin"), Completion("done")
    begin.complete()

    def helper() -> None:
        with lock:
            pass
        begin.wait()
        done.complete()

    def waiter() -> None:
        with lock:
            done.wait()

    in_turn(rt, helper, waiter)


def spinning_handler(rt: Ground) -> None:
    ring, fence = SpinLock("ring"), Timeline("gpu").fence()

    def handler() -> None:
        with signalling(), ring:
            fence.signal()

    fence.publish()
    handle(rt, handler)


def lock_of_another_item_of_the_same_worker(rt: Ground) -> None:
    queue, lock, done = WorkQueue("q"), Mutex("A"), Completion("done")

    def first() -> None:
        with lock:
            pass

    def waiter() -> None:
        with lock:
            done.wait()

    for work in (Work(first, "first"), Work(done.complete, "second")):
        queue.queue(work)
        rt.settle()
    in_turn(rt, waiter)


def completion_of_a_section_awaited_under_its_lock(rt: Ground) -> None:
    lock, done = Mutex("A"), Completion("done")

    def helper() -> None:
        with signalling():
            with lock:
                pass
            done.complete()

    def waiter() -> None:
        with lock:
            done.wait()  # expect: DF001

    in_turn(rt, helper, waiter)
