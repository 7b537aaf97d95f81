"""Storage that is placed when first mapped, moves, and is revoked."""

import errno

import pytest

from dmabuf.core.dma_buf_place import MemoryKind
from dmabuf.core.dma_buf_storage import Placement
from dmabuf.core.dma_map import PAGE_SIZE, Device, Direction
from dmabuf.core.resv import Usage
from dmabuf.drivers.exporter import MigratingExporter
from tests.core.drivers import no_memory, pending
from tests.core.exporters import Importer, add
from tests.facts import fact

WAY = Direction.BIDIRECTIONAL


class Peer(Importer):
    """Told of moves, and able to use memory of another device; unmaps when told."""

    allow_peer2peer = True

    def invalidate_mappings(self, attachment):
        """Write it down and unmap."""
        super().invalidate_mappings(attachment)
        for table in list(attachment.tables):
            attachment.unmap(table)


def kinds(vram=8, system=8):
    """A card's memory, first choice, and system memory."""
    return [
        MemoryKind("vram", vram * PAGE_SIZE, base=1 << 20, peer=True),
        MemoryKind("system", system * PAGE_SIZE, base=1 << 32, contiguous=False),
    ]


def frame(pages=2, mover=None, **how):
    """A buffer of so many pages."""
    return MigratingExporter("frame", pages * PAGE_SIZE, kinds(**how), mover=mover)


def where(exporter):
    """In which memory it is."""
    place = exporter.storage.place
    return place.kind.name if place is not None else None


def use(attachment, table):
    """The device uses what it has mapped."""
    with attachment.device_access(table, write=True):
        pass


def free(exporter):
    """Free pages of each kind."""
    return [kind.free_pages for kind in exporter.storage.placement.kinds]


@fact("F6.50")
@pytest.mark.parametrize(
    ("devices", "kind"),
    [
        ([], "vram"),
        ([Device("plain")], "vram"),
        ([Device("cpu", reaches=["system"])], "system"),
        ([Device("plain"), Device("cpu", reaches=["system"])], "system"),
        ([Device("old", dma_bits=32)], "vram"),
    ],
    ids=lambda value: "+".join(d.name for d in value) if isinstance(value, list) else value,
)
def test_storage_placed_for_all_attached(rt, devices, kind):
    """The best kind that all of them reach, decided by the first mapping."""

    def main():
        exporter = frame()
        first = exporter.buf.attach(Device("first"), Peer())
        for device in devices:
            exporter.buf.attach(device, Peer())
        before = where(exporter)
        first.map_unlocked(WAY)
        return before, where(exporter)

    assert (None, kind) == rt.run(main)


@fact("F6.50")
@pytest.mark.parametrize("importer", [None, Importer, Peer], ids=["static", "dynamic", "peer"])
def test_storage_in_memory_of_a_peer(rt, importer):
    """Only for importers that say that they can use it."""

    def main():
        exporter = frame()
        exporter.buf.attach(Device("gpu"), importer and importer()).map_unlocked(WAY)
        return where(exporter)

    assert ("vram" if importer is Peer else "system") == rt.run(main)


@fact("F6.50")
def test_storage_next_kind_if_the_best_is_full(rt):
    """Memory that is not there is as good as memory that does not suit."""

    def main():
        exporter = frame(pages=3, vram=2)
        exporter.buf.attach(Device("gpu"), Peer()).map_unlocked(WAY)
        return where(exporter), free(exporter)

    assert ("system", [2, 5]) == rt.run(main)


@pytest.mark.parametrize(
    ("device", "pages", "code"),
    [
        (Device("none", reaches=[]), 1, errno.EINVAL),
        (Device("one", contiguous=True), 2, errno.EINVAL),
        (Device("low", dma_bits=32), 1, errno.EINVAL),
        (Device("any"), 9, errno.ENOMEM),
    ],
    ids=["reaches nothing", "needs one segment", "sees low memory", "wants too much"],
)
def test_storage_that_cannot_be_placed(rt, device, pages, code):
    """Nothing suits: EINVAL; what suits is full: ENOMEM; nothing was taken."""

    def main():
        exporter = frame(pages=pages)
        attachment = exporter.buf.attach(device, Importer())
        with pytest.raises(OSError, match=r".") as caught:
            attachment.map_unlocked(WAY)
        return caught.value.errno, free(exporter), attachment.tables

    assert (code, [8, 8], []) == rt.run(main)


@fact("F6.51", "F6.53")
def test_storage_moves_for_a_device_that_attaches_late(rt):
    """Everybody sees the new place; the old one is free."""

    def main():
        exporter = frame()
        told = []
        early = exporter.buf.attach(Device("early"), Peer(told))
        early.map_unlocked(WAY)
        before = where(exporter), list(told)
        late = exporter.buf.attach(Device("late"))
        table = late.map_unlocked(WAY)
        again = early.map_unlocked(WAY)
        after = where(exporter), told
        return before, after, table.segments == again.segments, free(exporter)

    assert (("vram", []), ("system", [("early", True)]), True, [8, 6]) == rt.run(main)


@fact("F6.51")
@pytest.mark.parametrize("holder", ["static", "deaf", "pin"])
def test_storage_that_cannot_move_refuses_a_late_device(rt, holder):
    """EBUSY when it attaches, and the others go on."""

    def main():
        exporter = frame()
        ops = Peer()
        if holder == "deaf":
            ops.invalidate_mappings = None
        first = exporter.buf.attach(Device("first"), None if holder == "static" else ops)
        with exporter.buf.resv:
            first.pin() if holder == "pin" else first.map(WAY)
        with pytest.raises(OSError, match="frame is") as caught:
            exporter.buf.attach(Device("late", reaches=[]), Importer())
        return caught.value.errno, list(exporter.buf.attachments) == [first]

    assert (errno.EBUSY, True) == rt.run(main)


@fact("F6.51")
def test_storage_that_was_pinned_meanwhile_refuses_to_map(rt):
    """Attaching was right when it was done; mapping is EBUSY."""

    def main():
        exporter = frame()
        first = exporter.buf.attach(Device("first"), Peer())
        first.map_unlocked(WAY)
        late = exporter.buf.attach(Device("late"), Importer())
        exporter.storage.pins += 1
        with pytest.raises(OSError, match="pinned") as caught:
            late.map_unlocked(WAY)
        return caught.value.errno, where(exporter)

    assert (errno.EBUSY, "vram") == rt.run(main)


@fact("F6.52", "F6.53")
def test_storage_move_waits_for_all_fences(rt):
    """Importers are told first, then their fences are waited for, BOOKKEEP too."""

    def main():
        exporter, told = frame(), []
        attachment = exporter.buf.attach(Device("gpu"), Peer(told))
        old = attachment.map_unlocked(WAY)
        fence = pending()
        add(exporter.buf, fence, Usage.BOOKKEEP)
        rt.spawn(exporter.evict, name="evict")
        rt.settle()
        waiting = rt.waiting(), list(told), where(exporter), old.priv is exporter.storage.place
        fence.signal()
        rt.settle()
        return waiting, where(exporter), exporter.storage.moves, free(exporter)

    waiting = ({"evict": "fence.wait"}, [("gpu", True)], "vram", True)
    assert (waiting, "system", 1, [8, 6]) == rt.run(main)


@fact("F6.52")
def test_storage_move_waits_for_fences_of_being_told(rt):
    """An importer without fences of its own may have to stop its work first."""

    def main():
        exporter, fence = frame(), pending()
        ops = Peer()
        plainly = ops.invalidate_mappings

        def invalidate_mappings(attachment):
            plainly(attachment)
            attachment.buf.resv.reserve_fences(1)
            attachment.buf.resv.add_fence(fence, Usage.BOOKKEEP)

        ops.invalidate_mappings = invalidate_mappings
        exporter.buf.attach(Device("gpu"), ops).map_unlocked(WAY)
        rt.spawn(exporter.evict, name="evict")
        rt.settle()
        waiting = rt.waiting()
        fence.signal()
        return waiting

    assert {"evict": "fence.wait"} == rt.run(main)


def test_storage_old_place_stays_while_it_is_mapped(rt):
    """An importer that is slow to unmap keeps pages, but must not use them."""

    def main():
        exporter = frame()
        attachment = exporter.buf.attach(Device("gpu"), Importer())
        exporter.storage.placement = Placement([*kinds()[1:], *kinds()[1:]])
        table = attachment.map_unlocked(WAY)
        use(attachment, table)
        exporter.evict()
        kept = free(exporter)
        use(attachment, attachment.map_unlocked(WAY))
        attachment.unmap_unlocked(table)
        return kept, free(exporter)

    assert ([6, 6], [8, 6]) == rt.run(main)


def test_storage_old_place_used_after_a_move_is_reported(rt):
    """The pages may be somebody else's."""

    def main():
        exporter = frame()
        attachment = exporter.buf.attach(Device("gpu"), Importer())
        exporter.storage.placement = Placement([*kinds()[1:], *kinds()[1:]])
        table = attachment.map_unlocked(WAY)
        exporter.evict()
        use(attachment, table)

    assert ["DF603"] == [code for code, _message in rt.reports(main)]


def moved_by_a_device():
    """A buffer that a copy engine is moving, the engine's work, and a new mapping."""
    fence, moves = pending(), []

    def mover(_old, _new, move):
        moves.append(move)
        return fence

    def copy():
        with moves[0]:
            pass
        fence.signal()

    exporter = frame(mover=mover)
    attachment = exporter.buf.attach(Device("gpu"), Peer())
    attachment.map_unlocked(WAY)
    exporter.evict()
    return exporter, copy, attachment, attachment.map_unlocked(WAY)


def test_storage_moved_by_a_device(rt):
    """Who uses it waits for the copying, and the old place is kept until then."""

    def main():
        exporter, copy, attachment, table = moved_by_a_device()
        during = exporter.buf.resv.test_signaled(Usage.KERNEL), free(exporter)
        copy()
        use(attachment, table)
        return during, exporter.buf.resv.test_signaled(Usage.KERNEL), free(exporter)

    assert ((False, [6, 6]), True, [8, 6]) == rt.run(main)


def test_storage_used_before_a_device_has_moved_it_is_reported(rt):
    """The KERNEL fence is what a dynamic importer waits for."""

    def main():
        _exporter, _copy, attachment, table = moved_by_a_device()
        use(attachment, table)

    assert ["DF603"] == [code for code, _message in rt.reports(main)]


@pytest.mark.parametrize("mover", [lambda _old, _new, _move: None, None])
def test_storage_moved_at_once(rt, mover):
    """No fence is needed, and the old place is free."""

    def main():
        exporter = frame(mover=mover)
        exporter.buf.attach(Device("gpu"), Peer()).map_unlocked(WAY)
        exporter.evict()
        return exporter.buf.resv.test_signaled(Usage.BOOKKEEP), free(exporter)

    assert (True, [8, 6]) == rt.run(main)


@pytest.mark.parametrize("failure", ["full", "memory for fences", "mover"])
def test_storage_that_fails_to_move_stays(rt, failure):
    """Nothing moved, nothing is lost."""

    def main():
        def mover(_old, _new, _move):
            raise OSError(errno.EIO, "the copy engine is dead")

        exporter = frame(mover=mover, system=1 if failure == "full" else 8)
        exporter.buf.attach(Device("gpu"), Peer()).map_unlocked(WAY)
        if failure == "memory for fences":
            no_memory(rt)
        with pytest.raises(OSError, match=r".") as caught:
            exporter.evict()
        return caught.value.errno, where(exporter), free(exporter), exporter.storage.moves

    code = errno.EIO if failure == "mover" else errno.ENOMEM
    assert (code, "vram", [6, 1 if failure == "full" else 8], 0) == rt.run(main)


def test_storage_evicted_before_it_is_placed(rt):
    """There is nothing to move."""

    def main():
        exporter = frame()
        exporter.evict()
        return where(exporter), exporter.storage.moves

    assert (None, 0) == rt.run(main)


def test_storage_pinned_where_all_can_reach_it(rt):
    """Pinning places it, moves it if need be, and then it stays."""

    def main():
        exporter = frame()
        first = exporter.buf.attach(Device("first"), Peer())
        first.map_unlocked(WAY)
        late = exporter.buf.attach(Device("late"), Importer())
        with exporter.buf.resv:
            late.pin()
        pinned = where(exporter)
        with pytest.raises(OSError, match="pinned"):
            exporter.evict()
        with exporter.buf.resv:
            late.unpin()
        return pinned, exporter.storage.pins

    assert ("system", 0) == rt.run(main)


@fact("F6.54")
def test_storage_revoked(rt):
    """Whoever revokes waits for fences, then for the last table; nobody maps any more."""

    def main():
        exporter, order = frame(), []
        attachment = exporter.buf.attach(Device("gpu"), Importer())
        table = attachment.map_unlocked(WAY)
        fence = pending()
        add(exporter.buf, fence, Usage.BOOKKEEP)
        rt.spawn(exporter.revoke, name="revoke")
        rt.settle()
        order.append(rt.waiting())
        fence.signal()
        rt.settle()
        order.append(rt.waiting())
        use(attachment, table)
        attachment.unmap_unlocked(table)
        rt.settle()
        return order, rt.waiting(), free(exporter), attachment.importer_ops.told

    order = [{"revoke": "fence.wait"}, {"revoke": "place.wait"}]
    assert (order, {}, [8, 8], [("gpu", True)]) == rt.run(main)


@fact("F6.54")
@pytest.mark.parametrize("call", ["map", "pin", "attach", "revoke"])
def test_storage_after_it_was_revoked(rt, call):
    """ENODEV; to revoke it again is fine."""

    def main():
        exporter = frame()
        attachment = exporter.buf.attach(Device("gpu"), Peer())
        exporter.revoke()
        calls = {
            "map": lambda: attachment.map_unlocked(WAY),
            "pin": lambda: pin(attachment),
            "attach": lambda: exporter.buf.attach(Device("late")),
            "revoke": exporter.revoke,
        }
        try:
            calls[call]()
        except OSError as error:
            return error.errno
        return 0

    def pin(attachment):
        with attachment.buf.resv:
            attachment.pin()

    assert (0 if call == "revoke" else errno.ENODEV) == rt.run(main)


def test_storage_is_free_after_release(rt):
    """With the buffer goes its place."""

    def main():
        exporter = frame()
        attachment = exporter.buf.attach(Device("gpu"), Peer())
        attachment.unmap_unlocked(attachment.map_unlocked(WAY))
        attachment.detach()
        before = free(exporter)
        exporter.buf.put()
        return before, free(exporter)

    assert ([6, 8], [8, 8]) == rt.run(main)


def test_placement_without_memory():
    """An exporter has something to export."""
    with pytest.raises(ValueError, match="a kind of memory"):
        Placement([])
