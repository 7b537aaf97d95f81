"""dma_fence_chain: walking and finding points."""

import errno

import pytest

from dmabuf.core import fence_chain
from dmabuf.core.fence_chain import FenceChain, chain_for_each, chain_walk, find_seqno
from tests.core.drivers import Driver, pending, pending_of
from tests.core.test_fence_chain import chain_of
from tests.facts import fact


@fact("F2.20")
def test_find_seqno_of_point_0_is_the_fence_given(rt):
    """Whatever it is."""

    def main():
        plain = pending()
        (node,) = chain_of(pending())
        return find_seqno(plain, 0) is plain, find_seqno(node, 0) is node

    assert (True, True) == rt.run(main)


@fact("F2.21", "F2.22")
def test_find_seqno_of_what_is_not_there_is_einval(rt):
    """A plain fence has no points, a chain none beyond its head."""

    def main():
        seen = []
        for fence, seqno in ((pending(), 1), (chain_of(pending(), pending())[-1], 3)):
            with pytest.raises(OSError, match="no point") as error:
                find_seqno(fence, seqno)
            seen.append(error.value.errno)
        return seen

    assert [errno.EINVAL] * 2 == rt.run(main)


@fact("F2.23")
@pytest.mark.parametrize(("point", "node"), [(1, 2), (2, 2), (3, 4), (4, 4), (5, 9), (9, 9)])
def test_find_seqno_is_the_first_node_not_before_the_point(rt, point, node):
    """A point between two numbers belongs to the later node."""

    def main():
        head = None
        for seqno in (2, 4, 9):
            head = FenceChain.create(head, pending(), seqno)
        return find_seqno(head, point).seqno

    assert node == rt.run(main)


@fact("F2.24")
def test_find_seqno_stops_at_another_context(rt):
    """Behind an out-of-order point the whole chain before it is waited for."""

    def main():
        first = chain_of(*(pending() for _ in range(3)))[-1]
        second = FenceChain.create(first, pending(), 2)
        third = FenceChain.create(second, pending(), 5)
        fourth = FenceChain.create(third, pending(), 7)
        found = [find_seqno(fourth, n) for n in (1, 2, 4, 6)]
        return [(f.seqno, f.context == second.context) for f in found]

    assert [(3, True), (3, True), (5, True), (7, True)] == rt.run(main)


@fact("F2.24")
def test_find_seqno_goes_on_to_another_context_when_collected(rt):
    """Without the node that started the context the answer is the old chain's head."""

    def main():
        first = chain_of(pending(), pending())[-1]
        out_of_order = pending()
        second = FenceChain.create(first, out_of_order, 1)
        head = FenceChain.create(second, pending(), 5)
        out_of_order.signal()
        return find_seqno(head, 1) is first

    assert rt.run(main)


@fact("F2.25")
def test_find_seqno_with_nothing_left_is_none(rt):
    """No error: there is simply nothing to wait for."""

    def main():
        fences = [pending() for _ in range(4)]
        head = chain_of(*fences)[-1]
        fences[0].signal()
        fences[1].signal()
        return [getattr(find_seqno(head, n), "seqno", None) for n in (1, 2, 3, 4)]

    assert [None, None, 3, 4] == rt.run(main)


@fact("F2.23")
def test_find_seqno_skips_what_is_collected(rt):
    """With the node of the point signalled, an older pending one still has to be waited for."""

    def main():
        fences = [pending() for _ in range(4)]
        head = chain_of(*fences)[-1]
        fences[1].signal()
        fences[2].signal()
        return [find_seqno(head, n).seqno for n in (1, 2, 3, 4)]

    assert [1, 1, 1, 4] == rt.run(main)


@fact("F2.26")
def test_find_seqno_of_the_head_is_the_head_even_signalled(rt):
    """Only what is before the head is collected."""

    def main():
        fences = [pending(), pending()]
        head = chain_of(*fences)[-1]
        for fence in fences:
            fence.signal()
        return find_seqno(head, 2) is head, find_seqno(head, 1)

    assert (True, None) == rt.run(main)


@fact("F2.30", "F2.31")
def test_walk_collects_signalled_nodes(rt):
    """Middle nodes vanish first; a node that somebody stands at still leads on."""

    def main():
        fences = [pending() for _ in range(5)]
        nodes = chain_of(*fences)
        fences[2].signal()
        fences[3].signal()
        before = nodes[4]._prev is nodes[3]
        found = chain_walk(nodes[4])
        return before, found is nodes[1], nodes[4]._prev is nodes[1], nodes[3]._prev is nodes[2]

    assert (True, True, True, True) == rt.run(main)


@fact("F2.30")
def test_walk_asks_contained_fences_not_nodes(rt):
    """A driver that says its fence is done has it signalled by the walk, and collected."""

    def main():
        done = Driver(signaled=lambda _f: True)
        nodes = chain_of(pending(), pending_of(done), pending())
        found = chain_walk(nodes[2])
        return found is nodes[0], done.calls, nodes[1].fence.status

    assert (True, ["signaled"], 1) == rt.run(main)


@fact("F2.32", "F2.33")
def test_walk_ends(rt):
    """At the first node, at a plain fence before it, and at that when it is signalled."""

    def main():
        plain = pending()
        node = FenceChain.create(plain, pending(), 1)
        first = chain_walk(node) is plain
        onward = chain_walk(plain)
        plain.signal()
        return first, onward, chain_walk(node), node._prev, chain_walk(chain_of(pending())[0])

    assert (True, None, None, None, None) == rt.run(main)


@fact("F2.34")
def test_walks_at_the_same_time_lose_nothing(rt):
    """Many walkers while fences signal: what is pending stays in the chain, in order."""

    def main():
        fences = [pending() for _ in range(12)]
        nodes = chain_of(*fences)
        for start in (11, 11, 8):
            rt.spawn(lambda n=nodes[start]: list(chain_for_each(n)), name=f"walker {start}")
        for index in (10, 9, 4, 3, 0):
            rt.spawn(fences[index].signal, name=f"signaller {index}")
        rt.settle()
        return [node.seqno - 1 for node in chain_for_each(nodes[11])]

    assert [11, 8, 7, 6, 5, 2, 1] == rt.run(main)


@fact("F2.35")
def test_walk_exchange_that_comes_too_late_changes_nothing(rt):
    """The link is exchanged only if it is still what the walk has seen."""

    def main():
        fences = [pending() for _ in range(3)]
        nodes = chain_of(*fences)
        task = rt.current()
        rt.runtime.step(fence_chain.COLLECT, nodes[2], (nodes[0], None))
        late = task.value, nodes[2]._prev is nodes[1]
        rt.runtime.step(fence_chain.COLLECT, nodes[2], (nodes[1], nodes[0]))
        return late, task.value, nodes[2]._prev is nodes[0]

    assert ((False, True), True, True) == rt.run(main)


@fact("F2.31")
def test_walk_fused_equals_the_steps(live):
    """The quick walk of live runs and the generic one answer the same (live: both exist)."""

    def main():
        seen = []
        for walk in (fence_chain._walk, fence_chain._walk_fused):
            fences = [pending() for _ in range(6)]
            nodes = chain_of(*fences)
            for index in (0, 2, 3):
                fences[index].signal()
            found = [walk(node, live.runtime) for node in nodes]
            links = [node._prev for node in nodes]
            seen.append(
                [[None if n is None else n.seqno for n in column] for column in (found, links)]
            )
        return seen

    steps, fused = live.run(main)
    assert steps == fused
    assert [None, None, 2, 2, 2, 5] == fused[0]


def test_walk_past_a_node_of_two_chains_leaves_both_their_references(rt):
    """A node that two others follow goes out of one chain; what is before it is kept by both."""

    def main():
        released = []
        fences = [pending_of(Driver(release=released.append)) for _ in range(4)]
        first = FenceChain.create(None, fences[0], 1)
        shared = FenceChain.create(first, fences[1], 2)
        heads = [FenceChain.create(shared.get(), fence, 3) for fence in fences[2:]]
        shared.put()
        fences[1].signal()
        before = [chain_walk(heads[0]) is first, chain_walk(heads[1]) is first]
        for head in heads:
            head.put()
        return before, fences[0] in released

    assert ([True, True], True) == rt.run(main)
