"""The page allocator: watermarks, reclaim in the caller, and who fails."""

import pytest

from dmabuf.mm.page_alloc import Memory, memory_of
from dmabuf.mm.reclaim import is_reclaiming
from dmabuf.mm.shrinker import Shrinker
from dmabuf.sync.context import allocate, memalloc_nofs, memalloc_noio, memalloc_noreclaim
from dmabuf.sync.gfp import Gfp
from dmabuf.sync.mutex import Mutex
from tests.facts import fact


class Cache:
    """A shrinker with so many pages, that counts how often and with what it is asked."""

    def __init__(self, memory, pages, gives=1):
        self.memory, self.pages, self.gives = memory, pages, gives
        self.asked = []
        self.shrinker = Shrinker("cache", lambda _sc: self.pages, self.scan)

    def scan(self, control):
        """Frees a few."""
        self.asked.append(control.gfp)
        freed = min(self.gives, self.pages)
        self.pages -= freed
        self.memory.free(freed)
        return freed


@fact("F18.04")
@pytest.mark.parametrize("gfp", [Gfp.ATOMIC, Gfp.NOWAIT])
def test_page_alloc_without_reclaim_fails_when_pages_are_used_up(rt, gfp):
    """It gets what is there, then fails, and gets what is given back."""

    def main():
        memory = Memory(pages=1)
        got = [memory.alloc(gfp), memory.alloc(gfp)]
        memory.free()
        return [*got, memory.alloc(gfp)]

    assert [True, False, True] == rt.run(main)


@fact("F18.08", "F18.09")
@pytest.mark.parametrize(
    ("gfp", "gets"),
    [(Gfp.NOWAIT, 2), (Gfp.NOWAIT | Gfp.HIGH | Gfp.NOMEMALLOC, 6), (Gfp.ATOMIC, 7)],
)
def test_page_alloc_reserve_is_for_some(rt, gfp, gets):
    """Of 10 pages with a min watermark of 8 each kind of allocation gets so many."""

    def main():
        memory = Memory(pages=10, reserve=8)
        return sum(memory.alloc(gfp) for _ in range(10))

    assert gets == rt.run(main)


@fact("F18.06", "F18.07")
@pytest.mark.parametrize(("gfp", "gets"), [(Gfp.NOWAIT, 3), (Gfp.NOWAIT | Gfp.NOMEMALLOC, 1)])
def test_page_alloc_pf_memalloc_uses_all(rt, gfp, gets):
    """A task with PF_MEMALLOC goes below every watermark, but not with NOMEMALLOC."""

    def main():
        memory = Memory(pages=3, reserve=2)
        with memalloc_noreclaim():
            return sum(memory.alloc(gfp) for _ in range(5))

    assert gets == rt.run(main)


@fact("F18.05")
def test_page_alloc_pf_memalloc_does_not_reclaim(rt):
    """GFP_KERNEL of such a task with NORETRY fails, and no shrinker is asked."""

    def main():
        memory = Memory(pages=0)
        cache = Cache(memory, 1)
        with memalloc_noreclaim():
            return memory.alloc(Gfp.NORETRY | Gfp.DIRECT_RECLAIM | Gfp.FS), cache.asked

    assert (False, []) == rt.run(main)


@fact("F18.10", "F18.15")
def test_page_alloc_that_may_reclaim_goes_on_until_it_has_pages(rt):
    """The shrinker runs in the task that allocates, as often as needed, with its locks held."""

    def main():
        memory = Memory(pages=0)
        lock, seen = Mutex("A"), []
        cache = Cache(memory, 4)
        cache.shrinker.count = lambda _sc: seen.append((rt.current().name, lock.owner)) or 4
        with lock:
            got = [memory.alloc(Gfp.KERNEL), memory.alloc(Gfp.KERNEL, 1)]
        return got, {name for name, owner in seen if owner is rt.current()}

    got, names = rt.run(main)

    assert [True, True] == got
    assert {"main"} <= names


@fact("F18.16")
def test_page_alloc_inside_reclaim_does_not_reclaim(rt):
    """A shrinker that allocates gets what there is, or nothing: it is not called again."""

    def main():
        memory = Memory(pages=0)
        inside = []

        def scan(_control):
            inside.append((is_reclaiming(rt.current()), memory.alloc(Gfp.KERNEL | Gfp.NORETRY)))
            memory.free()
            return 1

        Shrinker("cache", lambda _sc: 1 - len(inside), scan)
        got = memory.alloc(Gfp.DIRECT_RECLAIM | Gfp.NORETRY)
        return got, inside[0], is_reclaiming(rt.current())

    assert (True, (True, False), False) == rt.run(main)


@fact("F18.11", "F18.13", "F18.12", "F18.14")
@pytest.mark.parametrize(
    ("gfp", "order", "cached", "got"),
    [
        (Gfp.KERNEL | Gfp.NORETRY, 0, 0, False),
        (Gfp.KERNEL | Gfp.NORETRY, 1, 2, False),
        (Gfp.KERNEL | Gfp.RETRY_MAYFAIL, 0, 0, False),
        (Gfp.KERNEL | Gfp.RETRY_MAYFAIL, 1, 2, True),
        (Gfp.KERNEL, 4, 16, False),
        (Gfp.KERNEL | Gfp.NOFAIL, 4, 16, True),
    ],
)
def test_page_alloc_flags_say_how_long_it_goes_on(rt, gfp, order, cached, got):
    """With a cache that gives one page a pass: who stops after a pass, who when nothing comes."""

    def main():
        memory = Memory(pages=0)
        Cache(memory, cached)
        return memory.alloc(gfp & ~Gfp.KSWAPD_RECLAIM, order)  # kswapd would reclaim beside it

    assert got == rt.run(main)


@fact("F18.10")
def test_page_alloc_waits_for_pages_of_others(rt):
    """With nothing to reclaim an allocation that never fails waits, and gets what comes back."""

    def main():
        memory, got = Memory(pages=1), []
        memory.alloc(Gfp.KERNEL)
        rt.spawn(lambda: got.append(memory.alloc(Gfp.NOIO)), name="B")
        memory.free()
        rt.settle()
        return got

    assert [True] == rt.run(main)


@fact("F18.02", "F18.03", "F18.23")
@pytest.mark.parametrize(("scope", "told"), [(memalloc_nofs, Gfp.NOFS), (memalloc_noio, Gfp.NOIO)])
def test_page_alloc_scope_is_told_to_shrinkers(rt, scope, told):
    """An allocation inside a scope reclaims with what the scope leaves."""

    def main():
        memory = Memory(pages=0)
        cache = Cache(memory, 1)
        with scope():
            allocate(Gfp.KERNEL & ~Gfp.KSWAPD_RECLAIM)
        return cache.asked

    assert [told & ~Gfp.KSWAPD_RECLAIM] == rt.run(main)


@fact("F18.17")
def test_page_alloc_shortage_wakes_kswapd(rt):
    """An atomic allocation fails, and kswapd reclaims for the next one."""

    def main():
        memory = Memory(pages=0)
        cache = Cache(memory, 1)
        got = [memory.alloc(Gfp.ATOMIC)]
        rt.settle()
        return [*got, memory.alloc(Gfp.ATOMIC)], cache.asked

    assert ([False, True], [Gfp.KERNEL]) == rt.run(main)


@fact("F18.17")
def test_page_alloc_without_kswapd_flag_leaves_it_asleep(rt):
    """An allocation without KSWAPD_RECLAIM wakes nobody."""

    def main():
        memory = Memory(pages=0)
        cache = Cache(memory, 1)
        got = memory.alloc(Gfp.HIGH)
        rt.settle()
        return got, cache.asked

    assert (False, []) == rt.run(main)


@fact("F18.18")
def test_page_alloc_kswapd_keeps_between_the_watermarks(rt):
    """Below the low watermark kswapd is woken, and it goes on up to the high one."""

    def main():
        memory = Memory(pages=12, reserve=8)
        Cache(memory, 9)
        for _ in range(3):
            memory.alloc(Gfp.KERNEL)
        rt.settle()
        return memory.low, memory.high, memory.free_pages

    assert (10, 12, 12) == rt.run(main)


def test_page_alloc_answers_allocations_of_its_runtime(rt):
    """`allocate` of anybody asks the memory of the runtime; there is none without one."""

    def main():
        before = memory_of(rt.runtime), allocate(Gfp.ATOMIC)
        memory = Memory(pages=0)
        return before, memory_of(rt.runtime) is memory, allocate(Gfp.ATOMIC)

    assert ((None, True), True, False) == rt.run(main)


@pytest.mark.parametrize("order", [-1, 11])
def test_page_alloc_refuses_orders_that_are_none(rt, order):
    """An order is 0 to 10."""

    def main():
        with pytest.raises(ValueError, match="0 to 10"):
            Memory().alloc(Gfp.KERNEL, order)

    rt.run(main)
