"""The kernel's own names: all that the registry knows, with the kernel's signatures and answers."""

import errno
import inspect
import re

import pytest

from dmabuf import Completion, IrqWork, Mutex, Shared, SpinLock, Timeline, WaitQueue, kapi
from dmabuf._names import KERNEL_NAMES
from dmabuf.core.fence_ops import FenceOps
from dmabuf.differences import DIFFERENCES, Kind, since
from dmabuf.kapi.spell import SPELLED, to_jiffies, to_ns
from dmabuf.sync.context import ALLOCATOR
from dmabuf.sync.rcu import RcuPointer
from dmabuf.sync.rwlock import RwLock
from dmabuf.sync.rwsem import RwSem
from dmabuf.sync.semaphore import Semaphore
from dmabuf.sync.timer import Timer
from dmabuf.sync.work import DelayedWork, Work
from tests.core.drivers import pending
from tests.kernel_source import needs_source, source

HEADERS = ("dma-fence.h", "dma-fence-array.h", "dma-fence-chain.h", "dma-fence-unwrap.h")
CODE = [
    f"drivers/dma-buf/{name}.c"
    for name in ("dma-fence", "dma-fence-array", "dma-fence-chain", "dma-fence-unwrap")
]
DECLARED = r"\b(_*(?:to_)?dma_fence_[a-z0-9_]+)\s*\("
EXPORTED = r"EXPORT_SYMBOL(?:_GPL)?\((\w+)\)"


class Ops(FenceOps):
    """The least that a driver supplies."""

    def get_driver_name(self, fence):
        """A name."""
        return "driver"

    def get_timeline_name(self, fence):
        """A name."""
        return "ring"


def test_kapi_has_every_name_of_the_registry():
    """Each mirrored function can be called by its kernel name."""
    functions = kapi.functions()

    assert {name for name in KERNEL_NAMES if name.isidentifier()} == set(functions)
    assert all(callable(function) for function in functions.values())
    assert set(SPELLED) <= set(functions)
    assert set(functions) <= set(dir(kapi))


def test_kapi_spells_out_what_has_several_names():
    """A method with options that stands for several kernel functions is spelled for each."""
    unspelled = []
    for name, function in kapi.functions().items():
        if name in SPELLED or not inspect.isfunction(function):
            continue
        options = [
            one.name
            for one in inspect.signature(function).parameters.values()
            if one.name not in ("rt", "runtime", "name", "what", "cpu", "idle")
            and one.default is not one.empty
        ]
        several = sum(other.where == KERNEL_NAMES[name].where for other in KERNEL_NAMES.values())
        if options and (several > 1 or any(o in ("timeout", "interruptible") for o in options)):
            unspelled.append((name, options))

    assert [] == unspelled


def test_kapi_suggests_a_name():
    """A slip is answered with the name that was meant."""
    with pytest.raises(AttributeError, match="did you mean dma_fence_signal"):
        kapi.dma_fence_signl  # noqa: B018


def test_kapi_does_not_pretend_to_have_dunders():
    """What Python asks of every module is not looked for in the kernel."""
    assert not hasattr(kapi, "__wrapped__")


@pytest.mark.parametrize("jiffies", [0, 1, 7, 250, 10**6])
def test_jiffies_come_back_as_they_went(jiffies):
    """A timeout survives the way to nanoseconds and back, and a part of one counts whole."""
    assert jiffies == to_jiffies(to_ns(jiffies))
    assert jiffies + 1 == to_jiffies(to_ns(jiffies) + 1)
    assert to_ns(kapi.MAX_SCHEDULE_TIMEOUT) is None


def test_fence_of_ones_own_memory(rt):
    """dma_fence_init makes a fence of memory that the caller has."""

    def main():
        fence, context = kapi.dma_fence(), kapi.dma_fence_context_alloc(2)
        lock = SpinLock("ring")
        kapi.dma_fence_init(fence, Ops(), lock, context + 1, 7)
        later = kapi.dma_fence()
        kapi.dma_fence_init64(later, Ops(), None, context + 1, 1 << 40)
        kapi.rcu_read_lock()
        names = kapi.dma_fence_driver_name(fence), kapi.dma_fence_timeline_name(fence)
        kapi.rcu_read_unlock()
        return (
            (fence.context - context, fence.seqno, fence.lock is lock),
            kapi.dma_fence_is_later(later, fence),
            *names,
        )

    assert ((1, 7, True), True, "driver", "ring") == rt.run(main)


def test_callbacks_have_errno_answers(rt):
    """0 and called with its own memory; -ENOENT once signalled; -EINVAL for NULL."""

    def main():
        fence, called = pending(), []
        cb, other = kapi.dma_fence_cb(), kapi.dma_fence_cb()
        answers = [kapi.dma_fence_add_callback(fence, cb, lambda f, c: called.append((f, c)))]
        kapi.dma_fence_add_callback(fence, other, lambda f, c: called.append("never"))
        removed = [kapi.dma_fence_remove_callback(fence, other) for _ in range(2)]
        kapi.dma_fence_signal(fence)
        answers.append(kapi.dma_fence_add_callback(fence, other, print))
        return answers, removed, called == [(fence, cb)]

    assert ([0, -errno.ENOENT], [True, False], True) == rt.run(main)


def test_null_callback_warns(rt):
    """Without a function there is nothing to call: a warning, and -EINVAL live."""

    def main():
        kapi.dma_fence_add_callback(pending(), kapi.dma_fence_cb(), None)

    assert ["DF004"] == [code for code, _message in rt.reports(main)]


def test_waits_answer_in_jiffies(rt):
    """Signalled: what is left, at least 1; for 0 exactly 1; pending: 0 when time is up."""

    def main():
        done, open_ = pending(), pending()
        done.signal()
        return (
            kapi.dma_fence_wait_timeout(done, True, 10),
            kapi.dma_fence_wait_timeout(done, True, 0),
            kapi.dma_fence_wait_timeout(done, False, kapi.MAX_SCHEDULE_TIMEOUT),
            kapi.dma_fence_wait(done, False),
            kapi.dma_fence_wait_timeout(open_, False, 1),
            kapi.dma_fence_wait_timeout(open_, False, 0),
            kapi.dma_fence_default_wait(open_, False, 1),
        )

    left, now, ever, zero, *out = rt.run(main)

    assert 1 <= left <= 10
    assert (1, kapi.MAX_SCHEDULE_TIMEOUT, 0) == (now, ever, zero)
    assert [0, 0, 0] == out


def test_interrupted_waits_answer_restartsys(rt):
    """A pending signal ends an interruptible wait, unless the fence is signalled."""

    def main():
        fence, done = pending(), pending()
        done.signal()
        rt.interrupt(rt.current())
        idx = [99]
        return (
            kapi.dma_fence_wait(fence, True),
            kapi.dma_fence_wait_timeout(fence, True, 5),
            kapi.dma_fence_wait_any_timeout([fence], 1, True, 5, idx),
            kapi.dma_fence_wait(done, True),
            idx,
        )

    restart = -kapi.ERESTARTSYS
    assert (restart, restart, restart, 0, [99]) == rt.run(main)


def test_negative_timeouts_warn(rt):
    """A negative timeout is a caller's mistake."""
    for call in (
        lambda fence: kapi.dma_fence_wait_timeout(fence, True, -1),
        lambda fence: kapi.dma_fence_wait_any_timeout([fence], 1, True, -1, None),
    ):
        reports = rt.reports(lambda call=call: call(pending()))
        assert ["DF004"] == [code for code, _message in reports]


def test_wait_any_answers_the_index(rt):
    """The index of the first that is done; without time 1 or 0."""

    def main():
        fences, idx = [pending(), pending()], [None]
        none = kapi.dma_fence_wait_any_timeout(fences, 2, False, 0, idx)
        fences[1].signal()
        only_first = kapi.dma_fence_wait_any_timeout(fences, 1, False, 1, idx)
        polled = kapi.dma_fence_wait_any_timeout(fences, 2, False, 0, idx)
        left = kapi.dma_fence_wait_any_timeout(fences, 2, False, 10, idx)
        ever = kapi.dma_fence_wait_any_timeout(fences, 2, False, kapi.MAX_SCHEDULE_TIMEOUT, None)
        return none, only_first, polled, idx, 1 <= left <= 10, ever

    expected = (0, 0, 1, [1], True, kapi.MAX_SCHEDULE_TIMEOUT)
    assert expected == rt.run(main)


def test_counting_takes_null(rt):
    """get and put of NULL do nothing; the others count."""

    def main():
        fence = pending()
        assert kapi.dma_fence_get(None) is None
        kapi.dma_fence_put(None)
        same = kapi.dma_fence_get(fence)
        kapi.dma_fence_put(fence)
        return same is fence

    assert rt.run(main)


def test_signals_with_a_time(rt):
    """The time is kept, with and without the fence's lock held."""

    def main():
        one, other = pending(), pending()
        kapi.dma_fence_signal_timestamp(one, 5)
        with other.lock.irqsave():
            kapi.dma_fence_signal_timestamp_locked(other, 6)
        return kapi.dma_fence_timestamp(one), kapi.dma_fence_timestamp(other)

    assert (5, 6) == rt.run(main)


def test_arrays_take_over_what_they_are_given(rt):
    """Only the first num_fences count; the number and context are the caller's."""

    def main():
        one, other, third = pending(), pending(), pending()
        array = kapi.dma_fence_array_create(2, [one, other, third], 77, 5)
        empty = kapi.dma_fence_array_alloc(1)
        kapi.dma_fence_array_init(empty, 1, [third], 78, 6)
        return (
            (array.context, array.seqno, list(array.fences) == [one, other]),
            (empty.context, empty.seqno, list(empty.fences) == [third]),
            kapi.to_dma_fence_array(array) is array,
            kapi.to_dma_fence_array(one),
            kapi.dma_fence_is_array(array),
            kapi.dma_fence_array_first(array) is one,
            kapi.dma_fence_array_next(array, 1) is other,
        )

    assert ((77, 5, True), (78, 6, True), True, None, True, True, True) == rt.run(main)


def test_chains_answer_through_the_pointer(rt):
    """0 and a node, 0 and NULL, or -EINVAL and the pointer as it was."""

    def main():
        one, other = pending(), pending()
        first, second = kapi.dma_fence_chain_alloc(), kapi.dma_fence_chain_alloc()
        kapi.dma_fence_chain_init(first, None, one, 1)
        kapi.dma_fence_chain_init(second, first, other, 2)
        answers = []
        for seqno in (0, 1, 2, 3):
            pointer = [second]
            answers.append((kapi.dma_fence_chain_find_seqno(pointer, seqno), pointer[0].seqno))
        walked = [fence.seqno for fence in kapi.dma_fence_chain_for_each(second)]
        casts = kapi.to_dma_fence_chain(second) is second, kapi.to_dma_fence_chain(one)
        return answers, walked, casts

    answers = [(0, 2), (0, 1), (0, 2), (-errno.EINVAL, 2)]
    assert (answers, [2, 1], (True, None)) == rt.run(main)


def test_no_memory_is_null(rt):
    """Where the kernel answers NULL the answer is None."""

    def main():
        rt.runtime.extras[ALLOCATOR] = lambda _gfp, _what: False
        one, other = pending(), pending()
        return (
            kapi.dma_fence_array_alloc(2),
            kapi.dma_fence_array_create(2, [one, other], 1, 1),
            kapi.dma_fence_chain_alloc(),
            kapi.dma_fence_unwrap_merge(one, other),
        )

    assert (None,) * 4 == rt.run(main)


def test_unwrap_and_merge(rt):
    """A cursor walks what a merge has put together, and at the end is NULL."""

    def main():
        one, other = pending(), pending()
        merged = kapi.dma_fence_unwrap_merge(one, None, other)
        same = kapi.__dma_fence_unwrap_merge(1, [one, other], None)
        cursor = kapi.dma_fence_unwrap()
        found = [kapi.dma_fence_unwrap_first(merged, cursor)]
        found += [kapi.dma_fence_unwrap_next(cursor) for _ in range(2)]
        each = list(kapi.dma_fence_unwrap_for_each(merged))
        return found == [one, other, None], each == [one, other], same is one

    assert (True, True, True) == rt.run(main)


def test_dedup_sorts_in_place_and_puts_the_rest(rt):
    """What is left stands at the front, in order of context; nothing at all counts as one."""

    def main():
        a, b = Timeline("a"), Timeline("b")
        early, late, other = a.fence(), a.fence(), b.fence()
        early.get()
        fences = [other, early, late]
        count = kapi.dma_fence_dedup_array(fences, 3)
        early.put()  # the last one
        return count, fences == [late, other], kapi.dma_fence_dedup_array([], 0)

    assert (2, True, 1) == rt.run(main)


def test_get_rcu_safe_gets_what_the_slot_points_to(rt):
    """A counted reference, or nothing for an empty slot."""

    def main():
        fence = pending()
        slot, empty = Shared(fence, "slot"), Shared(None, "empty")
        got = kapi.dma_fence_get_rcu_safe(slot)
        got.put()
        return got is fence, kapi.dma_fence_get_rcu_safe(empty), kapi.dma_fence_get_rcu(fence)

    same, none, again = rt.run(main)

    assert (True, None) == (same, none)
    assert again is not None


def test_flags_restore_what_was(rt):
    """Each _save is undone by its _restore, nested in any kind."""

    def main():
        lock, task = SpinLock("s"), rt.current()
        flags = kapi.spin_lock_irqsave(lock)
        inner = kapi.local_irq_save()
        scope = kapi.memalloc_nofs_save()
        inside = (task.irqs_off, lock.owner is task, int(task.scope))
        kapi.memalloc_nofs_restore(scope)
        kapi.local_irq_restore(inner)
        kapi.spin_unlock_irqrestore(lock, flags)
        kapi.spin_lock_irq(lock)
        second = task.irqs_off
        kapi.spin_unlock_irq(lock)
        return inside, second, (task.irqs_off, lock.owner, int(task.scope))

    assert ((2, True, 2), 1, (0, None, 0)) == rt.run(main)


def test_shared_locks_by_name(rt):
    """Readers and writers, plain, with interrupts off, and with flags."""

    def main():
        lock, sem, task = RwLock("l"), RwSem("s"), rt.current()
        seen = []
        for how in ("read", "write"):
            getattr(kapi, f"{how}_lock")(lock)
            seen.append((task.atomic, task.irqs_off))
            getattr(kapi, f"{how}_unlock")(lock)
            getattr(kapi, f"{how}_lock_irq")(lock)
            seen.append((task.atomic, task.irqs_off))
            getattr(kapi, f"{how}_unlock_irq")(lock)
            flags = getattr(kapi, f"{how}_lock_irqsave")(lock)
            seen.append((task.atomic, task.irqs_off))
            getattr(kapi, f"{how}_unlock_irqrestore")(lock, flags)
        kapi.down_write(sem)
        kapi.downgrade_write(sem)
        held = (
            kapi.lockdep_is_held(sem),
            kapi.lockdep_is_held_type(sem, 0),
            kapi.lockdep_is_held_type(sem, 1),
            kapi.lock_is_held_type(sem, -1),
            kapi.lock_is_held(lock),
        )
        kapi.lockdep_assert_held(sem)
        kapi.lockdep_assert_held_once(sem)
        kapi.up_read(sem)
        return seen, held, (task.atomic, task.irqs_off)

    seen = [(1, 0), (1, 1), (1, 1)] * 2
    assert (seen, (True, False, True, True, False), (0, 0)) == rt.run(main)


def test_sleeping_locks_answer_eintr(rt):
    """0 if it was free; -EINTR, not -ERESTARTSYS, if a signal was pending first."""

    def main():
        mutex, sem, count = Mutex("m"), RwSem("s"), Semaphore(1, "c")
        takes = {
            "mutex": (lambda: kapi.mutex_lock_interruptible(mutex), mutex.unlock),
            "read": (lambda: kapi.down_read_interruptible(sem), sem.up_read),
            "killable": (lambda: kapi.down_read_killable(sem), sem.up_read),
            "write": (lambda: kapi.down_write_killable(sem), sem.up_write),
            "down": (lambda: kapi.down_interruptible(count), count.up),
            "kill": (lambda: kapi.down_killable(count), count.up),
        }
        free = {}
        for name, (take, release) in takes.items():
            free[name] = take()
            release()
        holder = rt.spawn(lambda: (mutex.lock(), sem.down_write(), count.down(), hold()))
        rt.settle()
        rt.interrupt(rt.current())
        answers = {name: take() for name, (take, _release) in takes.items() if "kill" not in name}
        done.complete()
        del holder
        return free, answers

    def hold():
        done.wait()

    done = None

    def whole():
        nonlocal done
        done = Completion("done")
        return main()

    free, answers = rt.run(whole)

    assert {0} == set(free.values())
    assert -errno.EINTR == answers["mutex"]
    assert -errno.EINTR == answers["read"]
    assert -errno.EINTR == answers["down"]


def test_semaphores_answer_their_own_way(rt):
    """0 is success for down_trylock; down_timeout answers -ETIME."""

    def main():
        count = Semaphore(1, "c")
        answers = kapi.down_trylock(count), kapi.down_trylock(count), kapi.down_timeout(count, 1)
        kapi.up(count)
        return answers, kapi.down_timeout(count, 1), kapi.up(count)

    assert ((0, 1, -errno.ETIME), 0, None) == rt.run(main)


def test_timers_count_absolute_jiffies(rt):
    """mod_timer takes the time at which, not after which, it fires, and says if it was armed."""

    def main():
        fired = Completion("fired")
        timer = Timer(fired.complete, "t")
        now = kapi.jiffies()
        answers = [
            kapi.mod_timer_pending(timer, now + 5),
            kapi.mod_timer(timer, now + 50_000),
            kapi.timer_reduce(timer, now + 100_000),
            kapi.timer_reduce(timer, now + 2),
        ]
        kapi.wait_for_completion(fired)
        late = kapi.jiffies() - now >= 2
        kapi.add_timer(timer, kapi.jiffies() + 50_000)
        return answers, late, kapi.timer_delete_sync(timer)

    answers, late, was_armed = rt.run(main)

    assert ([0, 0, 1, 1], True) == (answers, late)
    assert was_armed


def test_work_by_name(rt):
    """Queues by flags, delays in jiffies, CPUs that make no difference."""

    def main():
        ran = []
        queue = kapi.alloc_workqueue("wq", kapi.WorkQueueFlags.MEM_RECLAIM, 0)
        ordered = kapi.alloc_ordered_workqueue("ordered", 0)
        one, late = Work(lambda: ran.append("one"), "one"), DelayedWork(lambda: ran.append("late"))
        answers = [
            kapi.queue_work_on(0, queue, one),
            kapi.queue_delayed_work(ordered, late, 100_000),
            kapi.mod_delayed_work_on(0, ordered, late, 90_000),
        ]
        kapi.flush_workqueue(queue)
        kapi.flush_delayed_work(late)
        answers.append(kapi.schedule_delayed_work(late, 0))
        kapi.flush_delayed_work(late)
        facts = queue.mem_reclaim, queue.max_active > 1, ordered.max_active
        kapi.destroy_workqueue(queue)
        kapi.destroy_workqueue(ordered)
        return answers, ran, facts

    answers = [True, True, True, True]
    assert (answers, ["one", "late", "late"], (True, True, 1)) == rt.run(main)


def test_rcu_by_name(rt):
    """Reading is a pair of calls; a grace period ends after it."""

    def main():
        pointer = RcuPointer("old", "p")
        kapi.rcu_read_lock()
        seen = kapi.rcu_dereference(pointer), kapi.rcu_read_lock_held()
        kapi.rcu_read_unlock()
        kapi.rcu_assign_pointer(pointer, "new")
        kapi.synchronize_rcu()
        return seen, kapi.rcu_read_lock_held(), kapi.rcu_access_pointer(pointer)

    assert (("old", True), False, "new") == rt.run(main)


def test_kthreads_by_name(rt):
    """The function is handed its data, and its result is what stop answers."""

    def main():
        started = Completion("started")

        def loop(data):
            started.complete()
            while not kapi.kthread_should_stop():
                kapi.kthread_parkme() if kapi.kthread_should_park() else rt.nap(0.001)
            return data

        thread = kapi.kthread_run(loop, 7, "loop")
        started.wait()
        return kapi.kthread_stop(thread)

    assert 7 == rt.run(main)


def test_completions_answer_in_jiffies(rt):
    """Left of the timeout, at least 1, or 0."""

    def main():
        done = Completion("done")
        out = kapi.wait_for_completion_timeout(done, 1)
        kapi.complete(done)
        left = kapi.wait_for_completion_timeout(done, 5)
        kapi.complete(done)
        ever = kapi.wait_for_completion_timeout(done, kapi.MAX_SCHEDULE_TIMEOUT)
        kapi.complete(done)
        kapi.wait_for_completion(done)
        rt.interrupt(rt.current())
        return out, 1 <= left <= 5, ever, kapi.wait_for_completion_interruptible(done)

    assert (0, True, kapi.MAX_SCHEDULE_TIMEOUT, -kapi.ERESTARTSYS) == rt.run(main)


def test_events_answer_in_jiffies(rt):
    """The condition decides, not the wake-up."""

    def main():
        queue, flag = WaitQueue("q"), Shared(0, "flag")
        out = kapi.wait_event_timeout(queue, flag.read, 1)
        kapi.atomic_set(flag, 1)
        kapi.wake_up(queue)
        kapi.wait_event(queue, flag.read)
        left = kapi.wait_event_timeout(queue, flag.read, 5)
        return out, 1 <= left <= 5, kapi.wait_event_interruptible(queue, flag.read)

    assert (0, True, 0) == rt.run(main)


def test_atomics_count(rt):
    """Values first or last as C has them."""

    def main():
        cell = Shared(5, "cell")
        return (
            kapi.atomic_inc_return(cell),
            kapi.atomic_dec_return(cell),
            kapi.atomic_add_return(3, cell),
            kapi.xchg(cell, 1),
            kapi.atomic_read(cell),
        )

    assert (6, 5, 8, 8, 1) == rt.run(main)


def test_generated_functions_take_the_object_first(rt):
    """Locks and work items are called as in C."""

    def main():
        mutex, ran = Mutex("m"), []
        work = IrqWork(lambda: ran.append(1), "work")
        kapi.mutex_lock(mutex)
        locked = kapi.mutex_is_locked(mutex), kapi.mutex_trylock(mutex)
        kapi.mutex_unlock(mutex)
        queued = kapi.irq_work_queue(work)
        kapi.irq_work_sync(work)
        rt.interrupt(rt.current())
        with mutex:
            pass
        return locked, queued, ran

    assert ((True, False), True, [1]) == rt.run(main)


def test_warn_on_says_so(rt):
    """A condition that holds is reported; one that does not is not."""
    assert [] == rt.reports(lambda: kapi.WARN_ON(0))
    assert ["DF004"] == [code for code, _message in rt.reports(lambda: kapi.WARN_ON(1))]


def test_signalling_sections_pass_their_cookie(rt):
    """The cookie of begin is what end wants."""

    def main():
        cookie = kapi.dma_fence_begin_signalling()
        nested = kapi.dma_fence_begin_signalling()
        kapi.dma_fence_end_signalling(nested)
        inside = bool(rt.current().signalling)
        kapi.dma_fence_end_signalling(cookie)
        return cookie, nested, inside, bool(rt.current().signalling)

    assert (False, True, True, False) == rt.run(main)


# -- against the headers -----------------------------------------------------------------------


def header_names():
    """The functions and macros that 6.12's headers declare, and what its sources export."""
    found = set()
    for name in (f"include/linux/{header}" for header in HEADERS):
        found |= set(re.findall(DECLARED, source(name)))
    for name in CODE:
        found |= set(re.findall(EXPORTED, source(name)))
    return {name for name in found if not name.endswith("_ops")}


@needs_source
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_kapi_is_complete_against_the_headers():
    """Every name of the headers is here, and nothing more, but for declared differences."""
    theirs = header_names()
    ours = {name for name in kapi.functions() if "dma_fence" in name}
    otherwise = {one.symbol for one in DIFFERENCES if one.kind is Kind.OTHERWISE}
    newer = {one.symbol for one in since("6.12") if one.kind in (Kind.NEW, Kind.RENAMED)}

    assert len(theirs) > 50
    assert set() == theirs - ours - otherwise
    assert set() == ours - theirs - newer


def test_differences_name_what_is_here():
    """A function declared to be new or changed is mirrored; one that is otherwise here is not."""
    here = set(kapi.functions())
    for one in DIFFERENCES:
        if one.symbol.isupper():
            continue  # a system call's name
        assert (one.kind is not Kind.OTHERWISE) == (one.symbol in here), one.symbol
        assert one.says.endswith(".")


def test_softirqs_are_turned_off_and_on_by_name(rt):
    """`local_bh_disable` and `spin_lock_bh` nest; each has its own way back."""

    def main():
        lock, seen = SpinLock("ring"), []
        kapi.local_bh_disable()
        kapi.spin_lock_bh(lock)
        seen.append(rt.current().bh_off)
        kapi.spin_unlock_bh(lock)
        seen.append((kapi.in_softirq(), rt.current().bh_off))
        kapi.local_bh_enable()
        return [*seen, kapi.in_softirq()]

    assert [2, (True, 1), False] == rt.run(main)


def test_softirqs_turned_on_once_too_often_warn(rt):
    """The count of the kernel would run below zero."""

    assert [("DF004", "main turns softirqs on, which are on")] == rt.reports(kapi.local_bh_enable)
