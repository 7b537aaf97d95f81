"""Sync objects by handle and descriptor: what each call answers, in the order of its checks."""

import errno

import pytest

from dmabuf import Timeline
from dmabuf.abi import drm_syncobj as abi
from dmabuf.core.fd_table import FdTable
from dmabuf.core.fence_array import FenceArray
from dmabuf.core.fence_steps import state_of
from dmabuf.core.fence_unwrap import merge, unwrap
from dmabuf.core.fence_wait import stub
from dmabuf.core.sync_file import SyncFile
from dmabuf.core.syncobj_handles import SyncObjHandles
from dmabuf.core.syncobj_wait import FOR_EVER, NONE_SIGNALED, WaitFlags
from dmabuf.sync.eventfd import EventFd
from tests.core.drivers import no_memory, pending
from tests.facts import fact
from tests.support import errno_of

EXPORT = abi.DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE
EXPORT_POINT = EXPORT | abi.DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_TIMELINE
IMPORT = abi.DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE
IMPORT_POINT = IMPORT | abi.DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_TIMELINE
LAST = abi.DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED
SECOND = 10**9
UNKNOWN = 99


def node_with(*fences, **how):
    """An open render node, and a handle for each fence (None for an empty object)."""
    node = SyncObjHandles(**how)
    handles = []
    for fence in fences:
        handle = node.create()
        if fence is not None:
            node.objects[handle].replace_fence(fence)
        handles.append(handle)
    return node, handles


def install(node, file):
    """A descriptor for a file."""
    fd = node.files.get_unused()
    node.files.install(fd, file)
    return fd


def open_numbers(node):
    """The descriptors in use."""
    return sorted(node.files.files)


@fact("F15.01")
def test_syncobj_handles_are_the_lowest_free_ones(rt):
    """From 1 on, a freed one first; another open file has its own."""

    def main():
        node, other = SyncObjHandles(), SyncObjHandles()
        handles = [node.create() for _ in range(3)]
        node.destroy(2)
        node.destroy(1)
        return handles, [node.create() for _ in range(3)], other.create()

    assert ([1, 2, 3], [1, 2, 4], 1) == rt.run(main)


@fact("F15.02")
@pytest.mark.parametrize(
    ("flags", "answer"), [(0, 0), (1, 0), (2, errno.EINVAL), (3, errno.EINVAL)]
)
def test_syncobj_create_checks_flags(rt, flags, answer):
    """SIGNALED alone is known."""

    def main():
        node = SyncObjHandles()
        return errno_of(node.create, flags), len(node.objects)

    assert (answer, int(not answer)) == rt.run(main)


def test_syncobj_create_signaled(rt):
    """By flag or by word: a wait for it is over."""

    def main():
        node = SyncObjHandles()
        return node.wait([node.create(1), node.create(signaled=True)], 0, WaitFlags.ALL)

    assert 0 == rt.run(main)


@pytest.mark.parametrize("but", [0, 1])
def test_syncobj_create_without_memory(rt, but):
    """ENOMEM for the object and for the handle; nothing is left."""

    def main():
        node = SyncObjHandles()
        no_memory(rt, but=but)
        return errno_of(node.create), node.objects

    assert (errno.ENOMEM, {}) == rt.run(main)


@fact("F15.04")
def test_syncobj_destroy_answers_einval(rt):
    """For an unknown handle and for a pad; a pad is seen first, so the handle stays."""

    def main():
        node, (one,) = node_with(None)
        answers = [errno_of(node.destroy, one, pad=1), errno_of(node.destroy, UNKNOWN)]
        node.destroy(one)
        return [*answers, errno_of(node.destroy, one)]

    assert [errno.EINVAL] * 3 == rt.run(main)


CALLS = {
    "create": (),
    "destroy": (UNKNOWN,),
    "handle_to_fd": (UNKNOWN, 77),
    "fd_to_handle": (UNKNOWN, 0, 77),
    "wait": ([UNKNOWN], 0, 77),
    "timeline_wait": ([UNKNOWN], None, 0, 77),
    "reset": ([],),
    "signal": ([],),
    "timeline_signal": ([],),
    "query": ([], 77),
    "transfer": (UNKNOWN, 0, UNKNOWN, 0, 77),
    "eventfd": (UNKNOWN, UNKNOWN, 0, 77),
}
OF_TIMELINES = {"timeline_wait", "timeline_signal", "query", "transfer", "eventfd"}


@fact("F15.05")
@pytest.mark.parametrize("name", CALLS)
def test_syncobj_without_the_feature_is_eopnotsupp(rt, name):
    """Before anything else is checked; a driver may have the one feature and not the other."""

    def main():
        nothing = SyncObjHandles(syncobj=False, timeline=False)
        binary = SyncObjHandles(timeline=False)
        call = getattr(binary, name)
        return errno_of(getattr(nothing, name), *CALLS[name]), errno_of(call, *CALLS[name])

    nothing, binary = rt.run(main)

    assert errno.EOPNOTSUPP == nothing
    assert (name in OF_TIMELINES) == (binary == errno.EOPNOTSUPP)


# -- descriptors ---------------------------------------------------------------------------------


@fact("F15.06")
@pytest.mark.parametrize(
    ("handle", "flags", "point", "pad"),
    [
        (UNKNOWN, 0, 0, 0),
        (1, 0, 0, 1),
        (1, 4, 0, 0),
        (1, 0, 7, 0),
        (UNKNOWN, EXPORT, 0, 1),
        (UNKNOWN, EXPORT | 4, 0, 0),
    ],
)
def test_syncobj_handle_to_fd_answers_einval(rt, handle, flags, point, pad):
    """And takes no descriptor."""

    def main():
        node, _ = node_with(pending())
        return errno_of(node.handle_to_fd, handle, flags, point, pad=pad), len(node.files.files)

    assert (errno.EINVAL, 0) == rt.run(main)


@fact("F15.07")
def test_syncobj_descriptor_aliases_the_object(rt):
    """A reset is seen through both; each import makes a new handle; closing puts a reference."""

    def main():
        node, (one,) = node_with(pending())
        other = SyncObjHandles(node.files)
        obj = node.objects[one]
        fd = node.handle_to_fd(one)
        handles = [node.fd_to_handle(fd), node.fd_to_handle(fd), other.fd_to_handle(fd)]
        node.reset([handles[0]])
        counts = [obj.references]
        node.files.close(fd)
        other.release()
        counts.append(obj.references)
        return handles, obj.fence_get(), counts

    assert ([2, 3, 1], None, [5, 3]) == rt.run(main)


@fact("F15.07")
def test_syncobj_lives_in_its_descriptor(rt):
    """It outlasts all its handles."""

    def main():
        node, (one,) = node_with(None)
        fd = node.handle_to_fd(one)
        node.signal([one])
        node.destroy(one)
        return node.wait([node.fd_to_handle(fd)], 0)

    assert 0 == rt.run(main)


@fact("F15.08")
def test_syncobj_export_sync_file_checks(rt):
    """Unknown handle ENOENT; no fence, or not that point, EINVAL; the number is free again."""

    def main():
        node, (empty, line) = node_with(None, None)
        node.timeline_signal([line], [3])
        return (
            errno_of(node.handle_to_fd, UNKNOWN, EXPORT),
            errno_of(node.handle_to_fd, empty, EXPORT),
            errno_of(node.handle_to_fd, line, EXPORT_POINT, 4),
            len(node.files.files),
            node.handle_to_fd(line, EXPORT_POINT, 3),
        )

    assert (errno.ENOENT, errno.EINVAL, errno.EINVAL, 0, 0) == rt.run(main)


def test_syncobj_export_sync_file_without_memory(rt):
    """The kernel answers EINVAL; nothing is left behind."""

    def main():
        fence = pending()
        node, (one,) = node_with(fence)
        no_memory(rt)
        return (
            errno_of(node.handle_to_fd, one, EXPORT),
            len(node.files.files),
            state_of(fence).references,
        )

    assert (errno.EINVAL, 0, 2) == rt.run(main)


@fact("F15.09")
def test_syncobj_export_sync_file_of_fence_and_point(rt):
    """The fence itself; a point with TIMELINE only, else the newest."""

    def main():
        fence = pending()
        node, (one, line) = node_with(fence, None)
        for point in (1, 2):
            node.objects[line].add_point(pending(), point)
        fds = [
            node.handle_to_fd(one, EXPORT),
            node.handle_to_fd(line, EXPORT_POINT, 1),
            node.handle_to_fd(line, EXPORT, 1),
            node.handle_to_fd(line, EXPORT_POINT, 0),
        ]
        files = [node.files.files[fd] for fd in fds]
        return files[0].fence is fence, [file.fence.seqno for file in files[1:]]

    assert (True, [1, 2, 2]) == rt.run(main)


@fact("F15.10")
def test_syncobj_fd_to_handle_answers_einval(rt):
    """For a closed descriptor, one of something else, a pad, flags, and a point."""

    def main():
        node, (one,) = node_with(None)
        fd, file = node.handle_to_fd(one), install(node, SyncFile(pending()))
        answers = [
            errno_of(node.fd_to_handle, UNKNOWN),
            errno_of(node.fd_to_handle, file),
            errno_of(node.fd_to_handle, fd, pad=1),
            errno_of(node.fd_to_handle, fd, flags=4),
            errno_of(node.fd_to_handle, fd, point=1),
        ]
        return set(answers), len(node.objects)

    assert ({errno.EINVAL}, 1) == rt.run(main)


@fact("F15.11")
def test_syncobj_import_sync_file_checks(rt):
    """A wrong descriptor comes before an unknown handle."""

    def main():
        node, (one,) = node_with(None)
        fd, file = node.handle_to_fd(one), install(node, SyncFile(pending()))
        return [
            errno_of(node.fd_to_handle, UNKNOWN, UNKNOWN, IMPORT),
            errno_of(node.fd_to_handle, fd, one, IMPORT),
            errno_of(node.fd_to_handle, file, UNKNOWN, IMPORT),
            errno_of(node.fd_to_handle, file, UNKNOWN, IMPORT_POINT, 3),
        ]

    assert [errno.EINVAL, errno.EINVAL, errno.ENOENT, errno.ENOENT] == rt.run(main)


@fact("F15.12")
def test_syncobj_import_sync_file_replaces_or_adds(rt):
    """TIMELINE with a point adds it; with point 0, and without TIMELINE, the fence is replaced."""

    def main():
        fence = pending()
        node, handles = node_with(None, None, None, None)
        file = install(node, SyncFile(fence))
        how = [(IMPORT, 0), (IMPORT, 7), (IMPORT_POINT, 0), (IMPORT_POINT, 7)]
        for handle, (flags, point) in zip(handles, how, strict=True):
            node.fd_to_handle(file, handle, flags, point)
        inside = [node.objects[handle].fence for handle in handles]
        return [one is fence for one in inside], inside[3].seqno, len(node.objects)

    assert ([True, True, True, False], 7, 4) == rt.run(main)


@fact("F15.13")
@pytest.mark.parametrize("flags", [0, EXPORT])
def test_syncobj_without_a_free_descriptor(rt, flags):
    """EMFILE; no reference is taken."""

    def main():
        fence = pending()
        node, (one,) = node_with(fence, files=FdTable(limit=1))
        install(node, EventFd())
        answer = errno_of(node.handle_to_fd, one, flags)
        return answer, open_numbers(node), node.objects[one].references, state_of(fence).references

    assert (errno.EMFILE, [0], 1, 2) == rt.run(main)


@fact("F15.08")
def test_syncobj_export_takes_the_number_first(rt):
    """EMFILE comes before ENOENT; with a plain descriptor the handle comes first."""

    def main():
        node = SyncObjHandles(FdTable(limit=0))
        return errno_of(node.handle_to_fd, UNKNOWN, EXPORT), errno_of(node.handle_to_fd, UNKNOWN)

    assert (errno.EMFILE, errno.EINVAL) == rt.run(main)


# -- waiting -------------------------------------------------------------------------------------


@fact("F15.14")
@pytest.mark.parametrize("flags", [4, 16, 1 << 31])
def test_syncobj_wait_checks_flags_first(rt, flags):
    """EINVAL before an unknown handle; AVAILABLE is for timelines."""

    def main():
        node, (one,) = node_with(stub())
        return (
            errno_of(node.wait, [UNKNOWN], 0, flags),
            errno_of(node.timeline_wait, [UNKNOWN], None, 0, flags),
            errno_of(node.timeline_wait, [one], None, 0, flags),
        )

    expected = (errno.ENOENT, 0) if flags == WaitFlags.AVAILABLE else (errno.EINVAL, errno.EINVAL)
    assert (errno.EINVAL, *expected) == rt.run(main)


@fact("F15.15", "F15.16")
def test_syncobj_wait_for_handles_that_are_not_there(rt):
    """None at all is fine; an unknown one is ENOENT, whatever the others."""

    def main():
        node, (one,) = node_with(stub())
        return node.wait([], 0), node.timeline_wait([]), errno_of(node.wait, [one, UNKNOWN], 0)

    assert (NONE_SIGNALED, NONE_SIGNALED, errno.ENOENT) == rt.run(main)


@fact("F15.47")
def test_syncobj_destroy_does_not_end_a_wait(rt):
    """The wait holds the object."""

    def main():
        node, (one,) = node_with(None)
        obj, answers = node.objects[one], []
        waits = lambda: answers.append(node.wait([one], FOR_EVER, WaitFlags.FOR_SUBMIT))  # noqa: E731
        rt.spawn(waits, name="waiter")
        rt.settle()
        node.destroy(one)
        rt.settle()
        before = list(answers)
        obj.assign_null_handle()
        rt.settle()
        return before, answers, obj.references

    assert ([], [0], 0) == rt.run(main)


@fact("F15.26")
def test_syncobj_wait_starts_over_after_a_signal(rt):
    """The program does not notice; what had been picked up is forgotten."""

    def main():
        first, second = pending(), pending()
        node, (one,) = node_with(first)
        answers = []
        task = rt.spawn(lambda: answers.append(node.wait([one])), name="waiter")
        rt.settle()
        node.objects[one].replace_fence(second)
        rt.interrupt(task)
        rt.settle()
        first.signal()
        rt.settle()
        before = list(answers)
        second.signal()
        rt.settle()
        return before, answers, task.signal_pending

    assert ([], [0], False) == rt.run(main)


def test_syncobj_wait_starting_over_keeps_its_time(rt):
    """The timeout is absolute."""

    def main():
        node, (one,) = node_with(pending())
        until = rt.now() + SECOND // 20
        answers = []

        def waits():
            answers.append(errno_of(node.wait, [one], until))
            answers.append(until <= rt.now())

        task = rt.spawn(waits, name="waiter")
        rt.settle()
        rt.interrupt(task)
        rt.nap(0.06)
        rt.settle()
        return answers

    assert [errno.ETIME, True] == rt.run(main)


def test_syncobj_wait_deadline_only_with_the_flag(rt):
    """A deadline without DEADLINE is nothing."""

    def main():
        told = []
        fence = pending()
        fence.timeline.ops = type(fence.timeline.ops)()
        fence.timeline.ops.set_deadline = lambda _fence, ns: told.append(ns)
        node, (one,) = node_with(fence)
        for flags in (0, WaitFlags.DEADLINE):
            errno_of(node.wait, [one], 0, flags, 55)
            errno_of(node.timeline_wait, [one], None, 0, flags, 66)
        return told

    assert [55, 66] == rt.run(main)


# -- by hand -------------------------------------------------------------------------------------


@fact("F15.30")
@pytest.mark.parametrize("name", ["reset", "signal"])
def test_syncobj_reset_and_signal_check(rt, name):
    """Pad, then no handles: EINVAL; an unknown one: ENOENT, and the others are as they were."""

    def main():
        fence = pending()
        node, (one,) = node_with(fence)
        call = getattr(node, name)
        answers = [errno_of(call, [one], pad=1), errno_of(call, []), errno_of(call, [one, UNKNOWN])]
        return answers, node.objects[one].fence is fence, node.objects[one].references

    assert ([errno.EINVAL, errno.EINVAL, errno.ENOENT], True, 1) == rt.run(main)


@fact("F15.03", "F15.31")
def test_syncobj_signal_and_reset(rt):
    """Signalled with a stub of its own, then empty."""

    def main():
        node, handles = node_with(None, pending())
        node.signal(handles)
        fences = [node.objects[handle].fence for handle in handles]
        done = node.wait(handles, 0, WaitFlags.ALL)
        node.reset(handles)
        return done, fences[0] is fences[1], stub() in fences, errno_of(node.wait, handles, 0)

    assert (0, False, False, errno.EINVAL) == rt.run(main)


@fact("F15.32")
def test_syncobj_timeline_signal_checks(rt):
    """Flags, no handles EINVAL, an unknown one ENOENT, without memory ENOMEM: nothing is done."""

    def main():
        node, (one, two) = node_with(None, None)
        answers = [
            errno_of(node.timeline_signal, [one], [1], 1),
            errno_of(node.timeline_signal, []),
            errno_of(node.timeline_signal, [one, UNKNOWN], [1, 1]),
            errno_of(node.timeline_signal, [one], [1, 2]),
        ]
        no_memory(rt, but=1)
        answers.append(errno_of(node.timeline_signal, [one, two], [1, 1]))
        return answers, [node.objects[handle].fence for handle in (one, two)]

    expected = [errno.EINVAL, errno.EINVAL, errno.ENOENT, errno.EINVAL, errno.ENOMEM]
    assert (expected, [None, None]) == rt.run(main)


@fact("F15.33", "F15.29")
def test_syncobj_timeline_signal_adds_the_stub(rt):
    """At each point, or at 0 of all."""

    def main():
        node, (one, two) = node_with(None, None)
        node.timeline_signal([one, two], [3, 5])
        seen = node.query([one, two])
        contained = [node.objects[handle].fence.fence is stub() for handle in (one, two)]
        node.timeline_signal([one])
        return seen, contained, node.query([one])

    assert ([3, 5], [True, True], [3]) == rt.run(main)


@fact("F15.34")
@pytest.mark.parametrize(
    ("handles", "flags", "answer"),
    [([1], 2, errno.EINVAL), ([], 0, errno.EINVAL), ([1, UNKNOWN], 0, errno.ENOENT)],
)
def test_syncobj_query_checks(rt, handles, flags, answer):
    """Other flags, no handles, an unknown one."""

    def main():
        node, _ = node_with(None)
        return errno_of(node.query, handles, flags)

    assert answer == rt.run(main)


@fact("F15.35", "F15.36", "F15.37")
def test_syncobj_query_of_several(rt):
    """Binary 0, a timeline its point, or with LAST_SUBMITTED its newest."""

    def main():
        node, handles = node_with(stub(), None, None)
        node.objects[handles[1]].add_point(pending(), 6)
        node.timeline_signal([handles[2]], [4])
        return node.query(handles), node.query(handles, LAST)

    assert ([0, 0, 4], [0, 6, 4]) == rt.run(main)


# -- transfer ------------------------------------------------------------------------------------


@fact("F15.39")
def test_syncobj_transfer_checks_in_order(rt):
    """Pad, destination, source, flags, fence."""

    def main():
        node, (empty, dst) = node_with(None, None)
        calls = [
            errno_of(node.transfer, UNKNOWN, 0, UNKNOWN, 0, 77, pad=1),
            errno_of(node.transfer, UNKNOWN, 0, UNKNOWN, 0, 77),
            errno_of(node.transfer, UNKNOWN, 0, dst, 0, 77),
            errno_of(node.transfer, empty, 0, dst, 0, 77),
            errno_of(node.transfer, empty, 0, dst, 0),
            errno_of(node.transfer, empty, 0, dst, 3),
        ]
        return calls, node.objects[dst].fence

    checks = [errno.EINVAL, errno.ENOENT, errno.ENOENT, *[errno.EINVAL] * 3]
    assert (checks, None) == rt.run(main)


@fact("F15.40")
def test_syncobj_transfer_to_binary_takes_the_fence_as_it_is(rt):
    """A fence itself, a point's node itself; a missing point is EINVAL."""

    def main():
        fence = pending()
        node, (src, line, dst) = node_with(fence, None, None)
        for point in (1, 2):
            node.objects[line].add_point(pending(), point)
        node.transfer(src, 0, dst)
        same = node.objects[dst].fence is fence
        node.transfer(line, 1, dst)
        at = node.objects[dst].fence
        return same, at is node.objects[line].fence._prev, errno_of(node.transfer, line, 3, dst)

    assert (True, True, errno.EINVAL) == rt.run(main)


@fact("F15.41")
def test_syncobj_transfer_to_a_point_flattens(rt):
    """Of a timeline the plain fences inside, merged, are what the point waits for."""

    def main():
        fences = [Timeline(name).fence() for name in ("a", "b")]
        node, (line, dst, single) = node_with(None, None, None)
        for point, fence in enumerate(fences, 1):
            node.objects[line].add_point(fence, point)
        node.transfer(line, 2, dst, 9)
        contained = node.objects[dst].fence.fence
        node.transfer(line, 1, single, 5)
        flat = node.objects[single].fence
        counts = [state_of(fence).references for fence in fences]
        return (
            isinstance(contained, FenceArray),
            set(unwrap(contained)) == set(fences),
            (flat.fence is fences[0], flat.seqno),
            counts,
        )

    assert (True, True, (True, 5), [4, 3]) == rt.run(main)


def test_syncobj_transfer_of_signalled_fences_is_signalled(rt):
    """To a point: a stub of its own with the latest time."""

    def main():
        fence = pending()
        fence.signal()
        node, (src, dst) = node_with(fence, None)
        node.transfer(src, 0, dst, 4)
        inside = node.objects[dst].fence.fence
        return node.query([dst]), inside.timestamp == fence.timestamp, inside is fence

    assert ([4], True, False) == rt.run(main)


@fact("F15.42")
def test_syncobj_transfer_waits_for_the_submission(rt):
    """FOR_SUBMIT: until there is a fence, not until it signals."""

    def main():
        node, (src, dst) = node_with(None, None)
        how = (src, 2, dst, 6, WaitFlags.FOR_SUBMIT)
        rt.spawn(lambda: node.transfer(*how), name="transfer")
        rt.settle()
        before = node.query([dst], LAST)
        node.objects[src].add_point(merge(pending(), pending()), 2)
        rt.settle()
        return before, node.query([dst], LAST), node.query([dst])

    assert ([0], [6], [0]) == rt.run(main)


@fact("F15.42")
def test_syncobj_transfer_gives_up_after_5_s(explored):
    """ETIME (virtual time only: nobody waits 5 s for a test)."""

    def main():
        node, (src, dst) = node_with(None, None)
        before = explored.now()
        answer = errno_of(node.transfer, src, 0, dst, 0, WaitFlags.FOR_SUBMIT)
        return answer, explored.now() - before

    assert (errno.ETIME, 5 * SECOND) == explored.run(main)


# -- eventfd -------------------------------------------------------------------------------------


@fact("F15.43")
def test_syncobj_eventfd_checks_in_order(rt):
    """Flags, pad, handle, closed, no eventfd."""

    def main():
        node, (one,) = node_with(None)
        file = install(node, SyncFile(pending()))
        return [
            errno_of(node.eventfd, UNKNOWN, UNKNOWN, 0, 1, pad=1),
            errno_of(node.eventfd, UNKNOWN, UNKNOWN, pad=1),
            errno_of(node.eventfd, UNKNOWN, UNKNOWN),
            errno_of(node.eventfd, one, UNKNOWN),
            errno_of(node.eventfd, one, file),
            errno_of(node.eventfd, one, install(node, EventFd())),
        ]

    checks = [errno.EINVAL, errno.EINVAL, errno.ENOENT, errno.EBADF, errno.EINVAL, 0]
    assert checks == rt.run(main)


@fact("F15.44", "F15.45")
def test_syncobj_eventfd_by_handle(rt):
    """AVAILABLE at the submission, the other at the signal."""

    def main():
        node, (one,) = node_with(None)
        ready, there = EventFd("ready"), EventFd("there")
        node.eventfd(one, install(node, ready), 3)
        node.eventfd(one, install(node, there), 3, WaitFlags.AVAILABLE)
        seen = [(ready.read_nowait(), there.read_nowait())]
        fence = pending()
        node.objects[one].add_point(fence, 3)
        seen.append((ready.read_nowait(), there.read_nowait()))
        fence.signal()
        rt.settle()
        seen.append((ready.read_nowait(), there.read_nowait()))
        return seen, node.objects[one].references

    assert ([(0, 0), (0, 1), (1, 0)], 1) == rt.run(main)


# -- lifetime ------------------------------------------------------------------------------------


def test_syncobj_release_puts_all_handles(rt):
    """Each object is freed unless a descriptor keeps it."""

    def main():
        fences = [pending(), pending()]
        node, (_one, two) = node_with(*fences)
        fd = node.handle_to_fd(two)
        node.release()
        counts = [state_of(fence).references for fence in fences]
        node.files.close(fd)
        return counts, [state_of(fence).references for fence in fences], node.objects

    assert ([1, 2], [1, 1], {}) == rt.run(main)


def test_syncobj_calls_are_kernel_code(rt):
    """Inside a call a userspace task does not stop of itself; afterwards it is as before."""

    seen = []

    class Table(FdTable):
        __slots__ = ()

        def get_unused(self, *, cloexec=True):
            seen.append(rt.current().in_kernel)
            return super().get_unused(cloexec=cloexec)

    def main():
        node, (one,) = node_with(pending(), files=Table())
        node.handle_to_fd(one)
        seen.append(rt.current().in_kernel)
        errno_of(node.handle_to_fd, UNKNOWN)
        return rt.current().in_kernel

    assert rt.run(main) is False
    assert [True, False] == seen
