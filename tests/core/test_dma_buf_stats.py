"""What there is of buffers, as data."""

from dmabuf.core.dma_buf_stats import ExporterStatistics, buffer_statistics, statistics
from dmabuf.core.dma_map import Device, Direction
from dmabuf.core.resv import Usage
from tests.core.drivers import pending
from tests.core.exporters import SIZE, Exporter, Importer, add, exported


def busy():
    """A buffer with two devices, a mapping, a pin, a vmap, and two fences, one signalled."""
    buf = exported(Exporter(vmap=lambda _buf: b""), exp_name="heap")
    buf.attach(Device("camera")).map_unlocked(Direction.FROM_DEVICE)
    gpu = buf.attach(Device("gpu"), Importer())
    fences = [pending(), pending()]
    for fence in fences:
        add(buf, fence, Usage.READ)
    with buf.resv:
        gpu.pin()
        buf.vmap()
    fences[0].signal()
    return buf


def test_statistics_of_a_buffer(rt):
    """What bufinfo tells, and what it does not."""

    def main():
        buf = busy()
        buf.get()
        told = buffer_statistics(buf)
        return told, buf.resv.is_locked()

    told, is_locked = rt.run(main)
    assert ("frame", "heap", SIZE, 2) == (told.name, told.exp_name, told.size, told.references)
    assert (("camera", "gpu"), 1, 1, 1) == (told.devices, told.mappings, told.pins, told.vmaps)
    assert {usage: int(usage is Usage.READ) for usage in Usage} == told.fences
    assert not is_locked


def test_statistics_of_all(rt):
    """In order of inodes, which count up from 1; exporters in alphabetical order."""

    def main():
        kept = [exported(exp_name=name, name=f"b{n}") for n, name in enumerate("bab")]
        kept[0].attach(Device("gpu"))
        exported(exp_name="gone").put()
        told = statistics()
        return told, [buf.file.count for buf in kept]

    told, counts = rt.run(main)
    assert [(1, "b0", 1), (2, "b1", 1), (3, "b2", 1)] == [
        (one.ino, one.name, one.references) for one in told.buffers
    ]
    assert ["a", "b"] == list(told.exporters)
    assert ExporterStatistics(2, 2 * SIZE, 1) == told.exporters["b"]
    assert [1, 1, 1] == counts


def test_statistics_keep_what_is_being_looked_at(rt):
    """A buffer that is put meanwhile is released by whoever asked."""

    def main():
        ops = Exporter()
        buf = exported(ops)
        told = []
        buf.resv.lock()
        rt.spawn(lambda: told.append(statistics()), name="bufinfo")
        rt.settle()
        count = buf.file.count
        buf.resv.unlock()
        buf.put()
        rt.settle()
        return count, ops.names, len(told)

    assert (2, ["release"], 1) == rt.run(main)


def test_statistics_of_nothing(rt):
    """No buffer, no exporter."""

    def main():
        told = statistics()
        return told.buffers, told.exporters

    assert ((), {}) == rt.run(main)
