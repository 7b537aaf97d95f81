"""struct dma_resv: reserving, adding and replacing, with the lock held."""

import errno

import pytest

from dmabuf.core.fence_array import FenceArray
from dmabuf.core.fence_steps import PUBLISHED, state_of
from dmabuf.core.resv import Resv, Usage
from dmabuf.core.resv_steps import slots_given
from dmabuf.core.timeline import Timeline
from dmabuf.errors import AlreadyLocked
from dmabuf.sync.ww_acquire import reservation_ww_class, ww_acquire
from tests.core.drivers import no_memory, pending
from tests.facts import fact

KERNEL, WRITE, READ, BOOKKEEP = Usage


def slots(resv):
    """Each slot's fence and usage, in a word."""
    entries = resv.fences.entries if resv.fences is not None else []
    return [f"{fence.name} {usage.name}" for fence, usage in entries]


def references(*fences):
    """How many counted references there are to each."""
    return [state_of(fence).references for fence in fences]


def added(*entries):
    """A reservation object with these fences added in this order, still locked."""
    resv = Resv("bo")
    resv.lock()
    resv.reserve_fences(len(entries) + 1)
    for fence, usage in entries:
        resv.add_fence(fence, usage)
    return resv


@fact("F5.56")
def test_resv_lock_is_a_ww_mutex(rt):
    """A context takes it with others of its class; its holder may ask for the context."""

    def main():
        resv, other = Resv("bo"), Resv("other")
        with ww_acquire() as ctx:
            ctx.lock(resv)
            ctx.lock(other)
            with pytest.raises(AlreadyLocked):
                resv.lock(ctx)
            known = resv.locking_ctx is ctx, resv.held(), resv.is_locked(), resv.trylock()
        is_of_class = resv.ww.ww_class is reservation_ww_class()
        return known, is_of_class, resv.is_locked(), other.trylock(), other.locking_ctx

    assert ((True, True, True, False), True, False, True, None) == rt.run(main)


@fact("F5.23")
@pytest.mark.parametrize("call", ["reserve", "add", "replace", "reset", "copy", "describe"])
def test_resv_changes_without_the_lock_warn(rt, call):
    """The object is named."""

    def main():
        fence, resv = pending(), added()
        resv.unlock()
        calls = {
            "reserve": lambda: resv.reserve_fences(1),
            "add": lambda: resv.add_fence(fence, READ),
            "replace": lambda: resv.replace_fences(fence.context, fence, READ),
            "reset": resv.reset_max_fences,
            "copy": lambda: resv.copy_fences(Resv("src")),
            "describe": resv.describe,
        }
        calls[call]()

    message = "main relies on bo.lock, which it does not hold; it holds no lock"
    assert ("DF004", message) == rt.reports(main)[0]


@fact("F5.24")
def test_resv_reserve_nothing_warns(rt):
    """A count of 0 is a slip in counting."""

    def main():
        with Resv("bo") as resv, pytest.raises(OSError, match="at least one") as caught:
            resv.reserve_fences(0)
        assert errno.EINVAL == caught.value.errno

    assert [("DF004", "main reserves 0 fences of bo")] == rt.reports(main)


@fact("F5.25")
@pytest.mark.parametrize("count", [1, 4, 7, 40])
def test_resv_reserved_fences_can_be_added(rt, count):
    """As many as were reserved, after as many that were there before."""

    def main():
        resv = Resv("bo")
        for _ in range(2):
            with resv:
                resv.reserve_fences(count)
                for _ in range(count):
                    resv.add_fence(pending(), READ)
        return len(slots(resv))

    assert 2 * count == rt.run(main)


@fact("F5.26")
@pytest.mark.parametrize(("asked", "given"), [(1, 5), (4, 5), (5, 9), (8, 9), (9, 21), (17, 61)])
def test_resv_first_list(rt, asked, given):
    """A small list has five slots: four, and one that fits into what the allocator gives."""

    def main():
        with Resv("bo") as resv:
            resv.reserve_fences(asked)
            return resv.fences.max_fences

    assert given == rt.run(main)


def test_slots_given_never_fewer():
    """The allocator's sizes: 64, 96, 128, 192, then powers of two."""
    sizes = [24 + 8 * slots_given(slots) for slots in range(1, 300)]

    assert all(slots_given(slots) >= slots for slots in range(1, 300))
    assert {32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096} == set(sizes)


@fact("F5.27")
def test_resv_list_grows_to_twice_its_slots(rt):
    """Nine slots become eighteen, of which the allocator makes 21; more if more is needed."""

    def main():
        resv, grown = added(*((pending(), READ) for _ in range(4))), []
        resv.reserve_fences(6)
        grown.append(resv.fences.max_fences)
        resv.reserve_fences(100)
        grown.append(resv.fences.max_fences)
        return grown

    assert [21, slots_given(104)] == rt.run(main)


@fact("F5.28")
def test_resv_list_that_grows_loses_signalled_fences(rt):
    """They are put; the others keep order and usage."""

    def main():
        a, b, c = pending(), Timeline("b").fence(), Timeline("c").fence()
        resv = added((a, WRITE), (b, READ), (c, BOOKKEEP))
        b.signal()
        before = slots(resv)
        resv.reserve_fences(9)
        return len(before), slots(resv), references(a, b, c)

    assert (3, ["gpu:1 WRITE", "c:1 BOOKKEEP"], [2, 1, 2]) == rt.run(main)


@fact("F5.29")
def test_resv_unlock_forfeits_what_was_reserved(rt):
    """The next holder reserves anew, although there is room."""

    def main():
        resv = added()
        resv.unlock()
        with resv:
            resv.add_fence(pending(), READ)

    assert [("DF208", "main adds gpu:1 to bo without reserving")] == rt.reports(main)


@fact("F5.29")
def test_resv_reset_forfeits_as_unlock_does(rt):
    """What a debugging kernel calls at the unlock."""

    def main():
        resv = added()
        resv.reset_max_fences()
        resv.add_fence(pending(), READ)

    assert [("DF208", "main adds gpu:1 to bo without reserving")] == rt.reports(main)


@fact("F5.30")
def test_resv_reserve_without_memory(rt):
    """The fences that are there stay."""

    def main():
        resv = added((pending(), READ))
        no_memory(rt)
        with pytest.raises(OSError, match="no memory") as caught:
            resv.reserve_fences(50)
        return caught.value.errno, slots(resv)

    assert (errno.ENOMEM, ["gpu:1 READ"]) == rt.run(main)


@fact("F5.31")
def test_resv_add_more_than_slots(rt):
    """Where the list is full there is nothing that could be done."""

    def main():
        resv = added()
        count = resv.fences.max_fences
        resv.reserve_fences(count)
        for _ in range(count + 1):
            resv.add_fence(pending(), READ)

    assert [("DF208", "main adds gpu:1 to bo, which has no slot left")] == rt.reports(main)


@fact("F5.31")
@pytest.mark.parametrize("again", [False, True])
def test_resv_add_more_than_reserved(rt, again):
    """The list has four slots or more, and the kernel uses them; we say that it is by chance."""
    done = []

    def main():
        resv = added()
        if again:
            resv.reserve_fences(1)
        resv.add_fence(pending(), READ)
        resv.add_fence(Timeline("late").fence(), READ)
        done.extend(slots(resv))

    message = "main adds late:1 to bo beyond the slots that it reserved"
    assert [("DF208", message)] == rt.reports(main)
    assert done == ([] if rt.explored else ["gpu:1 READ", "late:1 READ"])


@fact("F5.25")
def test_resv_reserved_again_while_held(rt):
    """What counts is what is wanted from now on; more than that may be reserved already."""

    def main():
        resv = added()
        resv.reserve_fences(3)
        resv.reserve_fences(1)
        for name in "abc":
            resv.add_fence(Timeline(name).fence(), READ)
        resv.reserve_fences(1)
        resv.add_fence(Timeline("d").fence(), READ)
        return len(slots(resv))

    assert 4 == rt.run(main)


@fact("F5.32")
def test_resv_add_container_warns(rt):
    """Its members are to be added."""

    def main():
        array = FenceArray.create([pending(), pending()])
        added((array, READ))

    assert ["DF004"] == [code for code, _ in rt.reports(main)]


def test_resv_add_publishes(rt):
    """From there on others may find it."""

    def main():
        fence = pending()
        added((fence, READ))
        return bool(state_of(fence).flags & PUBLISHED)

    assert rt.run(main)


@fact("F5.33")
def test_resv_add_takes_a_signalled_slot(rt):
    """The first one, before a later one of its own context."""

    def main():
        line = Timeline("own")
        mine, a, b = line.fence(), Timeline("a").fence(), Timeline("b").fence()
        resv = added((a, KERNEL), (b, BOOKKEEP), (mine, READ))
        a.signal()
        b.signal()
        resv.add_fence(line.fence(), READ)
        return slots(resv)

    assert ["own:2 READ", "b:1 BOOKKEEP", "own:1 READ"] == rt.run(main)


@fact("F5.34")
@pytest.mark.parametrize("usage", list(Usage))
def test_resv_add_takes_the_slot_of_an_earlier_fence(rt, usage):
    """Of its own context, with the same usage; the first of two."""

    def main():
        line, other = Timeline("own"), Timeline("other").fence()
        first, second, third = line.fence(), line.fence(), line.fence()
        resv = added((other, usage), (second, usage), (first, usage))
        resv.add_fence(third, usage)
        resv.add_fence(third, usage)
        return slots(resv)

    named = usage.name
    assert [f"other:1 {named}", f"own:3 {named}", f"own:1 {named}"] == rt.run(main)


@fact("F5.35")
def test_resv_read_leaves_a_write_alone(rt):
    """Otherwise readers that come would no longer wait for it."""

    def main():
        line = Timeline("own")
        resv = added((line.fence(), WRITE))
        resv.add_fence(line.fence(), READ)
        return slots(resv)

    assert ["own:1 WRITE", "own:2 READ"] == rt.run(main)


@fact("F5.36")
@pytest.mark.parametrize("before", [READ, BOOKKEEP])
def test_resv_write_takes_the_slot_of_a_read(rt, before):
    """It is promoted."""

    def main():
        line = Timeline("own")
        resv = added((line.fence(), before))
        resv.add_fence(line.fence(), WRITE)
        return slots(resv)

    assert ["own:2 WRITE"] == rt.run(main)


@fact("F5.37")
def test_resv_earlier_fence_is_appended(rt):
    """Both have to be waited for."""

    def main():
        line = Timeline("own")
        early, late = line.fence(), line.fence()
        return slots(added((late, READ), (early, READ)))

    assert ["own:2 READ", "own:1 READ"] == rt.run(main)


@fact("F5.38")
def test_resv_slots_have_references(rt):
    """One a slot, also for the same fence in two; the one that leaves is put."""

    def main():
        line = Timeline("own")
        first, second, other = line.fence(), line.fence(), Timeline("other").fence()
        resv = added((first, READ), (other, WRITE), (other, READ))
        before = references(first, second, other)
        resv.add_fence(second, READ)
        return before, references(first, second, other)

    assert ([2, 1, 3], [1, 2, 3]) == rt.run(main)


@fact("F5.39")
def test_resv_replace_takes_every_slot_of_a_context(rt):
    """Whatever its usage; each slot then has a reference to the new one."""

    def main():
        line, new = Timeline("own"), Timeline("new").fence()
        a, b, other = line.fence(), line.fence(), Timeline("other").fence()
        resv = added((a, WRITE), (other, READ), (b, BOOKKEEP))
        resv.replace_fences(line.context, new, KERNEL)
        return slots(resv), references(a, b, new)

    expected = ["new:1 KERNEL", "other:1 READ", "new:1 KERNEL"]
    assert (expected, [1, 1, 3]) == rt.run(main)


@fact("F5.54")
def test_resv_fini_puts_all(rt):
    """Nobody locks it afterwards."""

    def main():
        a, b = pending(), pending()
        resv = added((a, WRITE), (b, READ))
        resv.unlock()
        resv.fini()
        assert ([1, 1], []) == (references(a, b), slots(resv))
        resv.lock()

    assert [("DF004", "main locks bo.lock, which was destroyed")] == rt.reports(main)


@fact("F5.55")
def test_resv_describe(rt):
    """A line each, in the order of slots."""

    def main():
        a, b, c, d = (Timeline(name, context=n).fence() for n, name in enumerate("abcd", 11))
        resv = added((b, READ), (a, KERNEL), (d, BOOKKEEP), (c, WRITE))
        c.signal()
        return resv.describe()

    assert (
        "\tread fence:12:1 b dmabuf unsignalled\n"
        "\tkernel fence:11:1 a dmabuf unsignalled\n"
        "\twrite fence:13:1   signalled\n"
    ) == rt.run(main)
