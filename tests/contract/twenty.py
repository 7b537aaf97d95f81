"""Twenty violations in one program, each of another kind or at another place."""

from __future__ import annotations

from dmabuf.core.resv import Resv
from dmabuf.core.timeline import Timeline
from dmabuf.sync.context import (
    allocate,
    end_signalling,
    fs_reclaim,
    notifying,
    signalling,
    touches_user_memory,
)
from dmabuf.sync.gfp import Gfp
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.rwsem import RwSem
from dmabuf.sync.spinlock import SpinLock
from dmabuf.sync.work import Work
from dmabuf.sync.workqueue import WorkQueue
from tests.contract.case import handle
from tests.support import Ground

__all__ = ["twenty"]


def twenty(rt: Ground) -> None:
    """Break the contract twenty times."""
    _memory_and_locks(rt)
    _orders(rt)
    _contexts(rt)


def _memory_and_locks(rt: Ground) -> None:
    bo = Resv("bo")
    with signalling():
        allocate(Gfp.KERNEL)  # 1: DF301
        allocate(Gfp.KERNEL)  # 2: DF301
        allocate(Gfp.NOFS)  # 3: DF302
        allocate(Gfp.NOIO)  # 4: DF302
        touches_user_memory(rt.runtime)  # 5: DF203
        with bo:  # 6: DF201
            touches_user_memory(rt.runtime)  # 7: DF209 and 8: DF203
    with fs_reclaim(), bo:  # 9: DF304
        pass
    with notifying(), bo:  # 10: DF304
        pass


def _orders(_rt: Ground) -> None:
    a, b, sem, fence = Mutex("A"), Mutex("B"), RwSem("sem"), Timeline("gpu").fence()
    with a, b:
        pass
    with b, a:  # 11: DF001
        pass
    with a, sem.read():
        pass
    with sem.write(), a:  # 12: DF001
        pass
    with a:
        fence.wait(0)
    with signalling():
        with a:  # 13: DF202
            pass
        with sem.read():  # 14: DF202
            pass
    with fs_reclaim(), b:
        pass
    with b:
        allocate(Gfp.KERNEL)  # 15: DF001
    with signalling():
        fence.wait(0)
        fence.signal()  # 16: DF108


def _contexts(rt: Ground) -> None:
    ring, lock, fence = SpinLock("ring"), Mutex("lock"), Timeline("gpu").fence()
    queue = WorkQueue("q")

    def handler() -> None:
        if lock.trylock():  # 17: DF003
            lock.unlock()
        with ring:
            pass

    def item() -> None:
        with signalling():
            fence.signal()  # 18: DF107

    with ring:  # 19: DF003
        pass
    handle(rt, handler)
    fence.publish()
    queue.queue(Work(item, "item"))
    rt.settle()
    end_signalling(False)  # 20: DF004
