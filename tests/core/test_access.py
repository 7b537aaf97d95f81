"""Who is using a buffer's bytes, and what is found wrong with it."""

import contextlib

import pytest

from dmabuf import Machine, Status, check_design, design
from dmabuf.core.access import Accesses
from dmabuf.core.dma_buf_place import MemoryKind
from dmabuf.core.dma_map import Device, Direction, Segment
from dmabuf.core.resv import Resv
from dmabuf.drivers.exporter import MigratingExporter
from tests.core.drivers import pending
from tests.core.exporters import Exporter, Importer, exported

READING, WRITING, BOTH = Direction.FROM_DEVICE, Direction.TO_DEVICE, Direction.BIDIRECTIONAL


def codes(rt, main):
    """The rules that a run breaks."""
    return [code for code, _ in rt.reports(main)]


# --- overlaps ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ({"write": True}, {"write": True}, "DF604"),
        ({"write": True}, {"write": False}, "DF604"),
        ({"write": False}, {"write": True}, "DF604"),
        ({"write": False}, {"write": False}, ""),
        ({"write": True, "length": 10}, {"write": True, "offset": 10}, ""),
        ({"write": True, "length": 10}, {"write": True, "offset": 9}, "DF604"),
        ({"write": True, "offset": 10}, {"write": True, "length": 10}, ""),
        ({"write": True, "offset": 10}, {"write": True, "length": 11}, "DF604"),
        ({"write": True, "offset": 4, "length": 2}, {"write": True, "length": 8}, "DF604"),
        ({"write": True}, {"write": True, "offset": 7, "length": 1}, "DF604"),
        ({"write": True, "offset": 4, "length": 0}, {"write": True}, ""),
    ],
)
def test_access_overlap(rt, first, second, code):
    """A write and another access of the same bytes; readers and other bytes are fine."""

    def main():
        frame = Accesses("frame")

        def other():
            with frame.device(**second):
                pass

        with frame.device(**first):
            rt.spawn(other)
            rt.settle()

    assert ([code] if code else []) == codes(rt, main)


def test_access_message_names_both_sides(rt):
    """Who, what, which bytes, and where each of them began."""

    def main():
        frame = Accesses("frame")

        def scanout():
            with frame.device(offset=8, length=4):
                pass

        with frame.device(write=True):
            rt.spawn(scanout, name="scanout")
            rt.settle()

    ((_code, message),) = rt.reports(main)
    line = test_access_message_names_both_sides.__code__.co_firstlineno
    one, other = f"test_access.py:{line + 7}", f"test_access.py:{line + 10}"
    assert message == f"scanout reads frame [8 to 12] ({one}) while main writes frame ({other})"


def test_access_of_one_task_is_no_overlap(rt):
    """What one task does is in order by itself."""

    def main():
        frame = Accesses("frame")
        with frame.device(write=True), frame.device():
            pass
        return list(frame.ongoing)

    assert [] == rt.run(main)


def test_access_after_the_other_is_no_overlap(rt):
    """An access that has ended is in nobody's way, nor is one that an exception ended."""

    def main():
        frame = Accesses("frame")

        def other():
            with pytest.raises(OSError, match="broken"), frame.device(write=True):
                raise OSError("broken")

        rt.spawn(other)
        rt.settle()
        with frame.device(write=True):
            return [str(one) for one in frame.ongoing]

    assert ["main writes frame"] == rt.run(main)


@pytest.mark.parametrize("how", [{"offset": -1}, {"length": -1}])
def test_access_of_no_bytes_is_refused(rt, how):
    """A range is not negative."""

    def main():
        with pytest.raises(ValueError, match="no bytes"):
            Accesses().device(**how)

    rt.run(main)


def test_access_overlap_live_warns_and_goes_on(rt):
    """The kernel does not notice at all; the accesses end as ever."""
    left = []

    def main():
        frame = Accesses("frame")

        def other():
            with frame.device(write=True):
                pass
            left.append(len(frame.ongoing))

        with frame.device(write=True):
            rt.spawn(other)
            rt.settle()
        left.append(len(frame.ongoing))

    assert ["DF604"] == codes(rt, main)
    assert left == ([] if rt.explored else [1, 0])


# --- the CPU -----------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", [None, READING, WRITING, BOTH, Direction.NONE])
@pytest.mark.parametrize("write", [False, True])
def test_cpu_needs_a_bracket_of_its_direction(rt, direction, write):
    """A bracket for writing is none for reading, nor the other way round."""

    def main():
        frame = Accesses("frame")
        if direction is not None:
            frame.open(direction)
        with frame.cpu(write=write):
            pass

    right = {READING: [False], WRITING: [True], BOTH: [False, True]}.get(direction, [])
    assert ([] if write in right else ["DF601"]) == codes(rt, main)


def test_cpu_message_says_what_is_missing(rt):
    """For reading or for writing."""

    def main():
        with Accesses("frame").cpu(write=True):
            pass

    ((_code, message),) = rt.reports(main)
    assert message.startswith("main writes frame with the CPU (test_access.py:")
    assert message.endswith(") outside a bracket for writing")


@pytest.mark.parametrize(
    ("opened", "closed", "code"),
    [
        ([], READING, "DF601"),
        ([READING], WRITING, "DF601"),
        ([READING], BOTH, "DF601"),
        ([READING], READING, ""),
        ([BOTH], READING, ""),
        ([READING, WRITING], BOTH, ""),
        ([], Direction.NONE, ""),
    ],
)
def test_bracket_is_balanced(rt, opened, closed, code):
    """Only what was begun can end; one that is for both may end in two parts."""

    def main():
        frame = Accesses("frame")
        for direction in opened:
            frame.open(direction)
        frame.close(closed)

    assert ([code] if code else []) == codes(rt, main)


@pytest.mark.parametrize(("brackets", "code"), [(1, "DF601"), (2, "")])
def test_bracket_ends_before_the_access(rt, brackets, code):
    """The CPU goes on without one, unless another one is open."""

    def main():
        frame = Accesses("frame")
        for _ in range(brackets):
            frame.open(READING)
        with frame.cpu():
            frame.close(READING)

    assert ([code] if code else []) == codes(rt, main)


def test_bracket_does_not_end_what_a_device_does(rt):
    """A device needs no bracket."""

    def main():
        frame = Accesses("frame")
        with frame.device():
            frame.open(READING)
            frame.close(READING)

    assert [] == codes(rt, main)


def test_bracket_as_a_block(rt):
    """Open inside, closed after it."""

    def main():
        frame = Accesses("frame")
        with frame.bracket(BOTH):
            inside = list(frame.brackets.counts)
        return inside, frame.brackets.counts

    assert ([1, 1], [0, 0]) == rt.run(main)


def test_cpu_beside_a_device_is_an_overlap(rt):
    """A bracket is no fence."""

    def main():
        frame = Accesses("frame")

        def other():
            with frame.bracket(READING), frame.cpu():
                pass

        with frame.device(write=True):
            rt.spawn(other)
            rt.settle()

    assert ["DF604"] == codes(rt, main)


# --- moves -------------------------------------------------------------------------------------


def table_of(frame):
    """A table of a device, mapped now."""
    table = Device("gpu").map([Segment(0, 4096)], BOTH)
    frame.mapped(table)
    return table


@pytest.mark.parametrize("moves_first", [False, True])
def test_move_overlap(rt, moves_first):
    """The storage is moved while somebody reads it, or the other way round."""

    def main():
        frame = Accesses("frame")
        spans = [frame.move(), frame.device()]
        first, second = spans if moves_first else reversed(spans)

        def other():
            with second:
                pass

        with first:
            rt.spawn(other)
            rt.settle()

    assert ["DF603"] == codes(rt, main)


@pytest.mark.parametrize("mapped", ["before", "after"])
@pytest.mark.parametrize("used", ["before", "planned", "moved"])
def test_move_and_mappings(rt, mapped, used):
    """The old mapping is good until the move begins, the new one when it is done."""

    def main():
        frame = Accesses("frame")

        def use(when, table):
            if when == used and table is not None:
                with frame.device(table=table):
                    pass

        old = table_of(frame) if mapped == "before" else None
        use("before", old)
        move = frame.move()
        table = old or table_of(frame)
        use("planned", table)
        with move:
            pass
        use("moved", table)

    good = {"before": ("before", "planned"), "after": ("before", "moved")}[mapped]
    assert ([] if used in good else ["DF603"]) == codes(rt, main)


@pytest.mark.parametrize(
    ("mapped_before", "words"), [(True, "where it was before"), (False, "where it is not yet")]
)
def test_move_message_says_which_mapping(rt, mapped_before, words):
    """Too late or too early."""

    def main():
        frame = Accesses("frame")
        table = table_of(frame)
        move = frame.move()
        if mapped_before:
            with move:
                pass
        else:
            table = table_of(frame)
        with frame.device(table=table):
            pass

    assert words in rt.reports(main)[0][1]


def test_move_is_planned_under_the_lock(rt):
    """Where new mappings go changes with it."""

    def main():
        Accesses("frame", Resv("resv")).move()

    assert ["DF004"] == codes(rt, main)


def test_table_that_is_mapped_again(rt):
    """An exporter may keep a table and give it once more: then it is good for the new place."""

    def main():
        frame = Accesses("frame")
        table = table_of(frame)
        frame.unmapped(table)
        with frame.move():
            pass
        frame.mapped(table)
        with frame.device(table=table):
            pass

    assert [] == codes(rt, main)


# --- a buffer ----------------------------------------------------------------------------------


def test_buffer_device_access(rt):
    """A device reads and writes through its mapping."""

    def main():
        attachment = exported().attach(Device("gpu"))
        table = attachment.map_unlocked(BOTH)
        with attachment.device_access(table, write=True, length=8):
            words = [str(one) for one in attachment.buf.accesses.ongoing]
        with attachment.device_access(table):
            pass
        attachment.unmap_unlocked(table)
        return words

    assert ["main writes frame [0 to 8]"] == rt.run(main)


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("direction", [WRITING, READING])
def test_buffer_device_access_against_its_direction(rt, direction, write):
    """A mapping to the device is read by it, one from the device is written."""

    def main():
        attachment = exported().attach(Device("gpu"))
        attachment.device_access(attachment.map_unlocked(direction), write=write)

    wrong = write is not (direction is READING)
    assert (["DF004"] if wrong else []) == codes(rt, main)


def test_buffer_device_goes_on_when_unmapped(rt):
    """The table is given back too early."""

    def main():
        attachment = exported().attach(Device("gpu"))
        table = attachment.map_unlocked(BOTH)
        with attachment.device_access(table):
            attachment.unmap_unlocked(table)

    ((code, message),) = rt.reports(main)
    assert ("DF004", "main unmaps frame while main reads frame") == (code, message.split(" (")[0])


def test_buffer_device_access_through_a_mapping_given_back(rt):
    """There is no such mapping any more."""

    def main():
        attachment = exported().attach(Device("gpu"))
        table = attachment.map_unlocked(BOTH)
        attachment.unmap_unlocked(table)
        with attachment.device_access(table):
            pass

    ((code, message),) = rt.reports(main)
    assert "DF004" == code
    assert message.endswith("through a mapping given back")


def test_buffer_used_after_release(rt):
    """The bytes are somebody else's."""

    def main():
        buf = exported()
        buf.put()
        with buf.accesses.device():
            pass

    ((code, message),) = rt.reports(main)
    assert "DF004" == code
    assert message.endswith("which was released")


def test_buffer_released_while_used(rt):
    """The last reference goes, the device goes on."""

    def main():
        buf = exported()
        with buf.accesses.device(write=True):
            buf.put()

    ((code, message),) = rt.reports(main)
    assert ("DF004", "frame is released while main writes frame") == (code, message.split(" (")[0])


def test_buffer_released_with_an_open_bracket(rt):
    """Begin without end."""

    def main():
        buf = exported()
        buf.begin_cpu_access(BOTH)
        buf.put()

    assert [("DF601", "frame is released with 1 CPU brackets")] == rt.reports(main)


@pytest.mark.parametrize(("at", "count"), [("begin", 0), ("end", 1)])
def test_buffer_bracket_and_the_exporters_hooks(rt, at, count):
    """It is open when begin has succeeded, and closed when the exporter has done its part."""
    seen = []

    def main():
        note = lambda buf, _way: seen.append(buf.accesses.brackets.counts[:])  # noqa: E731
        buf = exported(Exporter(**{f"{at}_cpu_access": note}))
        buf.begin_cpu_access(READING)
        with buf.accesses.cpu():
            pass
        buf.end_cpu_access(READING)

    rt.run(main)
    assert [[count, 0]] == seen


def test_buffer_dynamic_importer_maps_again(rt):
    """After a move it is told of, a new mapping is good when the move is done."""

    def main():
        buf = exported(Exporter(pin=lambda _one: None, unpin=lambda _one: None))
        attachment = buf.attach(Device("gpu"), Importer())
        old = attachment.map_unlocked(BOTH)
        with buf.resv:
            move = buf.accesses.move()
            buf.invalidate_mappings()
        with move:
            pass
        attachment.unmap_unlocked(old)
        with attachment.device_access(attachment.map_unlocked(BOTH)):
            pass
        return attachment.importer_ops.told

    assert [("gpu", True)] == rt.run(main)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(
    ("table", "when", "code"),
    [
        ("old", "before", ""),
        ("new", "during", "DF603"),
        ("new", "after", ""),
        ("old", "after", "DF603"),
    ],
)
def test_buffer_of_the_reference_exporter_moves(rt, table, when, code, fails):
    """While its engine copies nobody uses it; afterwards through new mappings only."""
    engine = []

    def mover(_old, _new, move):
        if fails:
            raise OSError("broken")
        engine.extend([move, pending()])
        return engine[1]

    def main():
        kinds = [MemoryKind("vram", 1 << 20, peer=True), MemoryKind("system", 1 << 20)]
        frame = MigratingExporter("frame", 4096, kinds, mover=mover)
        importer = Importer()
        importer.allow_peer2peer = True
        gpu = frame.buf.attach(Device("gpu"), importer)

        def use(at, which, mapping):
            if (at, which) == (when, table):
                rt.spawn(lambda: used(gpu, mapping), name="job")
                rt.settle()

        old = gpu.map_unlocked(BOTH)
        use("before", "old", old)
        with contextlib.suppress(OSError):
            frame.evict()
        new = gpu.map_unlocked(BOTH)
        if engine:
            use("during", "new", new)
            with engine[0]:
                pass
            engine[1].signal()
        use("after", "old", old)
        use("after", "new", new)

    expected = "" if fails and when == "during" else code
    assert ([expected] if expected else []) == codes(rt, main)


def used(attachment, table):
    """The device writes through a mapping."""
    with attachment.device_access(table, write=True):
        pass


# --- exploration -------------------------------------------------------------------------------


@design
def rarely(machine: Machine) -> None:
    """In the first schedule one access follows the other."""
    frame = Accesses("frame")

    def write() -> None:
        with frame.device(write=True):
            pass

    machine.kthread(write, "a")
    machine.kthread(write, "b")


@design
def readers(machine: Machine) -> None:
    """Any number of them, in any order, is one schedule."""
    frame = Accesses("frame")

    def read() -> None:
        with frame.device():
            pass

    for name in "abcd":
        machine.kthread(read, name)


def test_access_overlap_is_found_in_another_schedule():
    """Each access is two steps, so there is a schedule in which they overlap."""
    verdict = check_design(rarely, "rarely")

    assert Status.VIOLATED is verdict.status
    assert verdict.executions > 1
    assert ["DF604"] == list(dict.fromkeys(finding.code for finding in verdict.findings))


def test_access_readers_commute():
    """All orders of readers are one."""
    verdict = check_design(readers, "readers")

    assert (Status.PROVED, 1) == (verdict.status, verdict.executions)
