"""Rows of section 5: a fence as a file."""

import select
from errno import EINVAL, ENOENT

import pytest

from tests.agreement.face import Entry, errno_of
from tests.agreement.rows import row
from tests.agreement.scenes import (
    READ,
    buffer,
    differing,
    fence,
    is_signaled,
    signaled,
)

POLLIN, POLLOUT, POLLPRI = select.POLLIN, select.POLLOUT, select.POLLPRI
ALL = POLLIN | POLLOUT | POLLPRI


@row("A5.01")
def test_poll_tells_signalled(system):
    """Nothing while pending, POLLIN after, nothing else ever."""
    one = fence(system)

    before = system.poll(one.fd, ALL)
    one.signal()
    after = system.poll(one.fd, ALL)

    assert (0, POLLIN) == (before, after)


@row("A5.02")
def test_merge_signals_with_the_last(system):
    """A merged file has both fences and is signalled when both are."""
    one, two = fence(system), fence(system)

    both = system.merge(one.fd, two.fd)
    inside = system.file_info(both).num_fences
    one.signal()
    after_one = is_signaled(system, both)
    two.signal()

    assert (2, False, True) == (inside, after_one, is_signaled(system, both))


@row("A5.03")
def test_merge_with_itself_keeps_one(system):
    """The same fence twice is one."""
    one = fence(system)

    both = system.merge(one.fd, one.fd)

    assert 1 == system.file_info(both).num_fences


@row("A5.04")
@pytest.mark.parametrize("turn", [False, True])
def test_merge_leaves_signalled_ones_out(system, turn):
    """A signalled and a pending one merge to the pending one, in either order."""
    done, pending = signaled(system), fence(system).fd

    both = system.merge(pending, done) if turn else system.merge(done, pending)

    info = system.file_info(both)
    assert (0, 1, (Entry(b"unbound", b"vgem", 0, has_timestamp=False),)) == info[1:]


@row("A5.05")
def test_merge_of_signalled_ones_is_signalled(system):
    """Two signalled ones merge to one signalled fence with a time."""
    both = system.merge(signaled(system), signaled(system))

    info = system.file_info(both)
    assert (1, 1, [(1, True)]) == (info.status, info.num_fences, [one[2:] for one in info.fences])


@row("A5.06")
@pytest.mark.parametrize("length", [1, 30, 31, 32])
def test_merge_cuts_the_name(system, length):
    """31 bytes of a name are kept."""
    one = fence(system)

    both = system.merge(one.fd, one.fd, b"n" * length)

    assert b"n" * min(length, 31) == system.file_info(both).name


@row("A5.07")
@pytest.mark.parametrize(("flags", "pad"), [(1, 0), (0, 1), (1 << 31, 0)])
def test_merge_refuses_flags_and_pad(system, flags, pad):
    """They must be 0."""
    one = fence(system)

    assert EINVAL == errno_of(system.merge, one.fd, one.fd, flags=flags, pad=pad)


@row("A5.08")
def test_merge_with_what_is_no_sync_file(system):
    """A buffer, and a number that is not open, are ENOENT."""
    one, buf = fence(system), buffer(system)

    found = [errno_of(system.merge, one.fd, other) for other in (buf, -1, 1000)]

    assert [ENOENT] * 3 == found


@row("A5.09")
def test_merge_takes_nothing_away(system):
    """The inputs stay as they were, and the result outlives them."""
    one, two = fence(system), fence(system)

    both = system.merge(one.fd, two.fd)
    statuses = [system.file_info(one.fd).status, system.file_info(two.fd).status]
    system.close(one.fd)
    system.close(two.fd)
    one.signal()
    two.signal()

    assert ([0, 0], True) == (statuses, is_signaled(system, both))


@row("A5.10")
def test_info_without_room(system):
    """Name, status, number; no fences."""
    both = system.merge(fence(system).fd, fence(system).fd, b"frame")

    assert (b"frame", 0, 2, ()) == system.file_info(both, room=0)


@row("A5.11")
def test_info_with_too_little_room(system):
    """One place for two fences is EINVAL."""
    both = system.merge(fence(system).fd, fence(system).fd)

    assert EINVAL == errno_of(system.file_info, both, room=1)


@row("A5.12")
def test_info_with_more_room(system):
    """Ten places for two fences: two are told."""
    both = system.merge(fence(system).fd, fence(system).fd)

    info = system.file_info(both, room=10)

    assert (2, 2) == (info.num_fences, len(info.fences))


@row("A5.13")
@pytest.mark.parametrize(("flags", "pad"), [(1, 0), (0, 1)])
def test_info_refuses_flags_and_pad(system, flags, pad):
    """They must be 0."""
    assert EINVAL == errno_of(system.file_info, fence(system).fd, 0, flags=flags, pad=pad)


@row("A5.14")
@pytest.mark.parametrize("room", [0, 2])
def test_info_status(system, room):
    """The status of the whole, with or without room, is that of both."""
    one, two = fence(system), fence(system)
    both = system.merge(one.fd, two.fd)

    found = [system.file_info(both, room=room).status]
    one.signal()
    found.append(system.file_info(both, room=room).status)
    two.signal()
    found.append(system.file_info(both, room=room).status)

    assert [0, 0, 1] == found


@row("A5.15")
def test_info_shows_plain_fences(system):
    """An array of arrays is flat."""
    ones = [fence(system).fd for _ in range(4)]

    all_of_them = system.merge(system.merge(ones[0], ones[1]), system.merge(ones[2], ones[3]))

    assert 4 == len(system.file_info(all_of_them).fences)


@row("A5.16")
def test_info_timestamp(system):
    """A time is there once it signals."""
    one = fence(system)

    before = system.file_info(one.fd).fences[0].has_timestamp
    one.signal()

    assert (False, True) == (before, system.file_info(one.fd).fences[0].has_timestamp)


@row("A5.17")
def test_info_names_of_signalled_ones(system):
    """A signalled fence has lost its names; up to 6.12 it keeps them."""
    expected = differing(
        system,
        "A5.17",
        ours=(b"signaled-timeline", b"detached-driver"),
        kernel=(b"unbound", b"vgem"),
    )

    info = system.file_info(signaled(system))

    assert expected == info.fences[0][:2]


@row("A5.18")
@pytest.mark.parametrize("deadline", [0, 1, 1 << 62, (1 << 64) - 1])
def test_deadline_is_accepted(system, deadline):
    """Past, far, and for a signalled fence."""
    system.set_deadline(fence(system).fd, deadline)
    system.set_deadline(signaled(system), deadline)


@row("A5.19")
def test_deadline_refuses_pad(system):
    """It must be 0."""
    assert EINVAL == errno_of(system.set_deadline, fence(system).fd, 0, pad=1)


@row("A5.20")
def test_info_of_a_vgem_fence(system):
    """Its timeline is unbound, its driver vgem."""
    info = system.file_info(fence(system).fd)

    assert (0, 1, (Entry(b"unbound", b"vgem", 0, has_timestamp=False),)) == info[1:]


@row("A5.21")
def test_made_name(system):
    """Driver, dash, timeline with the context, dash, the number."""
    name = system.file_info(fence(system).fd).name

    head, context_end = name.removeprefix(b"vgem-unbound").split(b"-")
    assert (True, b"1") == (head.isdigit(), context_end)


@row("A5.22")
def test_info_of_the_stub(system):
    """What stands for nothing pending is signalled; its names are a stub's up to 6.12."""
    expected = differing(
        system,
        "A5.22",
        ours=(b"signaled-timeline", b"detached-driver"),
        kernel=(b"stub", b"stub"),
    )

    info = system.file_info(system.export_sync_file(buffer(system), READ))

    assert (1, 1, [(*expected, 1, True)]) == (info.status, info.num_fences, [*info.fences])
