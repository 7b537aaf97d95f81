"""dma_fence_unwrap: the plain fences inside containers."""

from dmabuf.core.fence_array import FenceArray
from dmabuf.core.fence_chain import FenceChain
from dmabuf.core.fence_unwrap import dedup_array, unwrap
from dmabuf.core.timeline import Timeline
from tests.core.drivers import pending
from tests.facts import fact


def numbered(count):
    """Pending fences of one timeline."""
    line = Timeline("gpu")
    return [line.fence() for _ in range(count)]


def seqnos(fences):
    """The numbers of fences."""
    return [fence.seqno for fence in fences]


@fact("F4.01")
def test_unwrap_of_a_plain_fence_is_itself(rt):
    """And of nothing nothing."""

    def main():
        fence = pending()
        return [f is fence for f in unwrap(fence)], list(unwrap(None))

    assert ([True], []) == rt.run(main)


@fact("F4.02")
def test_unwrap_goes_from_the_head_back(rt):
    """Chains of arrays and of plain fences, and the plain fence that the chain starts with."""

    def main():
        f = numbered(6)
        node = FenceChain.create(f[0], FenceArray.create(f[1:3]), 1)
        node = FenceChain.create(node, f[3], 2)
        node = FenceChain.create(node, FenceArray.create(f[4:6]), 3)
        return seqnos(unwrap(node)), seqnos(unwrap(node.fence)), seqnos(unwrap(f[0]))

    assert ([5, 6, 4, 2, 3, 1], [5, 6], [1]) == rt.run(main)


@fact("F4.02")
def test_unwrap_yields_signalled_members_too(rt):
    """Of the head, and of an array that is not signalled as a whole."""

    def main():
        f = numbered(4)
        node = FenceChain.create(None, FenceArray.create(f[:2]), 1)
        node = FenceChain.create(node, f[2], 2)
        f[0].signal()
        f[2].signal()
        return seqnos(unwrap(node))

    assert [3, 1, 2] == rt.run(main)


@fact("F4.03")
def test_unwrap_collects_behind_the_head(rt):
    """Signalled nodes leave the chain while it is unwrapped."""

    def main():
        f = numbered(4)
        nodes = [None]
        for fence in f:
            nodes.append(FenceChain.create(nodes[-1], fence, fence.seqno))
        for index in (0, 1, 3):
            f[index].signal()
        return seqnos(unwrap(nodes[4])), nodes[4]._prev is nodes[3], nodes[3]._prev

    assert ([4, 3], True, None) == rt.run(main)


@fact("F4.04")
def test_unwrap_ends_at_an_array_of_no_fences(live):
    """What is behind it is not seen (live: explored, making such an array ends the execution)."""
    seen = []

    def main():
        f = numbered(2)
        node = FenceChain.create(None, f[0], 1)
        node = FenceChain.create(node, FenceArray.create([], rt=live.runtime), 2)
        node = FenceChain.create(node, f[1], 3)
        seen.extend(seqnos(unwrap(node)))

    live.reports(main)
    assert [2] == seen


@fact("F4.15")
def test_dedup_array_keeps_the_newest_of_each_context(rt):
    """In ascending order of context, whatever the order was; nothing stays nothing."""

    def main():
        a, b = Timeline("a"), Timeline("b")
        b1, a1, b2, a2 = b.fence(), a.fence(), b.fence(), a.fence()
        kept = dedup_array([b1, a2, b2, a1, b2])
        return [f.name for f in kept], dedup_array([]), dedup_array([a1, a1]) == [a1]

    assert (["a:2", "b:2"], [], True) == rt.run(main)


@fact("F4.15")
def test_dedup_array_compares_numbers_as_the_timeline_does(rt):
    """32-bit numbers wrap, 64-bit ones do not."""

    def main():
        narrow, wide = Timeline("n"), Timeline("w", wide=True)
        kept = dedup_array([line.fence_at(n) for line in (narrow, wide) for n in (0xFFFFFFFF, 2)])
        return seqnos(kept), seqnos(dedup_array([narrow.fence_at(2), narrow.fence_at(0xFFFFFFFF)]))

    assert ([2, 0xFFFFFFFF], [2]) == rt.run(main)
