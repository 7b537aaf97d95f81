"""struct dma_resv: walking, waiting and copying, without the lock and with it."""

import errno

import pytest

from dmabuf.core.fence_array import FenceArray
from dmabuf.core.resv import Resv, Usage, usage_rw
from dmabuf.core.resv_iter import ResvIter
from dmabuf.core.resv_steps import SWAP, FenceList
from dmabuf.core.timeline import Timeline
from dmabuf.errors import Interrupted
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.rcu import rcu_read_lock_held
from dmabuf.sync.shared import Shared
from tests.core.drivers import Driver, no_memory, pending, pending_of
from tests.core.test_resv import added, references, slots
from tests.facts import fact

KERNEL, WRITE, READ, BOOKKEEP = Usage


def named(*usages):
    """An unlocked object with a fence of each usage, on timelines a, b, c ...; and the fences."""
    fences = [Timeline(name).fence() for name, _ in zip("abcdef", usages, strict=False)]
    resv = added(*zip(fences, usages, strict=True))
    resv.unlock()
    return resv, fences


def grow(resv):
    """Have the list replaced by a longer one, from another task than the walk's or the same."""
    with resv:
        resv.reserve_fences(resv.fences.max_fences + 1)


def replace(resv):
    """The same, as another CPU might do it meanwhile: a hook of a reader may not take the lock."""
    before = resv.fences
    longer = FenceList(resv.rt, "bo", [*before.entries], before.max_fences + 4)
    resv.rt.step(SWAP, resv, longer)


def walk(resv, usage):
    """The names of the fences of an unlocked walk."""
    with ResvIter(resv, usage) as cursor:
        return [fence.timeline.name for fence in cursor]


@fact("F5.21")
def test_resv_usages_include_those_before(rt):
    """Bookkeeping sees all, memory management only its own."""

    def main():
        resv, _fences = named(READ, KERNEL, BOOKKEEP, WRITE)
        with resv:
            locked = ["".join(f.timeline.name for f in ResvIter(resv, u).locked()) for u in Usage]
        return ["".join(walk(resv, usage)) for usage in Usage], locked

    expected = ["b", "bd", "abd", "abcd"]
    assert (expected, expected) == rt.run(main)


@fact("F5.22")
def test_resv_usage_of_a_new_access():
    """A writer waits for readers too."""
    assert [WRITE, READ] == [usage_rw(write=False), usage_rw(write=True)]


@fact("F5.40", "F5.41")
def test_resv_locked_walk_in_order_of_slots(rt):
    """All of them, signalled or not, whatever their usage; the first is a start."""

    def main():
        resv, fences = named(BOOKKEEP, KERNEL, READ)
        fences[1].signal()
        with resv:
            cursor = ResvIter(resv, BOOKKEEP)
            return [
                (f.timeline.name, cursor.fence_usage, cursor.is_restarted) for f in cursor.locked()
            ]

    expected = [("a", BOOKKEEP, True), ("b", KERNEL, False), ("c", READ, False)]
    assert expected == rt.run(main)


def test_resv_locked_walk_without_the_lock_warns(rt):
    """The list could be replaced."""

    def main():
        resv, _fences = named(READ)
        ResvIter(resv, READ).first()

    assert ["DF004"] == [code for code, _ in rt.reports(main)[:1]]


@fact("F5.42")
def test_resv_unlocked_walk_leaves_signalled_fences_out(rt):
    """Also those that only their driver knows to be done, which are signalled so."""

    def main():
        done = [False]
        asked = pending_of(Driver(signaled=lambda _fence: done[0]))
        resv, fences = named(READ, READ)
        with resv:
            resv.reserve_fences(1)
            resv.add_fence(asked, READ)
        fences[0].signal()
        before = walk(resv, READ)
        done[0] = True
        return before, walk(resv, READ), asked.is_signaled()

    assert (["b", "ring0"], ["b"], True) == rt.run(main)


def test_resv_unlocked_walk_of_nothing(rt):
    """Neither an object without a list nor one with an empty list has a fence."""

    def main():
        empty = added()
        empty.unlock()
        return walk(Resv("new"), BOOKKEEP), walk(empty, BOOKKEEP)

    assert ([], []) == rt.run(main)


@fact("F5.43")
def test_resv_unlocked_walk_restarts(rt):
    """With a new list everything comes again, and the first of it is marked."""

    def main():
        resv, _fences = named(READ, READ)
        seen = []
        with ResvIter(resv, READ) as cursor:
            for fence in cursor:
                seen.append((fence.timeline.name, cursor.is_restarted))
                if len(seen) == 2:
                    grow(resv)
        return seen

    assert [("a", True), ("b", False), ("a", True), ("b", False)] == rt.run(main)


def test_resv_unlocked_walk_never_answers_from_an_old_list(rt):
    """A list that is replaced while a fence is looked at is walked again at once."""

    def main():
        asked = []

        def is_done(_fence):
            asked.append(True)
            if len(asked) == 1:
                replace(resv)
            return False

        resv = added((pending_of(Driver(signaled=is_done)), READ))
        resv.unlock()
        cursor = ResvIter(resv, READ)
        cursor.first_unlocked()
        return cursor.fences is resv.fences, cursor.is_restarted

    assert (True, True) == rt.run(main)


def test_resv_unlocked_walk_asks_drivers_as_an_rcu_reader(rt):
    """The hook may not sleep, nor may it in the kernel; without a hook nobody reads."""

    def main():
        seen = []

        def is_done(_fence):
            seen.append(rcu_read_lock_held())
            return False

        resv = added((pending_of(Driver(signaled=is_done)), READ))
        resv.unlock()
        resv.test_signaled(READ)
        with resv:
            list(ResvIter(resv, READ).locked())
        return seen, rcu_read_lock_held()

    assert ([True], False) == rt.run(main)


def test_resv_hook_that_sleeps_in_a_walk_is_reported(rt):
    """A mutex in the hook: DF003."""

    def main():
        lock = Mutex("ring")

        def is_done(_fence):
            with lock:
                return False

        resv = added((pending_of(Driver(signaled=is_done)), READ))
        resv.unlock()
        resv.test_signaled(READ)

    assert "DF003" == rt.reports(main)[0][0]


def test_resv_unlocked_walk_of_an_emptied_object_ends(rt):
    """A copy of nothing takes the list away."""

    def main():
        resv, _fences = named(READ, READ)
        cursor = ResvIter(resv, READ)
        first = cursor.first_unlocked()
        with resv:
            resv.copy_fences(Resv("empty"))
        return first.timeline.name, cursor.next_unlocked(), cursor.fence, resv.fences

    assert ("a", None, None, None) == rt.run(main)


def test_resv_unlocked_walk_sees_a_slot_that_changes(rt):
    """A fence that takes a slot further on is found, as no new list is needed for that."""

    def main():
        resv, fences = named(READ, READ)
        cursor = ResvIter(resv, READ)
        cursor.first_unlocked()
        with resv:
            resv.replace_fences(fences[1].context, Timeline("new").fence(), READ)
        return cursor.next_unlocked().timeline.name, cursor.is_restarted

    assert ("new", False) == rt.run(main)


@fact("F5.44")
def test_resv_unlocked_walk_holds_a_reference(rt):
    """As long as the cursor stands there, a driver is not told that its last one is gone."""

    def main():
        driver = Driver(release=lambda _fence: None)
        fence, new = pending_of(driver), pending()
        resv = added((fence, READ))
        resv.unlock()
        fence.put()
        with ResvIter(resv, READ) as cursor:
            cursor.first_unlocked()
            with resv:
                resv.replace_fences(fence.context, new, READ)
            during = list(driver.calls)
        return during, driver.calls

    assert ([], ["release"]) == rt.run(main)


@fact("F5.45")
def test_resv_get_fences(rt):
    """The pending ones up to that usage, each with one more reference."""

    def main():
        resv, fences = named(WRITE, READ, READ, BOOKKEEP)
        fences[1].signal()
        found = resv.get_fences(READ)
        return [fence.timeline.name for fence in found], references(*fences)

    assert (["a", "c"], [3, 2, 3, 2]) == rt.run(main)


@fact("F5.45")
def test_resv_get_fences_of_a_restarted_walk(rt):
    """Nothing twice, and no reference is lost."""

    def main():
        grown = []

        def is_done(_fence):
            if not grown:
                grown.append(True)
                replace(resv)
            return False

        resv, fences = named(READ, READ)
        with resv:
            resv.reserve_fences(1)
            resv.add_fence(pending_of(Driver(signaled=is_done)), READ)
        found = resv.get_fences(READ)
        return [fence.timeline.name for fence in found], references(*fences)

    assert (["a", "b", "ring0"], [3, 3]) == rt.run(main)


@fact("F5.45")
def test_resv_get_fences_without_memory(rt):
    """The references are as before."""

    def main():
        resv, fences = named(READ, READ)
        no_memory(rt)
        with pytest.raises(OSError, match="no memory") as caught:
            resv.get_fences(READ)
        return caught.value.errno, references(*fences)

    assert (errno.ENOMEM, [2, 2]) == rt.run(main)


@fact("F5.46")
def test_resv_get_singleton(rt):
    """None, the fence itself, or an array of all."""

    def main():
        resv, fences = named(KERNEL, WRITE, READ)
        none = Resv("empty").get_singleton(BOOKKEEP)
        one = resv.get_singleton(KERNEL)
        array = resv.get_singleton(READ)
        assert isinstance(array, FenceArray)
        contexts = {fence.context for fence in fences}
        is_new = array.context not in contexts, array.seqno
        return none, one is fences[0], array.fences == tuple(fences), is_new, references(*fences)

    assert (None, True, True, (True, 1), [4, 3, 3]) == rt.run(main)


@fact("F5.46")
def test_resv_get_singleton_without_memory_for_the_array(rt):
    """The references are put again."""

    def main():
        resv, fences = named(READ, READ)
        no_memory(rt, but=1)
        with pytest.raises(OSError, match="no memory"):
            resv.get_singleton(READ)
        return references(*fences)

    assert [2, 2] == rt.run(main)


@fact("F5.47")
def test_resv_test_signaled(rt):
    """True up to the usage of the first fence that is pending."""

    def main():
        resv, fences = named(WRITE, BOOKKEEP)
        before = [resv.test_signaled(usage) for usage in Usage]
        fences[0].signal()
        return before, [resv.test_signaled(usage) for usage in Usage]

    assert ([True, False, False, False], [True, True, True, False]) == rt.run(main)


@fact("F5.48")
def test_resv_wait_waits_for_all(rt):
    """One after the other, for those wanted only."""

    def main():
        resv, fences = named(READ, WRITE, BOOKKEEP)
        done = Shared(0, "done")
        rt.spawn(lambda: (resv.wait(READ), done.write(1)), name="waiter")
        rt.settle()
        seen = []
        for fence in fences[:2]:
            seen.append(done.read())
            fence.signal()
            rt.settle()
        return seen, done.read()

    assert ([0, 0], 1) == rt.run(main)


@fact("F5.48")
def test_resv_wait_has_one_time_for_all(rt):
    """What the first fence took is not there for the second; nothing to wait for takes nothing."""

    def main():
        given = []

        def wait(_fence, _interruptible, limit):
            given.append(limit)
            return limit - 10

        resv = added(*((pending_of(Driver(wait=wait)), READ) for _ in range(3)))
        return resv.wait_ns(READ, 50), given, Resv("empty").wait_ns(READ, 50)

    assert (20, [50, 40, 30], 50) == rt.run(main)


@fact("F5.48")
def test_resv_wait_ends_when_its_time_is_over(rt):
    """It answers so, and waits for no further fence."""

    def main():
        resv, _fences = named(READ, READ)
        started = rt.now()
        in_time = resv.wait(READ, 0.002)
        return in_time, rt.now() - started >= 2_000_000

    assert (False, True) == rt.run(main)


@fact("F5.49")
def test_resv_wait_without_time(rt):
    """It only looks."""

    def main():
        resv, fences = named(READ)
        before = resv.wait_ns(READ, 0), resv.wait_ns(WRITE, 0)
        fences[0].signal()
        return before, resv.wait_ns(READ, 0)

    assert ((0, 1), 1) == rt.run(main)


@fact("F5.50")
def test_resv_wait_interrupted(rt):
    """Unless it is not interruptible, or there is nothing to wait for."""

    def main():
        resv, _fences = named(READ)
        rt.interrupt(rt.current())
        with pytest.raises(Interrupted):
            resv.wait(READ)
        return resv.wait(WRITE), resv.wait(READ, 0.001, interruptible=False)

    assert (True, False) == rt.run(main)


@fact("F5.51")
def test_resv_wait_with_the_lock_or_without(rt):
    """While another task holds it, and while one's own does."""

    def main():
        resv, fences = named(READ)
        fences[0].signal()
        with resv:
            mine = resv.wait(READ)
            others = []
            rt.spawn(lambda: others.append(resv.wait(READ)))
            rt.settle()
        return mine, others

    assert (True, [True]) == rt.run(main)


def test_resv_wait_of_a_negative_time_warns(rt):
    """A slip in counting."""

    def main():
        with pytest.raises(OSError, match="not negative"):
            Resv("bo").wait(READ, -1)

    assert [("DF004", "wait for bo with timeout -1")] == rt.reports(main)


@fact("F5.52")
def test_resv_set_deadline(rt):
    """Those wanted hear of it, if they are pending."""

    def main():
        told = []
        drivers = [Driver(set_deadline=lambda f, t: told.append((f.seqno, t))) for _ in range(3)]
        fences = [Timeline("t", ops=driver).fence_at(n) for n, driver in enumerate(drivers)]
        resv = added((fences[0], READ), (fences[1], READ), (fences[2], BOOKKEEP))
        resv.unlock()
        fences[0].signal()
        resv.set_deadline(READ, 77)
        return told

    assert [(1, 77)] == rt.run(main)


@fact("F5.53")
def test_resv_copy_fences(rt):
    """All usages, pending only, instead of what was there; the source may be locked."""

    def main():
        src, fences = named(WRITE, READ, BOOKKEEP)
        dst, old = named(KERNEL)
        fences[1].signal()
        rt.spawn(src.lock)
        rt.settle()
        with dst:
            dst.copy_fences(src)
        return slots(dst), references(*old, *fences)

    assert (["a:1 WRITE", "c:1 BOOKKEEP"], [1, 3, 2, 3]) == rt.run(main)


@fact("F5.53")
def test_resv_copy_without_memory(rt):
    """What was there stays."""

    def main():
        src, _fences = named(WRITE)
        dst, _old = named(KERNEL)
        no_memory(rt)
        with dst, pytest.raises(OSError, match="no memory"):
            dst.copy_fences(src)
        return slots(dst)

    assert ["a:1 KERNEL"] == rt.run(main)


def test_resv_stress_readers_and_writers(rt):
    """Whoever waits for everything sees no fence that was added before and is pending after."""

    def main():
        resv, missed = Resv("bo"), []

        def write(name):
            line = Timeline(name)
            for _ in range(4):
                fence = line.fence()
                with resv:
                    resv.reserve_fences(1)
                    resv.add_fence(fence, WRITE)
                resv.test_signaled(READ)
                fence.signal()

        def read():
            for _ in range(4):
                with resv:
                    before = list(ResvIter(resv, READ).locked())
                resv.wait(READ)
                missed.extend(fence for fence in before if not fence.is_signaled())

        for body in (lambda: write("a"), read, lambda: write("b"), read):
            rt.spawn(body)
        rt.settle()
        return missed

    assert [] == rt.run(main)
