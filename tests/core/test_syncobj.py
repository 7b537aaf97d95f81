"""Sync objects: what is inside, points of a timeline, lifetime."""

import errno

import pytest

from dmabuf import FenceChain, Timeline, merge
from dmabuf.core.fence_chain import is_chain
from dmabuf.core.fence_steps import state_of
from dmabuf.core.fence_wait import stub
from dmabuf.core.syncobj import SyncObj
from tests.core.drivers import no_memory, pending
from tests.facts import fact
from tests.support import errno_of

U64_MAX = 2**64 - 1


def points(*numbers):
    """A timeline with a pending fence at each of the points, and the fences."""
    line, gpu = SyncObj("line"), Timeline("gpu")
    fences = [gpu.fence() for _ in numbers]
    for fence, number in zip(fences, numbers, strict=True):
        line.add_point(fence, number)
    return line, fences


@fact("F15.03")
def test_syncobj_signaled_is_a_stub_stamped_now(rt):
    """Not the global stub, and its time is that of the creation."""

    def main():
        before = rt.now()
        one, other = SyncObj(signaled=True), SyncObj()
        other.assign_null_handle()
        fences = [one.fence_get(), other.fence_get()]
        after = rt.now()
        return (
            [fence.is_signaled() for fence in fences],
            fences[0] is not fences[1] and stub() not in fences,
            all(before <= fence.timestamp <= after for fence in fences),
        )

    assert ([True, True], True, True) == rt.run(main)


def test_syncobj_without_memory_changes_nothing(rt):
    """ENOMEM: the old fence stays, and no object is made."""

    def main():
        fence = pending()
        obj = SyncObj(fence=fence)
        no_memory(rt)
        answers = (
            errno_of(obj.assign_null_handle),
            errno_of(SyncObj),
            errno_of(obj.add_point, fence, 1),
        )
        return answers, obj.fence_get() is fence

    assert ((errno.ENOMEM,) * 3, True) == rt.run(main)


@fact("F15.31")
def test_syncobj_replace_fence_puts_and_gets(rt):
    """The object has one reference to what is inside, and none to what was."""

    def main():
        one, other = pending(), pending()
        obj = SyncObj(fence=one)
        counts = [state_of(one).references]
        obj.replace_fence(other)
        counts += [state_of(one).references, state_of(other).references]
        obj.replace_fence(None)
        return counts, state_of(other).references, obj.fence_get()

    assert ([2, 1, 2], 1, None) == rt.run(main)


@fact("F15.50")
def test_syncobj_last_put_takes_the_fence_out(rt):
    """Its reference is put with the last reference to the object, not before."""

    def main():
        fence = pending()
        obj = SyncObj(fence=fence)
        obj.get()
        obj.put()
        before = state_of(fence).references
        obj.put()
        return before, state_of(fence).references

    assert (2, 1) == rt.run(main)


@pytest.mark.parametrize("act", ["get", "put"])
def test_syncobj_use_after_the_last_put_is_reported(rt, act):
    """DF004: nothing is left to take or put."""

    def main():
        obj = SyncObj("gone")
        obj.put()
        getattr(obj, act)()

    ((code, message),) = rt.reports(main)

    assert "DF004" == code
    assert "gone" in message


def test_syncobj_binary_find_fence_counts_a_reference(rt):
    """What is inside, with a reference for the caller; without a fence EINVAL."""

    def main():
        fence = pending()
        obj, empty = SyncObj(fence=fence), SyncObj()
        same = obj.find_fence() is fence
        return same, state_of(fence).references, errno_of(empty.find_fence)

    assert (True, 3, errno.EINVAL) == rt.run(main)


def test_syncobj_find_fence_of_a_point(rt):
    """The node that is to signal; beyond the newest point, and in a binary object, EINVAL."""

    def main():
        line, fences = points(2, 4)
        binary = SyncObj(fence=fences[0])
        nodes = [line.find_fence(point) for point in (1, 2, 3, 4)]
        return (
            [node.seqno for node in nodes],
            nodes[0] is nodes[1],
            errno_of(line.find_fence, 5),
            errno_of(binary.find_fence, 1),
        )

    assert ([2, 2, 4, 4], True, errno.EINVAL, errno.EINVAL) == rt.run(main)


@fact("F15.49")
def test_syncobj_find_fence_of_a_point_that_left_the_chain(rt):
    """A point that is reached and collected answers the global stub."""

    def main():
        line, fences = points(1, 2)
        fences[0].signal()
        line.add_point(pending(), 3)
        return line.find_fence(1) is stub(), line.find_fence(2).is_signaled()

    assert (True, False) == rt.run(main)


@fact("F15.35", "F15.37")
def test_syncobj_query_without_a_timeline_is_0(rt):
    """Of nothing, of a pending and of a signalled fence; LAST_SUBMITTED too."""

    def main():
        objs = [SyncObj(), SyncObj(fence=pending()), SyncObj(signaled=True)]
        line, _fences = points(3, 8)
        return (
            [obj.query() for obj in objs],
            [obj.query(last_submitted=True) for obj in objs],
            line.query(last_submitted=True),
        )

    assert ([0, 0, 0], [0, 0, 0], 8) == rt.run(main)


@fact("F15.36")
def test_syncobj_query_is_the_last_point_with_all_before(rt):
    """Points 2, 4, 6: signalling 4 alone tells nothing, then 2 tells 4."""

    def main():
        line, fences = points(2, 4, 6)
        seen = [line.query()]
        for index in (1, 0, 2):
            fences[index].signal()
            rt.settle()
            seen.append(line.query())
        return seen

    assert [0, 0, 4, 6] == rt.run(main)


@fact("F15.38")
@pytest.mark.parametrize("late", [0, 3, 5])
def test_syncobj_point_out_of_order_counts_as_the_newest(rt, late):
    """It has the newest number, in a context of its own, and what is before goes with it."""

    def main():
        line, fences = points(5)
        first = line.fence_get()
        other = pending()
        line.add_point(other, late)
        node = line.fence_get()
        fences[0].signal()
        seen = [line.query(), line.find_fence(1) is node]
        other.signal()
        rt.settle()
        return node.seqno, node.context != first.context, seen, line.query()

    assert (5, True, [0, True], 5) == rt.run(main)


@fact("F15.38")
def test_syncobj_query_starts_anew_with_a_point_out_of_order(rt):
    """What was reached before counts no more: only what was added since does."""

    def main():
        line, fences = points(2, 5)
        fences[0].signal()
        rt.settle()
        before = line.query()
        line.add_point(pending(), 3)
        return before, line.query()

    assert (2, 0) == rt.run(main)


@fact("F15.48")
def test_syncobj_points_do_not_wrap(rt):
    """After 2^64-1 nothing is later: point 1 is taken as 2^64-1; 2^32 is after 2^32-1."""

    def main():
        line, _fences = points(2**32 - 1, 2**32, U64_MAX)
        context = line.fence_get().context
        seen = [line.find_fence(2**32 - 1).seqno, line.find_fence(2**32).seqno]
        line.add_point(pending(), 1)
        head = line.fence_get()
        return seen, head.seqno, head.context == context

    assert ([2**32 - 1, 2**32], U64_MAX, False) == rt.run(main)


@pytest.mark.parametrize("point", [-1, 2**64])
def test_syncobj_point_has_64_bits(rt, point):
    """Anything else is EINVAL, wherever a point is asked for, and adds nothing."""

    def main():
        obj = SyncObj()
        answers = errno_of(obj.find_fence, point), errno_of(obj.add_point, pending(), point)
        return answers, obj.fence_get()

    assert ((errno.EINVAL, errno.EINVAL), None) == rt.run(main)


def test_syncobj_points_after_a_binary_fence_wait_for_it(rt):
    """The fence that was there is before the first point."""

    def main():
        fence = pending()
        obj = SyncObj(fence=fence)
        obj.add_point(stub(), 1)
        before = obj.find_fence(1).is_signaled()
        fence.signal()
        rt.settle()
        return before, obj.find_fence(1).is_signaled(), obj.query()

    assert (False, True, 1) == rt.run(main)


def test_syncobj_point_may_be_an_array(rt):
    """An array is taken as a point's fence."""

    def main():
        fences = [pending(), pending()]
        obj = SyncObj()
        obj.add_point(merge(*fences), 1)
        fences[0].signal()
        rt.settle()
        before = obj.query()
        fences[1].signal()
        rt.settle()
        return before, obj.query()

    assert (0, 1) == rt.run(main)


def test_syncobj_add_point_uses_memory_got_before(rt):
    """With a node at hand nothing is allocated, so it cannot fail."""

    def main():
        obj, node = SyncObj(), FenceChain.alloc()
        no_memory(rt)
        obj.add_point(pending(), 1, chain=node)
        return obj.fence_get() is node, is_chain(node)

    assert (True, True) == rt.run(main)


def test_syncobj_add_point_references(rt):
    """The node owns one to its fence and one to the node before; the object owns the node."""

    def main():
        line, fences = points(1, 2)
        head = line.fence
        counts = [state_of(head).references, state_of(head._prev).references]
        counts += [state_of(fence).references for fence in fences]
        line.put()
        return counts, [state_of(fence).references for fence in fences]

    assert ([1, 1, 2, 2], [1, 1]) == rt.run(main)


def test_syncobj_long_timeline_is_freed_in_a_loop(rt):
    """A timeline of hundreds of pending points is put without recursion."""

    def main():
        line, fences = points(*range(1, 301 if not rt.explored else 51))
        line.put()
        return {state_of(fence).references for fence in fences}

    assert {1} == rt.run(main)


def test_syncobj_collects_points_as_they_signal(rt):
    """A timeline that is signalled as it goes stays short."""

    def main():
        line, gpu = SyncObj("line"), Timeline("gpu")
        for number in range(1, 50):
            fence = gpu.fence()
            line.add_point(fence, number)
            fence.signal()
        node, length = line.fence, 0
        while node is not None:
            node, length = node._prev, length + 1
        return length

    assert rt.run(main) <= 2
