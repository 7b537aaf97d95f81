"""MMU notifiers: who hears of what, and the sequence that readers retry by."""

import pytest

from dmabuf.mm.mm_struct import PAGE, MmStruct
from dmabuf.mm.mmu_notifier import IntervalNotifier, MmuNotifier, Range
from dmabuf.mm.page_alloc import Memory
from dmabuf.sync.completion import Completion
from dmabuf.sync.gfp import Gfp
from tests.facts import fact

START = 0x1000


class Listed(MmuNotifier):
    """Writes down what it hears."""

    def __init__(self, heard, answer=True):
        self.heard, self.answer = heard, answer

    def invalidate_range_start(self, found):
        """A range goes away."""
        self.heard.append(("start", found.start))
        return self.answer

    def invalidate_range_end(self, found):
        """It has gone."""
        self.heard.append(("end", found.start))


def interval(mm, heard, start=START, answer=True, during=None):
    """An interval notifier that is registered and writes down what it hears."""

    def invalidate(notifier, found, seq):
        if during is not None:
            during()
        notifier.set_seq(seq)
        heard.append(("interval", found.start))
        return answer

    notifier = IntervalNotifier(mm, start, PAGE, invalidate)
    notifier.insert()
    return notifier


def mapped(mm, start=START, **how):
    """A mapping whose pages are there."""
    vma = mm.mmap(start, **how)
    vma.populate()
    return vma


@fact("F18.30", "F18.31", "F18.32")
def test_notifiers_hear_of_their_ranges(rt):
    """The interval's own range first, then the list, which hears of the other range as well."""

    def main():
        mm, heard = MmStruct("mm"), []
        Listed(heard).register(mm)
        interval(mm, heard)
        mm.munmap(mapped(mm))
        mm.munmap(mapped(mm, 2 * START))
        return heard

    own = [("interval", START), ("start", START), ("end", START)]
    assert [*own, ("start", 2 * START), ("end", 2 * START)] == rt.run(main)


@fact("F18.43")
def test_munmap_tells_with_mmap_lock_held(rt):
    """In the callback mmap_lock is held for writing."""

    def main():
        mm, owners = MmStruct("mm"), []
        interval(mm, [], during=lambda: owners.append(mm.mmap_lock.owner))
        mm.munmap(mapped(mm))
        return owners == [rt.current()]

    assert rt.run(main)


@fact("F18.33", "F18.34", "F18.42")
@pytest.mark.parametrize(
    ("how", "gfp", "freed"),
    [
        ({}, Gfp.KERNEL, 1),
        ({}, Gfp.NOIO, 1),
        ({"anonymous": True}, Gfp.NOFS, 1),
        ({"anonymous": True}, Gfp.NOIO, 0),
    ],
)
@pytest.mark.parametrize("pinned", [False, True])
def test_reclaim_takes_user_pages_as_the_flags_allow(rt, how, gfp, freed, pinned):
    """Clean pages of files go in any reclaim, anonymous ones with IO only, pinned ones never."""

    def main():
        memory, mm, heard = Memory(pages=0), MmStruct("mm"), []
        interval(mm, heard)
        vma = mapped(mm, **how)
        if pinned:
            vma.pin()
        return memory.alloc(gfp & ~Gfp.KSWAPD_RECLAIM | Gfp.NORETRY), heard

    got = bool(freed and not pinned)
    assert (got, [("interval", START)] * got) == rt.run(main)


@fact("F18.35")
def test_read_retry_tells_of_an_invalidation_since(rt):
    """Nothing between: no; the range was unmapped: yes; another range: no."""

    def main():
        mm = MmStruct("mm")
        notifier, answers = interval(mm, []), []
        for between in (lambda: None, lambda: mm.munmap(mapped(mm)), lambda: None):
            seq = notifier.read_begin()
            between()
            answers.append(notifier.read_retry(seq))
        seq = notifier.read_begin()
        mm.munmap(mapped(mm, 2 * START))
        return [*answers, notifier.read_retry(seq)]

    assert [False, True, False, False] == rt.run(main)


def _in_invalidation(rt, act):
    """What B waits in that does something in the middle of an invalidation, and what it got."""
    mm, inside, goes_on, got = MmStruct("mm"), Completion("inside"), Completion("goes on"), []
    notifier = interval(mm, [], during=lambda: (inside.complete(), goes_on.wait()))
    rt.spawn(lambda: mm.munmap(mapped(mm)), name="A")
    inside.wait()
    notifier.seq = mm.subscriptions.seq  # its callback has marked it, and is still at work
    rt.spawn(lambda: got.append(act(mm, notifier)), name="B")
    rt.settle()
    waits = rt.waiting().get("B")
    goes_on.complete()
    rt.settle()
    return waits, got, mm.subscriptions


@fact("F18.36")
def test_read_begin_waits_for_the_end_of_an_invalidation(rt):
    """It returns when the range is no longer being invalidated."""

    def main():
        waits, got, _subs = _in_invalidation(rt, lambda _mm, notifier: notifier.read_begin())
        return waits, got

    assert ("mmu_notifier.wait", [3]) == rt.run(main)


@fact("F18.38")
def test_remove_waits_for_the_end_of_an_invalidation(rt):
    """The notifier is gone when the invalidation has ended, and its owner goes on then."""

    def main():
        waits, got, subs = _in_invalidation(rt, lambda _mm, notifier: notifier.remove())
        return waits, got, subs.intervals, subs.deferred

    assert ("mmu_notifier.wait", [None], [], {}) == rt.run(main)


@fact("F18.37")
def test_insert_during_an_invalidation_takes_effect_at_its_end(rt):
    """It does not wait, counts as invalidated until then, and hears of the next range."""

    def main():
        heard = []
        waits, got, subs = _in_invalidation(
            rt, lambda mm, _notifier: interval(mm, heard, 4 * START)
        )
        again = got[0].read_retry(3), len(subs.intervals), len(subs.deferred)
        got[0].mm.munmap(mapped(got[0].mm, 4 * START))
        return waits, again, heard

    assert (None, (False, 2, 0), [("interval", 4 * START)]) == rt.run(main)


@fact("F18.39", "F18.40")
@pytest.mark.parametrize(("of_interval", "of_list"), [(False, True), (True, False)])
def test_range_that_is_not_blockable_may_be_refused(rt, of_interval, of_list):
    """Who would have to sleep says so; then nothing is begun, and who was told hears the end."""

    def main():
        mm, heard = MmStruct("mm"), []
        Listed(heard, of_list).register(mm)
        interval(mm, heard, answer=of_interval)
        found = Range(START, 2 * START, is_blockable=False)
        begun = mm.subscriptions.start(found)
        return begun, heard, mm.subscriptions.active

    own, listed = ("interval", START), [("start", START), ("end", START)]
    assert (False, [own, *listed] if of_interval else [own], 0) == rt.run(main)


def test_refusing_a_blockable_range_warns(rt):
    """A callback that may sleep has to do its work: DF004."""

    def main():
        mm = MmStruct("mm")
        interval(mm, [], answer=False)
        mm.munmap(mapped(mm))

    assert ["DF004"] == [code for code, _message in rt.reports(main)]


@fact("F18.41")
def test_unregister_waits_for_callbacks(rt):
    """The owner of a list notifier goes on when no callback of it runs."""

    def main():
        mm, inside, goes_on, done = MmStruct("mm"), Completion("in"), Completion("on"), []
        listed = Listed([])
        listed.invalidate_range_start = lambda _found: (inside.complete(), goes_on.wait())
        listed.register(mm)
        rt.spawn(lambda: mm.munmap(mapped(mm)), name="A")
        inside.wait()
        rt.spawn(lambda: done.append(listed.unregister(mm)), name="B")
        rt.settle()
        waits = rt.waiting().get("B"), list(done)
        goes_on.complete()
        rt.settle()
        return waits, done, mm.subscriptions.listed

    assert (("mmu_notifier.synchronize", []), [None], []) == rt.run(main)


@pytest.mark.parametrize("act", ["insert twice", "remove twice", "unregister"])
def test_registering_wrongly_warns(rt, act):
    """What is registered already, or is not, is DF004."""

    def main():
        mm = MmStruct("mm")
        notifier = interval(mm, [])
        if act == "insert twice":
            notifier.insert()
        elif act == "remove twice":
            notifier.remove()
            notifier.remove()
        else:
            Listed([]).unregister(mm)

    assert ["DF004"] == [code for code, _message in rt.reports(main)]
