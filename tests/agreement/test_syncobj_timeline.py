"""Rows of section 9: points of timelines, eventfds, waits that really wait."""

import threading
from errno import EBADF, EINVAL, ENOENT, ETIME

import pytest

from dmabuf.abi import drm_syncobj as abi
from tests.agreement.face import FOREVER, errno_of, soon
from tests.agreement.rows import row
from tests.agreement.scenes import buffer, fence

IMPORT = abi.DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE
ALL = abi.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL
FOR_SUBMIT = abi.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT
AVAILABLE = abi.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE
LAST = abi.DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED
EXPORT = abi.DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE
U64_MAX = (1 << 64) - 1


def _pending(system, drm, handle, point):
    """Add a point whose fence the test signals; returns the fence."""
    one = fence(system)
    scratch = system.syncobj_create(drm)
    system.syncobj_fd_to_handle(drm, one.fd, IMPORT, scratch)
    system.syncobj_transfer(drm, scratch, handle, 0, point)
    return one


def _wait(system, drm, handle, point, flags=0):
    return errno_of(system.syncobj_timeline_wait, drm, [handle], [point], 0, flags)


@row("A9.23")
def test_query_of_binary_ones(system):
    """Empty, pending or signalled: 0."""
    drm = system.gpu()
    handles = [system.syncobj_create(drm, flags) for flags in (0, 1)]

    assert [0, 0] == system.syncobj_query(drm, handles)


@row("A9.24")
def test_query_refuses(system):
    """Unknown flags, nothing, unknown handles."""
    drm = system.gpu()
    handle = system.syncobj_create(drm)

    found = [
        errno_of(system.syncobj_query, drm, [handle], 2),
        errno_of(system.syncobj_query, drm, []),
        errno_of(system.syncobj_query, drm, [handle, 99]),
    ]

    assert [EINVAL, EINVAL, ENOENT] == found


@row("A9.25")
def test_timeline_signal_refuses(system):
    """Flags, nothing, unknown handles; the good one stays as it was."""
    drm = system.gpu()
    handle = system.syncobj_create(drm)

    found = [
        errno_of(system.syncobj_timeline_signal, drm, [handle], [1], 1),
        errno_of(system.syncobj_timeline_signal, drm, [], []),
        errno_of(system.syncobj_timeline_signal, drm, [handle, 99], [1, 1]),
    ]

    assert ([EINVAL, EINVAL, ENOENT], [0]) == (found, system.syncobj_query(drm, [handle]))


@row("A9.26")
def test_timeline_signal(system):
    """Points that go up, of two objects at once."""
    drm = system.gpu()
    handles = [system.syncobj_create(drm) for _ in range(2)]

    system.syncobj_timeline_signal(drm, handles, [3, 1 << 40])
    first = system.syncobj_query(drm, handles)
    system.syncobj_timeline_signal(drm, handles, [4, U64_MAX])

    assert ([3, 1 << 40], [4, U64_MAX]) == (first, system.syncobj_query(drm, handles))


@row("A9.27")
@pytest.mark.parametrize("point", [3, 5, 1])
def test_point_out_of_order(system, point):
    """Accepted; the timeline stays where it was."""
    drm = system.gpu()
    handle = system.syncobj_create(drm)

    system.syncobj_timeline_signal(drm, [handle], [5])
    system.syncobj_timeline_signal(drm, [handle], [point])
    queries = [system.syncobj_query(drm, [handle], flags) for flags in (0, LAST)]

    assert [[5], [5]] == queries


@row("A9.28", "A9.34")
def test_point_0(system):
    """Accepted, with or without an array of points."""
    drm = system.gpu()
    handles = [system.syncobj_create(drm) for _ in range(2)]

    system.syncobj_timeline_signal(drm, handles[:1], [0])
    system.syncobj_timeline_signal(drm, handles[1:], None)

    assert [0, 0] == system.syncobj_query(drm, handles)
    assert 0 == errno_of(system.syncobj_timeline_wait, drm, handles, None, 0, ALL)


@row("A9.29")
def test_wait_for_a_point_that_is_not_there(system):
    """EINVAL; with FOR_SUBMIT or AVAILABLE the time runs out."""
    drm = system.gpu()
    empty, short = system.syncobj_create(drm), system.syncobj_create(drm)
    system.syncobj_timeline_signal(drm, [short], [3])

    found = [
        [_wait(system, drm, handle, 4, flags) for flags in (0, FOR_SUBMIT, AVAILABLE)]
        for handle in (empty, short)
    ]

    assert [[EINVAL, ETIME, ETIME]] * 2 == found


@row("A9.30", "A9.31", "A9.32", "A9.33")
def test_points_2_4_6(system):
    """What each point, and the timeline as a whole, answers while they signal out of order."""
    drm = system.gpu()
    handle = system.syncobj_create(drm)
    ones = {point: _pending(system, drm, handle, point) for point in (2, 4, 6)}

    def answers():
        return (
            system.syncobj_query(drm, [handle]),
            system.syncobj_query(drm, [handle], LAST),
            [_wait(system, drm, handle, point) for point in range(1, 7)],
        )

    available = _wait(system, drm, handle, 4, AVAILABLE)
    start = answers()
    ones[4].signal()
    after_4 = answers()
    ones[2].signal()
    after_2 = answers()
    ones[6].signal()

    assert 0 == available
    assert ([0], [6], [ETIME] * 6) == start
    assert ([0], [6], [ETIME] * 6) == after_4
    assert ([4], [6], [0] * 4 + [ETIME] * 2) == after_2
    assert ([6], [6], [0] * 6) == answers()


@row("A9.35")
def test_transfer_refuses(system):
    """Pad, unknown flags, unknown handles on either side."""
    drm = system.gpu()
    done, empty = system.syncobj_create(drm, 1), system.syncobj_create(drm)

    found = [
        errno_of(system.syncobj_transfer, drm, done, empty, pad=1),
        errno_of(system.syncobj_transfer, drm, done, empty, flags=1),
        errno_of(system.syncobj_transfer, drm, done, empty, flags=4),
        errno_of(system.syncobj_transfer, drm, done, 99),
        errno_of(system.syncobj_transfer, drm, 99, empty),
    ]

    assert [EINVAL, EINVAL, EINVAL, ENOENT, ENOENT] == found


@row("A9.36")
@pytest.mark.parametrize(("source", "target"), [(0, 0), (0, 3), (7, 0), (7, 3)])
def test_transfer_of_nothing(system, source, target):
    """No fence, or a point that is not there."""
    drm = system.gpu()
    one, two = system.syncobj_create(drm), system.syncobj_create(drm)
    if source:
        system.syncobj_timeline_signal(drm, [one], [source - 1])

    assert EINVAL == errno_of(system.syncobj_transfer, drm, one, two, source, target)


@row("A5.23")
@pytest.mark.parametrize(
    ("point", "shown"),
    [((1 << 63) - 1, b"9223372036854775807"), (1 << 63, b"-9223372036854775808"), (U64_MAX, b"-1")],
)
def test_name_of_a_huge_point(system, point, shown):
    """Beyond 2^63 it is negative; what does not fit into the name is cut."""
    drm = system.gpu()
    handle = system.syncobj_create(drm)
    _pending(system, drm, handle, point)

    name = system.file_info(system.syncobj_handle_to_fd(drm, handle, EXPORT)).name

    chain, _, number = name.removeprefix(b"dma_fence_chain-").partition(b"-")
    assert (True, True) == (chain.startswith(b"unbound"), shown.startswith(number))


@pytest.mark.slow
@row("A9.50")
def test_transfer_waits_for_the_point(system):
    """It comes, or it does not come in time."""
    drm = system.gpu()
    source, target = system.syncobj_create(drm), system.syncobj_create(drm)
    found = []

    def transfer():
        found.append(errno_of(system.syncobj_transfer, drm, source, target, 4, 0, FOR_SUBMIT))

    caller = threading.Thread(target=transfer)
    caller.start()
    caller.join(0.1)
    was_waiting = caller.is_alive()
    system.syncobj_timeline_signal(drm, [source], [4])
    caller.join(20)
    late = errno_of(system.syncobj_transfer, drm, source, target, 5, 0, FOR_SUBMIT)

    assert (True, [0], ETIME) == (was_waiting, found, late)


@row("A9.37")
def test_transfer(system):
    """To point 0 it replaces, to a later point it adds."""
    drm, one = system.gpu(), fence(system)
    source, binary, line = (system.syncobj_create(drm) for _ in range(3))
    system.syncobj_fd_to_handle(drm, one.fd, IMPORT, source)
    system.syncobj_timeline_signal(drm, [line], [1])

    system.syncobj_transfer(drm, source, binary)
    system.syncobj_transfer(drm, source, line, 0, 2)
    before = [errno_of(system.syncobj_wait, drm, [binary]), _wait(system, drm, line, 2)]
    queries = [system.syncobj_query(drm, [line], flags) for flags in (0, LAST)]
    one.signal()
    after = [errno_of(system.syncobj_wait, drm, [binary]), _wait(system, drm, line, 2)]

    assert ([ETIME, ETIME], [[1], [2]], [0, 0]) == (before, queries, after)


@row("A9.38", "A9.39")
def test_eventfd_refuses(system):
    """Flags, pad, handles; then the descriptor."""
    drm, event = system.gpu(), system.eventfd()
    handle = system.syncobj_create(drm)

    found = [
        errno_of(system.syncobj_eventfd, drm, handle, 0, event, 1),
        errno_of(system.syncobj_eventfd, drm, handle, 0, event, 8),
        errno_of(system.syncobj_eventfd, drm, handle, 0, event, pad=1),
        errno_of(system.syncobj_eventfd, drm, 99, 0, event),
        errno_of(system.syncobj_eventfd, drm, 99, 0, -1),
        errno_of(system.syncobj_eventfd, drm, handle, 0, buffer(system)),
        errno_of(system.syncobj_eventfd, drm, handle, 0, 1000),
        errno_of(system.syncobj_eventfd, drm, handle, 0, -1),
    ]

    assert [EINVAL, EINVAL, EINVAL, ENOENT, ENOENT, EINVAL, EBADF, EBADF] == found


@row("A9.40")
def test_eventfd_fires_once(system):
    """When the point signals, and never again."""
    drm, event = system.gpu(), system.eventfd()
    handle = system.syncobj_create(drm)
    one = _pending(system, drm, handle, 3)

    system.syncobj_eventfd(drm, handle, 3, event)
    before = system.eventfd_read(event)
    one.signal()
    after = system.eventfd_read(event)
    system.syncobj_timeline_signal(drm, [handle], [4])

    assert (0, 1, 0) == (before, after, system.eventfd_read(event))


@row("A9.40")
def test_eventfd_fires_at_once(system):
    """When it is signalled already, or is there and only that was asked for."""
    drm = system.gpu()
    done, line = system.syncobj_create(drm, 1), system.syncobj_create(drm)
    _pending(system, drm, line, 3)
    events = [system.eventfd() for _ in range(3)]

    system.syncobj_eventfd(drm, done, 0, events[0])
    system.syncobj_eventfd(drm, line, 3, events[1], AVAILABLE)
    system.syncobj_eventfd(drm, line, 3, events[2])

    assert [1, 1, 0] == [system.eventfd_read(event) for event in events]


@row("A9.41")
def test_eventfd_several_times(system):
    """Two registrations add 2."""
    drm, event = system.gpu(), system.eventfd()
    handle = system.syncobj_create(drm)
    one = _pending(system, drm, handle, 3)

    system.syncobj_eventfd(drm, handle, 3, event)
    system.syncobj_eventfd(drm, handle, 2, event)
    one.signal()

    assert 2 == system.eventfd_read(event)


@row("A9.49")
@pytest.mark.parametrize("flags", [0, AVAILABLE])
def test_eventfd_before_the_point(system, flags):
    """It fires when the point comes, with AVAILABLE though that is pending."""
    drm, event = system.gpu(), system.eventfd()
    handle = system.syncobj_create(drm)

    system.syncobj_eventfd(drm, handle, 3, event, flags)
    system.syncobj_timeline_signal(drm, [handle], [2])
    early = system.eventfd_read(event)
    one = _pending(system, drm, handle, 3)
    there = system.eventfd_read(event)
    one.signal()

    assert (0, 1 if flags else 0, 0 if flags else 1) == (early, there, system.eventfd_read(event))


@row("A9.44")
@pytest.mark.parametrize("kind", ["signal", "submit"])
def test_wait_ends_early(system, kind):
    """A waiting thread goes on when the fence signals, or the point comes and is signalled."""
    drm = system.gpu()
    handle = system.syncobj_create(drm)
    one = _pending(system, drm, handle, 3) if kind == "signal" else None
    found = []

    def wait():
        flags = FOR_SUBMIT if one is None else 0
        found.append(system.syncobj_timeline_wait(drm, [handle], [3], soon(20_000), flags))

    waiter = threading.Thread(target=wait)
    waiter.start()
    waiter.join(0.05)
    was_waiting = waiter.is_alive()
    one.signal() if one else system.syncobj_timeline_signal(drm, [handle], [3])
    waiter.join(20)

    assert (True, [0]) == (was_waiting, found)


@row("A9.17")
def test_wait_for_any_point(system):
    """The index of the first that is signalled; for ever if need be."""
    drm = system.gpu()
    handles = [system.syncobj_create(drm) for _ in range(3)]
    _pending(system, drm, handles[0], 5)
    system.syncobj_timeline_signal(drm, handles[1:], [7, 9])

    found = [
        system.syncobj_timeline_wait(drm, handles, points, FOREVER)
        for points in ([5, 7, 9], [5, 1, 9])
    ]
    refused = errno_of(system.syncobj_timeline_wait, drm, handles, [5, 8, 9], FOREVER)

    assert ([1, 1], EINVAL) == (found, refused)
