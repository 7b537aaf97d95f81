"""ww_mutex and dma_resv by their C names."""

import errno

from dmabuf import kapi
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
