"""dma_fence_chain: making nodes, signalling, release."""

import errno
import gc
import weakref

import pytest

from dmabuf.core.fence_array import FenceArray
from dmabuf.core.fence_chain import FenceChain, chain_contained, chain_for_each, is_chain
from dmabuf.core.fence_container import is_container
from dmabuf.core.fence_steps import ENABLED, is_flagged, state_of
from dmabuf.core.timeline import Timeline
from dmabuf.sync.gfp import Gfp
from dmabuf.sync.rcu import rcu_read_lock
from dmabuf.sync.spinlock import SpinLock
from tests.core.drivers import Driver, flags, no_memory, pending, pending_of
from tests.facts import fact


def chain_of(*fences):
    """The nodes of a chain of `fences`, numbered from 1, oldest first."""
    nodes = [None]
    for seqno, fence in enumerate(fences, 1):
        nodes.append(FenceChain.create(nodes[-1], fence, seqno))
    return nodes[1:]


def callbacks(fence):
    """How many callbacks are queued."""
    return len(state_of(fence).callbacks or ())


@fact("F2.01", "F2.02", "F2.04")
def test_chain_node_joins_the_context_before_it(rt):
    """A later number: same context, and the number before it is recorded."""

    def main():
        one, two = chain_of(pending(), pending())
        nine = FenceChain.create(two, pending(), 9)
        same = one.context == two.context == nine.context
        return same, [(n.prev_seqno, n.seqno) for n in (one, two, nine)]

    assert (True, [(0, 1), (1, 2), (2, 9)]) == rt.run(main)


@fact("F2.02")
def test_chain_number_before_a_node_outlives_that_node(rt):
    """Collecting the node before does not change the recorded number."""

    def main():
        fences = [pending() for _ in range(3)]
        head = chain_of(*fences)[-1]
        fences[1].signal()
        left = [node.seqno for node in chain_for_each(head)]
        return left, head.prev_seqno

    assert ([3, 1], 2) == rt.run(main)


@fact("F2.03")
@pytest.mark.parametrize("step", [1, 1 << 31, 1 << 32, 1 << 40])
def test_chain_numbers_are_64_bit(rt, step):
    """However far ahead a number is, it is later."""

    def main():
        one = FenceChain.create(None, pending(), 1)
        two = FenceChain.create(one, pending(), 1 + step)
        return one.context == two.context, two.is_later(one), one.is_later(two)

    assert (True, True, False) == rt.run(main)


@fact("F2.05", "F2.06")
@pytest.mark.parametrize("seqno", [5, 3])
def test_chain_node_that_is_not_later_starts_a_context(rt, seqno):
    """An equal or smaller number: a context of its own, and the larger number."""

    def main():
        five = FenceChain.create(None, pending(), 5)
        node = FenceChain.create(five, pending(), seqno)
        return node.context == five.context, node.seqno, node.prev_seqno

    assert (False, 5, 0) == rt.run(main)


@fact("F2.07", "F2.04")
def test_chain_may_start_with_a_plain_fence(rt):
    """It counts for the signal, but not for context and numbers."""

    def main():
        plain, fence = Timeline("gpu").fence_at(7), pending()
        node = FenceChain.create(plain, fence, 3)
        fence.signal()
        before = node.is_signaled()
        plain.signal()
        own_context = node.context not in (plain.context, fence.context)
        return own_context, node.seqno, node.prev_seqno, before, node.is_signaled()

    assert (True, 3, 0, False, True) == rt.run(main)


@fact("F2.08")
def test_chain_in_a_chain_warns(rt):
    """A contained chain would make every operation recurse."""

    def main():
        (inner,) = chain_of(pending())
        FenceChain.create(None, inner, 1)

    assert ["DF004"] == [code for code, _ in rt.reports(main)]


@fact("F2.09")
def test_chain_of_an_array_is_fine(rt):
    """It is signalled when the array's members are."""

    def main():
        a, b = pending(), pending()
        (node,) = chain_of(FenceArray.create([a, b]))
        a.signal()
        before = node.is_signaled()
        b.signal()
        return before, node.is_signaled()

    assert (False, True) == rt.run(main)


@fact("F2.10")
def test_chain_has_the_kernels_names(rt):
    """While it is pending."""

    def main():
        (node,) = chain_of(pending())
        with rcu_read_lock():
            return node.driver_name, node.timeline_name

    assert ("dma_fence_chain", "unbound") == rt.run(main)


@fact("F2.11")
def test_chain_allocates_before_it_initialises(rt):
    """One GFP_KERNEL allocation, which may sleep; initialising is for any context."""

    def main():
        asked = no_memory(rt, but=1)
        node = FenceChain.alloc(rt=rt.runtime)
        fence, lock = pending(), SpinLock("A")
        with lock:
            node.init(None, fence, 1)
        return asked, node.seqno

    assert ([(Gfp.KERNEL, "a dma_fence_chain")], 1) == rt.run(main)


@fact("F2.11")
def test_chain_is_not_allocated_in_atomic_context(rt):
    """The allocation may sleep, which is reported where one may not."""

    def main():
        one, fence = chain_of(pending())[0], pending()
        with SpinLock("A"):
            FenceChain.create(one, fence, 2)

    assert ["DF003"] == [code for code, _ in rt.reports(main)]


@fact("F2.12")
def test_chain_without_memory_is_enomem(rt):
    """The first node and later ones alike."""

    def main():
        (one,) = chain_of(pending())
        fence = pending()
        no_memory(rt)
        seen = []
        for prev in (None, one):
            with pytest.raises(OSError, match="no memory") as error:
                FenceChain.create(prev, fence, 2)
            seen.append(error.value.errno)
        return seen

    assert [errno.ENOMEM] * 2 == rt.run(main)


@fact("F2.13", "F2.14")
def test_chain_is_known_and_says_what_it_contains(rt):
    """Before and after the signal; a plain fence is no chain and contains itself."""

    def main():
        fence = pending()
        (node,) = chain_of(fence)
        seen = [(is_chain(node), is_container(node), chain_contained(node) is fence)]
        fence.signal()
        assert node.is_signaled()
        seen.append((is_chain(node), is_container(node), chain_contained(node) is fence))
        return seen, is_chain(fence), is_container(fence), is_chain(None), chain_contained(fence)

    seen, *rest, contained = rt.run(main)
    assert [(True, True, True)] * 2 == seen
    assert [False, False, False] == rest
    assert not is_chain(contained)


@fact("F2.40")
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_chain_is_signalled_when_all_down_to_the_end_are(rt, order):
    """In whatever order the contained fences signal, each node asks for itself and below."""

    def main():
        fences = [pending() for _ in range(3)]
        nodes = chain_of(*fences)
        seen = []
        for index in order:
            fences[index].signal()
            seen.append([node.is_signaled() for node in nodes])
        return seen

    done: set[int] = set()
    expected = []
    for index in order:
        done.add(index)
        expected.append([set(range(n + 1)) <= done for n in range(3)])
    assert expected == rt.run(main)


@fact("F2.41")
def test_chain_hooks_the_first_pending_fence_from_the_head(rt):
    """One callback, on one fence; nodes before the head are not enabled."""

    def main():
        fences = [pending() for _ in range(4)]
        nodes = chain_of(*fences)
        fences[3].signal()
        nodes[3].enable_signaling()
        return [callbacks(f) for f in fences], [flags(n) & ENABLED for n in nodes]

    assert ([0, 0, 1, 0], [0, 0, 0, ENABLED]) == rt.run(main)


@fact("F2.42")
def test_chain_rearms_from_irq_work(rt):
    """When the hooked fence signals, the callback moves on to the next pending one."""

    def main():
        fences = [pending() for _ in range(3)]
        head = chain_of(*fences)[-1]
        head.enable_signaling()
        seen = [[callbacks(f) for f in fences]]
        for index in (2, 0):
            fences[index].signal()
            rt.settle()
            seen.append([callbacks(f) for f in fences])
        return seen, head.is_signaled()

    assert ([[0, 0, 1], [0, 1, 0], [0, 1, 0]], False) == rt.run(main)


@fact("F2.43", "F2.44")
def test_chain_signals_from_irq_work_after_the_last_fence(rt):
    """Its callbacks run in irq context, when the contained fence's signal has ended."""

    def main():
        order, fence = [], pending()
        (node,) = chain_of(fence)
        node.add_callback(lambda f: order.append(("node", rt.current().in_irq, is_flagged(f))))
        fence.add_callback(lambda f: order.append(("fence", rt.current().in_irq, node.error)))
        fence.add_callback(lambda f: order.append(("inside", is_flagged(node), 0)))
        fence.signal()
        rt.settle()
        return order, node.status

    order, status = rt.run(main)
    assert 1 == status
    assert [("fence", False, 0), ("inside", False, 0), ("node", True, True)] == order


@fact("F2.45")
def test_chain_of_signalled_fences_signals_when_enabled(rt):
    """No callback is left to wait for."""

    def main():
        fences = [pending() for _ in range(3)]
        head = chain_of(*fences)[-1]
        for fence in fences:
            fence.signal()
        seen = [is_flagged(head)]
        head.enable_signaling()
        return [*seen, is_flagged(head)]

    assert [False, True] == rt.run(main)


@fact("F2.43")
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_chain_wakes_who_waits_for_it(rt, order):
    """A wait ends with the last of the contained fences, whichever that is."""

    def main():
        fences = [pending() for _ in range(3)]
        head = chain_of(*fences)[-1]
        done = []
        rt.spawn(lambda: done.append(head.wait()), name="waiter")
        rt.settle()
        seen = []
        for index in order:
            fences[index].signal()
            rt.settle()
            seen.append(len(done))
        return seen

    assert [0, 0, 1] == rt.run(main)


@fact("F2.46")
@pytest.mark.parametrize("enable", [True, False])
def test_chain_does_not_show_errors(rt, enable):
    """A contained fence's error stays with that fence."""

    def main():
        fence = pending()
        (node,) = chain_of(fence)
        if enable:
            node.enable_signaling()
        fence.set_error(-errno.EIO)
        fence.signal()
        rt.settle()
        return node.status, node.error, fence.status

    assert (1, 0, -errno.EIO) == rt.run(main)


@fact("F2.47")
def test_chain_forwards_deadlines(rt):
    """To each contained fence that is pending, and to what the chain starts with."""

    def main():
        told = []
        driver = Driver(set_deadline=lambda f, ns: told.append((f.seqno, ns)))
        line = Timeline("gpu", ops=driver)
        fences = [line.fence() for _ in range(4)]
        node = FenceChain.create(fences[0], fences[1], 1)
        node = FenceChain.create(node, fences[2], 2)
        node = FenceChain.create(node, fences[3], 3)
        fences[2].signal()
        node.set_deadline(77)
        return told

    assert [(4, 77), (2, 77), (1, 77)] == rt.run(main)


def released_by(rt, build):
    """The seqnos of the fences whose driver heard of their release, in order."""

    def main():
        released = []
        line = Timeline("gpu", ops=Driver(release=lambda f: released.append(f.seqno)))
        kept = build(line)
        before = list(released)
        for fence in kept:
            fence.put()
        return released[len(before) :], before

    return rt.run(main)


@fact("F2.50")
def test_chain_puts_what_it_holds(rt):
    """The nodes before it are released first, from new to old, its own fence last."""

    def build(line):
        return [chain_of(*(line.fence() for _ in range(4)))[-1]]

    assert ([3, 2, 1, 4], []) == released_by(rt, build)


@fact("F2.50")
def test_chain_puts_the_plain_fence_it_starts_with(rt):
    """Prev is released after the nodes in between."""

    def build(line):
        node = FenceChain.create(line.fence(), line.fence(), 1)
        return [FenceChain.create(node, line.fence(), 2)]

    assert ([2, 1, 3], []) == released_by(rt, build)


@fact("F2.52")
def test_chain_release_stops_at_what_others_hold(rt):
    """A node with another reference stays, and so does all before it."""

    def build(line):
        nodes = chain_of(*(line.fence() for _ in range(4)))
        nodes[1].get()
        nodes[3].put()
        return [nodes[1]]

    assert ([1, 2], [3, 4]) == released_by(rt, build)


@fact("F2.50", "F2.52")
def test_chain_release_counts_and_unlinks(rt):
    """Also where no driver is told: what is put has no reference and no link left."""

    def main():
        fences = [pending() for _ in range(5)]
        nodes = chain_of(*fences)
        nodes[1].get()
        fences[3].get()
        nodes[4].put()
        counts = [[state_of(f).references for f in each] for each in (nodes, fences)]
        return counts, [getattr(node._prev, "seqno", None) for node in nodes]

    counts, links = rt.run(main)
    assert [[1, 1, 0, 0, 0], [1, 1, 0, 1, 0]] == counts
    assert [None, 1, None, None, None] == links


@fact("F2.53")
def test_chain_enabled_and_done_has_the_references_it_had(rt):
    """At once, and after waiting for the irq work."""

    def main():
        one, two = chain_of(pending(), pending())
        one.fence.signal()
        one.enable_signaling()
        two.enable_signaling()
        armed = [state_of(node).references for node in (one, two)]
        two.fence.signal()
        rt.settle()
        return armed, [state_of(node).references for node in (one, two)]

    assert ([1, 2], [1, 1]) == rt.run(main)


@fact("F2.51")
def test_chain_release_does_not_recurse(rt):
    """A chain of more nodes than Python may nest calls is put like a short one."""

    def build(line):
        return [chain_of(*(line.fence() for _ in range(300)))[-1]]

    released, _ = released_by(rt, build)
    assert [*range(299, 0, -1), 300] == released


@fact("F2.53")
def test_chain_that_is_enabled_is_released_after_its_signal(rt):
    """The callback owns a reference: a put before the signal is no broken promise."""

    def main():
        order, fences = [], [pending(), pending()]
        line = Timeline("gpu", ops=Driver(release=lambda _f: order.append("released")))
        head = FenceChain.create(chain_of(*fences)[-1], line.fence(), 3)
        head.add_callback(lambda _f: order.append("signalled"))
        head.put()
        for fence in (head.fence, *fences):
            order.append("next")
            fence.signal()
            rt.settle()
        return order

    assert ["next", "next", "next", "signalled", "released"] == rt.run(main)


def test_chain_collected_live_frees_all_but_what_is_held(live):
    """Python's references alone do it; only live, as explored runs keep every object."""

    def main():
        drivers = [Driver() for _ in range(4)]
        watched = [weakref.ref(driver) for driver in drivers]
        nodes = chain_of(*(pending_of(driver) for driver in drivers))
        drivers.clear()
        middle = nodes[1]
        nodes.clear()
        live.settle()
        gc.collect()  # a Timeline refers to itself
        seen = [one() is not None for one in watched]
        return seen, [node.seqno for node in chain_for_each(middle)]

    assert ([True, True, False, False], [2, 1]) == live.run(main)


def test_chain_dropped_while_waited_for_puts_nothing(live):
    """Dropped is not put: what it holds keeps its counted references (live: the collector)."""
    seen = []

    def main():
        plain = pending()

        def build():
            node = FenceChain.create(plain, pending(), 1)
            node.add_callback(lambda _f: seen.append("called"))

        build()
        gc.collect()
        live.runtime.flush()
        live.settle()
        seen.append(state_of(plain).references)

    codes = {code for code, _ in live.reports(main)}
    assert {"DF106"} == codes
    assert ["called", 1] == seen


def test_chain_in_cyclic_garbage_keeps_its_links(live):
    """A finaliser that brings a chain back to life finds all of it (live: the collector)."""

    def main():
        found = []

        class Keeper:
            """Refers to a chain that refers to it, and looks at the chain when finalised."""

            def __del__(self):
                found.append([node.seqno for node in chain_for_each(self.head)])

        def build():
            driver = Driver()
            head = chain_of(*(pending_of(driver) for _ in range(3)))[-1]
            driver.keeper = Keeper()  # made last, so that the chain is finalised before it
            driver.keeper.head = head

        build()
        gc.collect()
        return found

    assert [[3, 2, 1]] == live.run(main)
