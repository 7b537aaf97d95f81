"""Where a section that is guessed differs from one that is said: start, end, and who is in one."""

from __future__ import annotations

from dmabuf.core.fence import Fence
from dmabuf.core.fence_ops import FenceOps
from dmabuf.core.timeline import Timeline
from dmabuf.machine import Machine
from dmabuf.sync.context import allocate, signalling
from dmabuf.sync.gfp import Gfp
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.work import Work
from dmabuf.sync.workqueue import WorkQueue
from tests.contract.case import handle, in_turn
from tests.support import Ground


class _Polled(FenceOps):
    """A driver that sees for itself whether a job is done."""

    def __init__(self) -> None:
        self.done = False

    get_driver_name = get_timeline_name = staticmethod(lambda _fence: "gpu")

    def signaled(self, _fence: Fence) -> bool:
        return self.done


def lock_before_publication(rt: Ground) -> None:
    lock, gpu = Mutex("A"), Timeline("gpu")
    first = gpu.fence()

    def submitter() -> None:
        with lock:
            pass
        fence = gpu.fence()
        with signalling():
            fence.publish()
            fence.signal()

    def waiter() -> None:
        with lock:
            first.wait(0)

    in_turn(rt, submitter, waiter)


def memory_before_publication(rt: Ground) -> None:
    def submitter() -> None:
        allocate(Gfp.KERNEL, "a job")
        fence = Timeline("gpu").fence()
        with signalling():
            fence.publish()
            fence.signal()

    in_turn(rt, submitter)


def signal_in_passing(rt: Ground) -> None:
    lock, ops = Mutex("A"), _Polled()
    fence = Timeline("gpu", ops=ops).fence()
    fence.publish()

    def waiter() -> None:
        with lock:
            fence.wait(0)

    def shrinks_a_pool() -> None:
        ops.done = True
        with lock:
            fence.is_signaled()

    def handler() -> None:
        fence.signal()

    in_turn(rt, waiter, shrinks_a_pool)
    handle(rt, handler)


def scheduler_that_never_signals(rt: Ground) -> None:
    lock, fence = Mutex("A"), Timeline("gpu").fence()
    fence.publish()

    def waiter() -> None:
        with lock:
            fence.wait(0)

    def scheduler() -> None:
        with signalling():
            with lock:  # expect: DF202
                pass
            gpu.raise_irq()  # through hardware, in the end

    def handler() -> None:
        fence.signal()

    gpu = Machine(rt.runtime).irq(handler, "gpu")
    in_turn(rt, waiter, scheduler)


def lock_that_is_tried_and_not_said(rt: Ground) -> None:
    lock, fence = Mutex("A"), Timeline("gpu").fence()
    fence.publish()

    def waiter() -> None:
        with lock:
            fence.wait(0)

    def signaller() -> None:
        if lock.trylock():
            lock.unlock()
        fence.signal()  # suspect: DF205

    in_turn(rt, waiter, signaller)


def items_of_one_worker(rt: Ground) -> None:
    lock, fence = Mutex("A"), Timeline("gpu").fence()
    fence.publish()
    queue = WorkQueue("q", ordered=True, mem_reclaim=True)

    def waiter() -> None:
        with lock:
            fence.wait(0)

    def before() -> None:
        with lock:
            pass

    def item() -> None:
        with signalling():
            fence.signal()

    in_turn(rt, waiter)
    queue.queue(Work(before, "before"))
    queue.queue(Work(item, "item"))
    rt.settle()


def call_after_another(rt: Ground) -> None:
    lock, fence = Mutex("A"), Timeline("gpu").fence()
    fence.publish()
    machine = Machine(rt.runtime)

    def waiter() -> None:
        with lock:
            fence.wait(0)

    def process() -> None:
        with machine.syscall(), lock:
            pass
        with machine.syscall(), signalling():
            fence.signal()

    in_turn(rt, waiter, process)
