"""dma_fence_unwrap_merge: many fences into one."""

import errno

import pytest

from dmabuf.core.fence_array import FenceArray, is_array
from dmabuf.core.fence_chain import FenceChain
from dmabuf.core.fence_steps import is_flagged, state_of
from dmabuf.core.fence_unwrap import merge, unwrap
from dmabuf.core.fence_wait import stub
from dmabuf.core.timeline import Timeline
from dmabuf.sync.gfp import Gfp
from dmabuf.sync.spinlock import SpinLock
from tests.core.drivers import no_memory, pending
from tests.facts import fact


def signalled(at):
    """A fence that signalled at that time."""
    fence = pending()
    fence.signal(timestamp=at)
    return fence


@fact("F4.05")
def test_merge_leaves_signalled_fences_out(rt):
    """Wherever they are."""

    def main():
        a, b, c, d = (pending() for _ in range(4))
        node = FenceChain.create(FenceChain.create(None, FenceArray.create([a, b]), 1), c, 2)
        a.signal()
        c.signal()
        merged = merge(node, signalled(5), d)
        return [f is x for f, x in zip(unwrap(merged), (b, d), strict=True)]

    assert [True, True] == rt.run(main)


@fact("F4.06")
def test_merge_of_signalled_fences_has_their_latest_timestamp(rt):
    """A new private stub: signalled, not the global one."""

    def main():
        node = FenceChain.create(None, FenceArray.create([signalled(30), signalled(70)]), 1)
        merged = merge(signalled(20), node, signalled(10))
        own = merged is not stub(rt=rt.runtime)
        return merged.timestamp, merged.status, merged.context, merged.seqno, own

    assert (70, 1, 0, 0, True) == rt.run(main)


@fact("F4.07")
@pytest.mark.parametrize("fences", [(), (None,), (None, None)])
def test_merge_of_nothing_has_timestamp_0(rt, fences):
    """It is signalled, too."""

    def main():
        merged = merge(*fences, rt=rt.runtime)
        return merged.timestamp, is_flagged(merged)

    assert (0, True) == rt.run(main)


@fact("F4.08", "F4.09")
def test_merge_with_one_pending_fence_is_that_fence(rt):
    """Taken out of its container, referenced, and without an allocation."""

    def main():
        fence = pending()
        node = FenceChain.create(None, FenceArray.create([signalled(3), fence]), 1)
        other = signalled(9)
        asked = no_memory(rt)
        merged = merge(node, other, None)
        return merged is fence, asked, state_of(fence).references

    assert (True, [], 2) == rt.run(main)


@fact("F4.10", "F4.12", "F4.13")
def test_merge_of_several_contexts_is_an_array(rt):
    """The newest of each in order of context, with a context of its own and number 1."""

    def main():
        a, b, c = (Timeline(name) for name in "abc")
        fences = [c.fence(), a.fence(), b.fence(), a.fence(), c.fence()]
        merged = merge(*fences)
        fresh = merged.context not in [f.context for f in fences]
        return is_array(merged), [f.name for f in merged.fences], fresh, merged.seqno

    assert (True, ["a:2", "b:1", "c:2"], True, 1) == rt.run(main)


@fact("F4.11")
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 1)])
def test_merge_of_one_context_is_its_newest_fence(rt, order):
    """Named more than once as well: no array is made."""

    def main():
        line = Timeline("a")
        fences = [line.fence() for _ in range(3)]
        return merge(*(fences[n] for n in order)).seqno

    assert 3 == rt.run(main)


@fact("F4.10")
def test_merge_again_and_again_does_not_grow(rt):
    """The last merge with new fences of the same timelines keeps one of each."""

    def main():
        a, b = Timeline("a"), Timeline("b")
        merged = merge(a.fence(), b.fence())
        for _ in range(10):
            merged = merge(merged, a.fence(), merged, b.fence())
        return [f.name for f in merged.fences]

    assert ["a:11", "b:11"] == rt.run(main)


@fact("F4.09")
def test_merge_references_what_it_answers(rt):
    """The array owns a reference to each member and puts it; so the caller's stay right."""

    def main():
        a, b = pending(), pending()
        merged = merge(a, b)
        held = [state_of(f).references for f in (a, b, merged)]
        merged.put()
        return held, [state_of(f).references for f in (a, b)]

    assert ([2, 2, 1], [1, 1]) == rt.run(main)


@fact("F4.14")
@pytest.mark.parametrize(("kind", "allocations"), [("array", 2), ("one context", 1), ("stub", 1)])
def test_merge_without_memory_is_enomem(rt, kind, allocations):
    """Whichever of its allocations fails; nothing stays referenced."""

    def main():
        line = Timeline("a")
        fences = {
            "array": [pending(), pending()],
            "one context": [line.fence(), line.fence()],
            "stub": [signalled(1)],
        }[kind]
        seen = []
        for succeed in range(allocations):
            asked = no_memory(rt, but=succeed)
            with pytest.raises(OSError, match="no memory") as error:
                merge(*fences)
            seen.append((error.value.errno, {gfp for gfp, _ in asked}))
        no_memory(rt, but=allocations)
        counts = [state_of(f).references for f in fences]
        merge(*fences)
        return seen, counts

    seen, counts = rt.run(main)
    assert [(errno.ENOMEM, {Gfp.KERNEL})] * allocations == seen
    assert {1} == set(counts)


def test_merge_of_several_may_sleep(rt):
    """It allocates, which is reported where one may not sleep."""

    def main():
        fences = [pending(), pending()]
        with SpinLock("A"):
            merge(*fences)

    assert ["DF003"] == [code for code, _ in rt.reports(main)]


def test_merge_signals_when_all_have(rt):
    """Who waits for it is woken by the last."""

    def main():
        fences = [pending() for _ in range(3)]
        merged, done = merge(*fences), []
        rt.spawn(lambda: done.append(merged.wait()), name="waiter")
        rt.settle()
        seen = []
        for fence in fences:
            fence.signal()
            rt.settle()
            seen.append(len(done))
        return seen

    assert [0, 0, 1] == rt.run(main)


def test_merge_while_fences_signal(rt):
    """Whatever has signalled in between, the merge is signalled exactly when all are."""

    def main():
        fences = [pending() for _ in range(4)]
        seen = []
        rt.spawn(lambda: seen.append(merge(*fences)), name="merger")
        for fence in fences[:3]:
            rt.spawn(fence.signal)
        rt.settle()
        before = seen[0].is_signaled()
        fences[3].signal()
        rt.settle()
        return before, seen[0].is_signaled()

    assert (False, True) == rt.run(main)
