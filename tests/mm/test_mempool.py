"""Memory pools: where an element comes from."""

import pytest

from dmabuf.mm.mempool import Mempool
from dmabuf.mm.page_alloc import Memory
from dmabuf.sync.context import ALLOCATOR
from dmabuf.sync.gfp import Gfp
from tests.facts import fact


@fact("F18.60", "F18.61", "F18.62", "F18.63")
@pytest.mark.parametrize("gfp", [Gfp.NOWAIT, Gfp.NOFS & ~Gfp.DIRECT_RECLAIM])
def test_mempool_without_reclaim_has_a_reserve_and_then_none(rt, gfp):
    """The allocator is asked without reclaim and I/O; then the reserve is used; then none."""

    def main():
        asked, pool = [], Mempool(1, "jobs")
        rt.runtime.extras[ALLOCATOR] = lambda gfp, _what: bool(asked.append(gfp))
        first, second = pool.alloc(gfp), pool.alloc(gfp)
        return first.from_reserve, second, {bool(one & Gfp.IO) for one in asked[:1]}

    assert (True, None, {False}) == rt.run(main)


@fact("F18.62", "F18.64")
def test_mempool_that_is_empty_asks_with_all_flags_then_waits(rt):
    """Before it waits for an element it has the allocator reclaim, once and with NORETRY."""

    def main():
        asked, pool, got = [], Mempool(1, "jobs"), []
        rt.runtime.extras[ALLOCATOR] = lambda gfp, _what: bool(asked.append(gfp))
        element = pool.alloc(Gfp.NOIO)
        rt.spawn(lambda: got.append(pool.alloc(Gfp.NOIO)), name="B")
        rt.settle()
        waits = rt.waiting()["B"]
        pool.free(element)
        rt.settle()
        return waits, [one.from_reserve for one in got], asked[2]

    waits, got, last = rt.run(main)

    assert ("mempool.wait", [True]) == (waits, got)
    assert Gfp.NOIO | Gfp.NORETRY | Gfp.NOMEMALLOC | Gfp.NOWARN == last


@fact("F18.60")
def test_mempool_uses_the_allocator_while_it_has_memory(rt):
    """With memory the reserve stays full."""

    def main():
        Memory(pages=2)
        pool = Mempool(1, "jobs")
        return [pool.alloc(Gfp.NOWAIT).from_reserve for _ in range(3)], pool.is_full()

    assert ([False, False, True], False) == rt.run(main)


@fact("F18.65")
def test_mempool_element_that_comes_back_fills_the_reserve(rt):
    """Wherever it came from; beyond that it goes back to the allocator."""

    def main():
        pool = Mempool(2, "jobs")
        rt.runtime.extras[ALLOCATOR] = lambda _gfp, _what: False
        first = pool.alloc(Gfp.NOWAIT)
        left = [pool.left]
        pool.free(first)
        left.append(pool.left)
        pool.free(first)
        return [*left, pool.left]

    assert [1, 2, 2] == rt.run(main)


def test_mempool_keeps_at_least_one(rt):
    """A pool without a reserve is none."""

    def main():
        with pytest.raises(ValueError, match="at least one"):
            Mempool(0)

    rt.run(main)
