"""Sync files: a fence with a name, merged, asked and polled; one reference, one callback."""

import errno

import pytest

from dmabuf import FenceChain, Timeline, check_design, design, merge
from dmabuf.core.fence_steps import state_of
from dmabuf.core.sync_file import SyncFile
from dmabuf.errors import Interrupted
from tests.core.drivers import Driver, no_memory, pending, pending_of
from tests.facts import fact


def callbacks_of(fence):
    """How many are queued, whatever keeps them."""
    with fence.timeline.rt.mutex:
        return len(state_of(fence).callbacks or ())


def gpu_and_display():
    """A pending fence of each of two drivers."""
    gpu = Timeline("ring0", driver="gpu", context=7)
    display = Timeline("crtc0", driver="display", context=9)
    return gpu.fence_at(3), display.fence_at(4)


@fact("F7.01")
def test_sync_file_takes_a_reference_of_its_own(rt):
    """The caller's stays the caller's; releasing the file puts the file's."""

    def main():
        fence = pending()
        counts = [state_of(fence).references]
        file = SyncFile(fence)
        counts.append(state_of(fence).references)
        same = file.get_fence() is fence
        counts.append(state_of(fence).references)
        fence.put()
        file.release()
        counts.append(state_of(fence).references)
        return counts, same

    assert ([1, 2, 3, 1], True) == rt.run(main)


@fact("F7.02", "F13.03")
def test_sync_file_merge_merges_what_is_inside(rt):
    """Signalled fences and older ones of a context are left out; both files stay valid."""

    def main():
        timeline = Timeline("t")
        old, new, other = timeline.fence(), timeline.fence(), pending()
        one, two = SyncFile(old), SyncFile(merge(new, other))
        both = one.merge(two, "both")
        old.signal()
        again = one.merge(one)
        return (
            {entry.obj_name for entry in both.info().fences} == {"t", other.timeline.name},
            len(both.info().fences),
            one.status,
            two.status,
            again.status,
        )

    assert (True, 2, 1, 0, 1) == rt.run(main)


@fact("F13.06")
def test_sync_file_merged_with_itself_is_the_fence_itself(rt):
    """One fence is left, and it is no copy."""

    def main():
        file = SyncFile(pending())
        return file.merge(file).fence is file.fence

    assert rt.run(main)


@fact("F7.03")
@pytest.mark.parametrize("length", [30, 31, 32, 100])
def test_sync_file_name_is_cut(rt, length):
    """To 31 characters."""

    def main():
        file = SyncFile(pending())
        return file.merge(file, "x" * length).name

    assert "x" * min(length, 31) == rt.run(main)


@pytest.mark.parametrize(
    ("given", "told"),
    [("ü" * 20, "ü" * 15 + "\udcc3"), ("a\nb\x7f", "a\nb\x7f"), ("frame\0rest", "frame")],
)
def test_sync_file_name_is_bytes(rt, given, told):
    """31 of them, in the middle of a character if need be; a zero ends it, others are kept."""

    def main():
        file = SyncFile(pending())
        return file.merge(file, given).name

    assert told == rt.run(main)


@fact("F7.04")
def test_sync_file_without_a_name_makes_one(rt):
    """Driver, dash, timeline with the context, dash, number; cut like any other."""

    def main():
        one, other = gpu_and_display()
        long = Timeline("a" * 40, driver="d").fence()
        merged = SyncFile(merge(one, other))
        return SyncFile(one).name, SyncFile(long).name, merged.name.partition("d")[2][:24]

    name, long, merged = rt.run(main)

    assert "gpu-ring07-3" == name
    assert "d-" + "a" * 29 == long
    assert "ma_fence_array-unbound" == merged.rstrip("0123456789-")


def test_sync_file_name_follows_the_fences_names(rt):
    """Once signalled a fence has lost its names, and so has the file without one of its own."""

    def main():
        one, _other = gpu_and_display()
        file = SyncFile(one)
        named = file.merge(file, "mine")
        one.signal()
        return file.name, named.name

    assert ("detached-driver-signaled-timeli", "mine") == rt.run(main)


@fact("F7.05")
def test_sync_file_poll_arms_one_callback(rt):
    """However often it is polled."""

    def main():
        fence = pending()
        file = SyncFile(fence)
        before = callbacks_of(fence)
        answers = [file.poll() for _ in range(3)]
        return before, answers, callbacks_of(fence)

    assert (0, [False] * 3, 1) == rt.run(main)


@fact("F7.06")
def test_sync_file_release_removes_the_callback(rt):
    """And a file that was never polled has none to remove."""

    def main():
        fence = pending()
        polled, quiet = SyncFile(fence), SyncFile(fence)
        polled.poll()
        polled.release()
        quiet.release()
        fence.signal()
        return callbacks_of(fence)

    assert 0 == rt.run(main)


@fact("F13.01")
def test_sync_file_poll_is_true_also_for_an_error(rt):
    """An error is readable, not an error of the poll."""

    def main():
        fence = pending()
        file = SyncFile(fence)
        fence.set_error(-errno.EIO)
        fence.signal()
        return file.poll(), file.wait(0), file.status

    assert (True, True, -errno.EIO) == rt.run(main)


def test_sync_file_wait_ends_with_the_signal(rt):
    """All who wait on one file are woken, each file by its own callback."""

    def main():
        fence, woken = pending(), []
        files = [SyncFile(fence), SyncFile(fence)]
        for number in range(4):
            rt.spawn(lambda n=number: woken.append((n, files[n % 2].wait())), name=f"w{number}")
        rt.settle()
        before = list(woken)
        fence.signal()
        rt.settle()
        return before, sorted(woken)

    assert ([], [(n, True) for n in range(4)]) == rt.run(main)


def test_sync_file_wait_runs_out_of_time_and_is_interrupted(rt):
    """False when the time is over; Interrupted for a pending signal."""

    def main():
        file = SyncFile(pending())
        out = file.wait(0.001)
        rt.interrupt(rt.current())
        with pytest.raises(Interrupted):
            file.wait(5)
        return out

    assert rt.run(main) is False


@fact("F13.09")
@pytest.mark.parametrize(
    ("states", "folded", "whole"),
    [
        ("pending error", 0, 0),
        ("error pending", -errno.EIO, 0),
        ("done error", -errno.EIO, None),
        ("done done", 1, None),
    ],
)
def test_sync_file_info_folds_the_status(rt, states, folded, whole):
    """It starts at 1 and stays with the first entry that is something else."""

    def main():
        fences = list(gpu_and_display())
        file = SyncFile(merge(*fences))
        for fence, state in zip(fences, states.split(), strict=True):
            if state == "error":
                fence.set_error(-errno.EIO)
            if state != "pending":
                fence.signal()
        info = file.info()
        return info.status, file.status if whole is not None else None, len(info.fences)

    assert (folded, whole, 2) == rt.run(main)


@fact("F13.10", "F13.11")
def test_sync_file_info_names_the_plain_fences_inside(rt):
    """Chains and arrays are unpacked; a signalled fence has a time and no names."""

    def main():
        one, other = gpu_and_display()
        head = FenceChain.create(FenceChain.create(None, one, 1), other, 2)
        file = SyncFile(head)
        before = [(f.driver_name, f.obj_name, f.status, f.timestamp_ns) for f in file.info().fences]
        other.signal(timestamp=55)
        entries = file.info().fences
        return before, [(f.driver_name, f.obj_name, f.status, f.timestamp_ns) for f in entries]

    before, after = rt.run(main)

    assert [("display", "crtc0", 0, 0), ("gpu", "ring0", 0, 0)] == before
    assert ("detached-driver", "signaled-timeline", 1, 55) in after


@fact("F13.07")
@pytest.mark.parametrize(("states", "whole"), [("pending error", 0), ("done done", 1)])
def test_sync_file_info_without_room(rt, states, whole):
    """The count, and the status of the fence as a whole; without memory as well."""

    def main():
        fences = list(gpu_and_display())
        file = SyncFile(merge(*fences))
        for fence, state in zip(fences, states.split(), strict=True):
            if state != "pending":
                fence.signal()
        rt.settle()
        no_memory(rt)
        info = file.info(0)
        return info.status, info.fences, info.num_fences, info.name == file.name

    assert (whole, (), 2, True) == rt.run(main)


@fact("F13.08")
def test_sync_file_info_with_some_room(rt):
    """Too little is EINVAL; too much is no more than all."""

    def main():
        file = SyncFile(merge(*gpu_and_display()))
        with pytest.raises(OSError, match="more than 1") as caught:
            file.info(1)
        return caught.value.errno, [file.info(room).num_fences for room in (2, 3, 99)]

    assert (errno.EINVAL, [2, 2, 2]) == rt.run(main)


@fact("F13.02")
def test_sync_file_poll_turns_signalling_on(rt):
    """Once; a driver that says "signalled already" is believed."""

    def main():
        driver = Driver(enable_signaling=lambda _fence: True)
        eager = Driver(enable_signaling=lambda _fence: False)
        file = SyncFile(pending_of(driver))
        return file.poll(), file.poll(), driver.calls, SyncFile(pending_of(eager)).poll()

    assert (False, False, ["enable_signaling"], True) == rt.run(main)


@fact("F13.04")
def test_sync_file_merge_leaves_signalled_ones_out(rt):
    """What is left of one is that fence itself, with one entry."""

    def main():
        one, other = gpu_and_display()
        done = SyncFile(one)
        one.signal()
        both = done.merge(SyncFile(other))
        return both.fence is other, both.info().num_fences

    assert (True, 1) == rt.run(main)


@fact("F13.05")
def test_sync_file_merge_of_signalled_ones(rt):
    """One entry, signalled, with the later of the times."""

    def main():
        one, other = gpu_and_display()
        one.signal(timestamp=70)
        other.signal(timestamp=30)
        both = SyncFile(one).merge(SyncFile(other))
        (entry,) = both.info().fences
        return both.fence in (one, other), entry.status, entry.timestamp_ns

    assert (False, 1, 70) == rt.run(main)


@fact("F13.12")
def test_sync_file_set_deadline_reaches_the_driver(rt):
    """Past times and signalled fences are no error."""

    def main():
        asked = []
        fence = pending_of(Driver(set_deadline=lambda _f, at: asked.append(at)))
        file = SyncFile(fence)
        file.set_deadline(5)
        file.set_deadline(-1)
        fence.signal()
        file.set_deadline(9)
        return asked

    assert [5, -1] == rt.run(main)


def test_sync_file_without_memory(rt):
    """ENOMEM, for a new one, for a merged one, and for the entries of an info."""

    def main():
        one, other = SyncFile(pending()), SyncFile(pending())
        no_memory(rt)
        errors = []
        for make in (lambda: SyncFile(one.fence), lambda: one.merge(other), one.info):
            with pytest.raises(OSError, match="no memory") as caught:
                make()
            errors.append(caught.value.errno)
        return errors

    assert [errno.ENOMEM] * 3 == rt.run(main)


def test_sync_file_under_every_schedule():
    """A poller, a releaser of the other file and the signaller: nobody is left asleep."""

    @design
    def files(machine):
        fence = Timeline("gpu").fence()
        polled, released = SyncFile(fence), SyncFile(fence)
        machine.kthread(fence.signal, "signaller")
        machine.kthread(polled.wait, "poller")
        machine.kthread(lambda: released.poll() or released.release(), "other")

    assert "PROVED" == check_design(files, "files").status.value
