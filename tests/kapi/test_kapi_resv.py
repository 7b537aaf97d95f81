"""ww_mutex and dma_resv by their C names."""

import errno

from dmabuf import Timeline, kapi
from dmabuf.core.resv import Resv, Usage
from dmabuf.sync.ww_acquire import WwAcquire
from dmabuf.sync.ww_mutex import WwMutex


def test_ww_mutex_answers(rt):
    """0, -EALREADY; a trylock 1 or 0."""

    def main():
        lock, other, ctx = WwMutex("A"), WwMutex("B"), kapi.ww_acquire_ctx()
        kapi.ww_acquire_init(ctx, lock.ww_class)
        answers = [
            kapi.ww_mutex_lock(lock, ctx),
            kapi.ww_mutex_lock_interruptible(lock, ctx),
            kapi.ww_mutex_trylock(other, ctx),
            kapi.ww_mutex_trylock(other, None),
        ]
        kapi.ww_acquire_done(ctx)
        kapi.ww_mutex_unlock(other)
        kapi.ww_mutex_unlock(lock)
        kapi.ww_acquire_fini(ctx)
        return answers

    assert [0, -errno.EALREADY, 1, 0] == rt.run(main)


def test_ww_mutex_backs_off(rt):
    """-EDEADLK, then the slow way; -EINTR where a signal came first."""

    def main():
        a, b, answers = WwMutex("A"), WwMutex("B"), []
        older = WwAcquire()
        a.lock(older)

        def younger():
            ctx = WwAcquire()
            kapi.ww_mutex_lock(b, ctx)
            answers.append(kapi.ww_mutex_lock(a, ctx))
            kapi.ww_mutex_unlock(b)
            answers.append(kapi.ww_mutex_lock_slow_interruptible(a, ctx))
            answers.append(kapi.ww_mutex_lock_slow(a, ctx))
            kapi.ww_mutex_unlock(a)

        task = rt.spawn(younger)
        rt.settle()
        rt.interrupt(task)
        rt.settle()
        older.unlock_all()
        rt.settle()
        return answers

    assert [-errno.EDEADLK, -errno.EINTR, None] == rt.run(main)


def test_resv_answers(rt):
    """Memory, a lock with a context, and 0 for what went well."""

    def main():
        obj, ctx = kapi.dma_resv(), kapi.ww_acquire_ctx()
        kapi.dma_resv_init(obj)
        kapi.ww_acquire_init(ctx, obj.ww.ww_class)
        fence = Timeline("gpu").fence()
        write = kapi.dma_resv_usage_rw(False)
        answers = [
            kapi.dma_resv_lock(obj, ctx),
            kapi.dma_resv_lock_interruptible(obj, ctx),
            kapi.dma_resv_reserve_fences(obj, 1),
            kapi.dma_resv_add_fence(obj, fence, write),
            kapi.dma_resv_copy_fences(obj, obj),
        ]
        kapi.dma_resv_unlock(obj)
        kapi.ww_acquire_fini(ctx)
        count, fences, one = [None], [None], [None]
        answers += [
            kapi.dma_resv_get_fences(obj, write, count, fences),
            kapi.dma_resv_get_singleton(obj, write, one),
        ]
        return answers, count, fences == [[fence]], one == [fence]

    assert ([0, -errno.EALREADY, 0, None, 0, 0, 0], [1], True, True) == rt.run(main)


def test_resv_waits_in_jiffies(rt):
    """What is left, 0, or -ERESTARTSYS; without anything to wait for the whole time, at least 1."""

    def main():
        obj, fence = Resv("bo"), Timeline("gpu").fence()
        with obj:
            obj.reserve_fences(1)
            obj.add_fence(fence, Usage.READ)
        ever = kapi.MAX_SCHEDULE_TIMEOUT
        answers = [
            kapi.dma_resv_wait_timeout(obj, Usage.WRITE, True, 7),
            kapi.dma_resv_wait_timeout(obj, Usage.WRITE, True, 0),
            kapi.dma_resv_wait_timeout(obj, Usage.WRITE, True, ever) == ever,
            kapi.dma_resv_wait_timeout(obj, Usage.READ, False, 0),
            kapi.dma_resv_wait_timeout(obj, Usage.READ, False, 1),
        ]
        rt.interrupt(rt.current())
        return *answers, kapi.dma_resv_wait_timeout(obj, Usage.READ, True, 1)

    assert (7, 1, True, 0, 0, -kapi.ERESTARTSYS) == rt.run(main)


def test_resv_walk(rt):
    """A cursor in memory of one's own."""

    def main():
        obj, fence = Resv("bo"), Timeline("gpu").fence()
        with obj:
            kapi.dma_resv_reserve_fences(obj, 1)
            kapi.dma_resv_add_fence(obj, fence, Usage.READ)
        cursor = kapi.dma_resv_iter()
        kapi.dma_resv_iter_begin(cursor, obj, Usage.READ)
        first = kapi.dma_resv_iter_first_unlocked(cursor)
        second = kapi.dma_resv_iter_next_unlocked(cursor)
        kapi.dma_resv_iter_end(cursor)
        return first is fence, second

    assert (True, None) == rt.run(main)
