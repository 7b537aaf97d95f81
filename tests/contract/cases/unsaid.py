"""DF205: code on the way to a signal that does not say so."""

from __future__ import annotations

from dmabuf.core.fence import Fence
from dmabuf.core.fence_array import FenceArray
from dmabuf.core.fence_chain import FenceChain
from dmabuf.core.fence_ops import FenceOps
from dmabuf.core.resv import Resv, Usage
from dmabuf.core.sync_file import SyncFile
from dmabuf.core.syncobj import SyncObj
from dmabuf.core.timeline import Timeline
from dmabuf.sync.completion import Completion
from dmabuf.sync.context import fs_reclaim, signalling
from dmabuf.sync.mutex import Mutex
from tests.contract.case import handle, in_turn, softirq
from tests.support import Ground


def published_by_hand(_rt: Ground) -> None:
    fence = Timeline("gpu").fence()
    fence.publish()
    fence.signal()  # suspect: DF205


def published_in_a_resv(_rt: Ground) -> None:
    bo, fence = Resv("bo"), Timeline("gpu").fence()
    with bo:
        bo.reserve_fences(1)
        bo.add_fence(fence, Usage.WRITE)
    fence.signal()  # suspect: DF205


def published_by_another_task(rt: Ground) -> None:
    fence = Timeline("gpu").fence()

    def waiter() -> None:
        fence.is_signaled()

    in_turn(rt, waiter)
    fence.signal()  # suspect: DF205


def not_published(_rt: Ground) -> None:
    fence = Timeline("gpu").fence()
    fence.signal()


def said(rt: Ground) -> None:
    fence = Timeline("gpu").fence()
    fence.publish()

    def signaller() -> None:
        with signalling():
            fence.signal()

    in_turn(rt, signaller)


def a_handler_need_not(rt: Ground) -> None:
    fence = Timeline("gpu").fence()
    fence.publish()

    def handler() -> None:
        fence.signal()

    handle(rt, handler)


def opportunistic_in_a_shrinker(_rt: Ground) -> None:
    fence = Timeline("gpu").fence()
    fence.publish()
    with fs_reclaim():
        fence.signal()


def opportunistic_by_asking(rt: Ground) -> None:
    done: list[bool] = []

    class Ops(FenceOps):
        get_driver_name = get_timeline_name = staticmethod(lambda _fence: "gpu")

        def signaled(self, _fence: Fence) -> bool:
            return bool(done)

    fence = Timeline("gpu", ops=Ops()).fence()
    fence.publish()

    def asker() -> None:
        done.append(True)
        fence.is_signaled()

    in_turn(rt, asker)


def second_signal(rt: Ground) -> None:
    fence = Timeline("gpu").fence()
    fence.publish()

    def first() -> None:
        with signalling():
            fence.signal()

    def second() -> None:
        fence.signal()

    in_turn(rt, first, second)


def unsaid_with_a_lock_of_a_waiter(rt: Ground) -> None:
    lock, fence = Mutex("A"), Timeline("gpu").fence()
    fence.publish()

    def waiter() -> None:
        with lock:
            fence.wait(0)

    def signaller() -> None:
        with lock:  # suspect: DF202
            pass
        fence.signal()  # suspect: DF205

    in_turn(rt, waiter, signaller)


def unsaid_with_another_lock(rt: Ground) -> None:
    lock, other, fence = Mutex("A"), Mutex("B"), Timeline("gpu").fence()
    fence.publish()

    def waiter() -> None:
        with lock:
            fence.wait(0)

    def signaller() -> None:
        with other:
            pass
        fence.signal()  # suspect: DF205

    in_turn(rt, waiter, signaller)


def a_softirq_need_not(rt: Ground) -> None:
    fence = Timeline("gpu").fence()
    fence.publish()

    def callback() -> None:
        fence.signal()

    softirq(rt, callback)


def completed_by_a_callback(rt: Ground) -> None:
    lock, done, fence = Mutex("A"), Completion("done"), Timeline("gpu").fence()
    fence.add_callback(lambda _fence: done.complete())

    def signaller() -> None:
        with lock:
            pass
        fence.signal()  # suspect: DF205

    def waiter() -> None:
        with lock:
            done.wait()  # suspect: DF001

    in_turn(rt, signaller, waiter)


def published_in_a_sync_file(_rt: Ground) -> None:
    fence = Timeline("gpu").fence()
    file = SyncFile(fence)
    fence.signal()  # suspect: DF205
    file.put()


def published_in_a_syncobj(_rt: Ground) -> None:
    fence, out = Timeline("gpu").fence(), SyncObj("out")
    out.replace_fence(fence)
    fence.signal()  # suspect: DF205


def published_in_a_container(_rt: Ground) -> None:
    inside, out = Timeline("gpu").fence(), SyncObj("out")
    out.replace_fence(FenceArray.create([inside]))
    inside.signal()  # suspect: DF205


def published_in_a_chain(_rt: Ground) -> None:
    fence, out = Timeline("gpu").fence(), SyncObj("out")
    out.replace_fence(FenceChain.create(None, fence, 1))
    fence.signal()  # suspect: DF205


def lock_before_the_publication(rt: Ground) -> None:
    lock, fence = Mutex("A"), Timeline("gpu").fence()

    def waiter() -> None:
        with lock:
            fence.wait(0)

    with lock:
        pass
    fence.publish()
    in_turn(rt, waiter)
    fence.signal()  # suspect: DF205


def lock_after_the_publication(rt: Ground) -> None:
    lock, line = Mutex("A"), Timeline("gpu")
    fence, later = line.fence(), line.fence()

    def waiter() -> None:
        with lock:
            fence.wait(0)

    fence.publish()
    with lock:  # suspect: DF202
        pass
    later.publish()
    in_turn(rt, waiter)
    fence.signal()  # suspect: DF205


def lock_before_a_wait_before_the_signal(rt: Ground) -> None:
    lock, line = Mutex("A"), Timeline("gpu")
    first, fence = line.fence(), line.fence()

    def waiter() -> None:
        with lock:
            fence.wait(0)

    first.signal()
    fence.publish()
    with lock:  # suspect: DF202
        pass
    first.wait()
    in_turn(rt, waiter)
    fence.signal()  # suspect: DF205
