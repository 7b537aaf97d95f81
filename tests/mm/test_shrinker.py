"""Shrinkers: what they are asked, in which order, and how they go."""

import pytest

from dmabuf.core.resv import Resv
from dmabuf.mm.page_alloc import Memory
from dmabuf.mm.shrinker import SHRINK_EMPTY, SHRINK_STOP, Shrinker, shrink_slab
from dmabuf.sync.completion import Completion
from dmabuf.sync.gfp import Gfp
from tests.facts import fact


@fact("F18.20", "F18.21", "F18.22")
@pytest.mark.parametrize(
    ("count", "scan", "freed", "asked"),
    [(3, 2, 2, [3]), (0, 2, 0, []), (SHRINK_EMPTY, 2, 0, []), (3, SHRINK_STOP, 0, [3])],
)
def test_shrinker_is_asked_how_much_then_to_free(rt, count, scan, freed, asked):
    """`scan` is called for as many as `count` said, if any; what it freed is the answer."""

    def main():
        seen = []
        Shrinker("cache", lambda _sc: count, lambda sc: seen.append(sc.nr_to_scan) or scan)
        return shrink_slab(Gfp.KERNEL), seen

    assert (freed, asked) == rt.run(main)


@fact("F18.23", "F18.24")
@pytest.mark.parametrize("gfp", [Gfp.KERNEL, Gfp.NOFS, Gfp.NOIO])
def test_shrinkers_are_called_in_order_with_the_flags(rt, gfp):
    """Whatever the allocation's flags, each is called, and told them."""

    def main():
        seen = []
        for name in ("one", "two"):
            Shrinker(name, lambda sc, n=name: seen.append((n, sc.gfp)) or 0, lambda _sc: 0)
        shrink_slab(gfp)
        return seen

    assert [("one", gfp), ("two", gfp)] == rt.run(main)


@fact("F18.25")
def test_shrinker_free_waits_for_a_call(rt):
    """Unregistering ends when the call under way has, and nobody calls it afterwards."""

    def main():
        entered, goes_on, seen = Completion("entered"), Completion("goes on"), []

        def count(_control):
            entered.complete()
            goes_on.wait()
            seen.append("called")
            return 0

        shrinker = Shrinker("cache", count, lambda _sc: 0)
        rt.spawn(lambda: shrink_slab(Gfp.KERNEL), name="B")
        entered.wait()
        rt.spawn(lambda: (shrinker.free(), seen.append("freed")), name="C")
        rt.settle()
        waits = rt.waiting()
        goes_on.complete()
        rt.settle()
        shrink_slab(Gfp.KERNEL)
        return waits.get("C"), seen

    assert ("shrinker.wait", ["called", "freed"]) == rt.run(main)


def test_shrinker_free_twice_warns(rt):
    """Unregistering what is not registered is DF004."""

    def main():
        shrinker = Shrinker("cache", lambda _sc: 0, lambda _sc: 0)
        shrinker.free()
        shrinker.free()

    assert ["DF004"] == [code for code, _message in rt.reports(main)]


@pytest.mark.parametrize(
    ("how", "found"), [("lock", ["DF304"]), ("trylock", []), ("own", ["DF304"])]
)
def test_reservation_lock_in_reclaim_is_df304(rt, how, found):
    """A shrinker that waits for one is reported, whoever holds it; trying is allowed."""

    def main():
        memory, buffer, victim = Memory(pages=0), Resv("buffer"), Resv("victim")

        def scan(_control):
            wanted = buffer if how == "own" else victim
            if how != "trylock":
                wanted.lock()
                wanted.unlock()
            elif wanted.trylock():
                wanted.unlock()
            memory.free()
            return 1

        Shrinker("cache", lambda _sc: 1, scan)
        with buffer:
            memory.alloc(Gfp.DIRECT_RECLAIM | Gfp.FS | Gfp.NORETRY)

    if how == "own" and not rt.explored:
        pytest.skip("live the warning is survived, and the task waits for itself")
    assert found == [code for code, _message in rt.reports(main)][:1]  # live DF204 follows
