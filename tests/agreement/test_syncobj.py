"""Rows of section 9: binary sync objects, their handles and descriptors."""

from errno import EINVAL, ENOENT, ETIME

import pytest

from dmabuf.abi import drm_syncobj as abi
from tests.agreement.face import FOREVER, errno_of, soon
from tests.agreement.rows import row
from tests.agreement.scenes import buffer, differing, fence, is_signaled, signaled

SIGNALED = abi.DRM_SYNCOBJ_CREATE_SIGNALED
IMPORT = abi.DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE
EXPORT = abi.DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE
POINTS = abi.DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_TIMELINE
ALL = abi.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL
FOR_SUBMIT = abi.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT
AVAILABLE = abi.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE
DEADLINE = abi.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE
U32_MAX = (1 << 32) - 1


def _with_fence(system, drm, one):
    """A handle whose object has that fence."""
    handle = system.syncobj_create(drm)
    system.syncobj_fd_to_handle(drm, one.fd, IMPORT, handle)
    return handle


def _is_done(system, drm, handle):
    return errno_of(system.syncobj_wait, drm, [handle]) == 0


@row("A9.01")
def test_lowest_free_handle(system):
    """From 1, and a freed one again."""
    drm = system.gpu()

    first = [system.syncobj_create(drm) for _ in range(3)]
    system.syncobj_destroy(drm, 2)

    assert ([1, 2, 3], 2, 4) == (first, system.syncobj_create(drm), system.syncobj_create(drm))


@row("A9.02")
@pytest.mark.parametrize("flags", [2, 3, 1 << 31])
def test_create_refuses_flags(system, flags):
    """SIGNALED or nothing."""
    assert EINVAL == errno_of(system.syncobj_create, system.gpu(), flags)


@row("A9.03", "A9.15")
def test_create_signalled(system):
    """With the flag a wait ends at once, without it there is nothing to wait for."""
    drm = system.gpu()
    done, empty = system.syncobj_create(drm, SIGNALED), system.syncobj_create(drm)

    found = [errno_of(system.syncobj_wait, drm, [one]) for one in (done, empty)]

    assert [0, EINVAL] == found


@row("A9.04")
def test_destroy_refuses(system):
    """Unknown handles, a second time, and pad."""
    drm = system.gpu()
    handle = system.syncobj_create(drm)

    unknown = [errno_of(system.syncobj_destroy, drm, one) for one in (0, 99)]
    pad = errno_of(system.syncobj_destroy, drm, handle, pad=1)
    system.syncobj_destroy(drm, handle)
    again = errno_of(system.syncobj_destroy, drm, handle)

    assert ([EINVAL, EINVAL], EINVAL, EINVAL) == (unknown, pad, again)


@row("A9.05")
def test_handle_to_fd_refuses(system):
    """Pad, flags beyond those known, handles beyond those given."""
    drm = system.gpu()
    handle = system.syncobj_create(drm)

    found = [
        errno_of(system.syncobj_handle_to_fd, drm, handle, pad=1),
        errno_of(system.syncobj_handle_to_fd, drm, handle, 1 << 31),
        errno_of(system.syncobj_handle_to_fd, drm, handle, 4),
        errno_of(system.syncobj_handle_to_fd, drm, 0),
        errno_of(system.syncobj_handle_to_fd, drm, handle + 1),
    ]

    assert [EINVAL] * 5 == found


@row("A9.06", "A9.09")
def test_descriptor_is_another_name(system):
    """What is signalled or reset through one handle is so through all, in other files too."""
    drm, other = system.gpu(), system.gpu()
    handle = system.syncobj_create(drm)
    fd = system.syncobj_handle_to_fd(drm, handle)

    again = system.syncobj_fd_to_handle(drm, fd)
    there = system.syncobj_fd_to_handle(other, fd)
    system.syncobj_signal(drm, [handle])
    seen = [_is_done(system, drm, again), _is_done(system, other, there)]
    system.syncobj_reset(other, [there])

    assert ([True, True], False, 2, 1) == (seen, _is_done(system, drm, handle), again, there)


@row("A9.06")
def test_descriptor_keeps_the_object(system):
    """An object lives as long as its descriptor."""
    drm = system.gpu()
    handle = system.syncobj_create(drm, SIGNALED)
    fd = system.syncobj_handle_to_fd(drm, handle)

    system.syncobj_destroy(drm, handle)
    system.close(drm)
    other = system.gpu()

    assert _is_done(system, other, system.syncobj_fd_to_handle(other, fd))


@row("A9.07")
def test_export_refuses(system):
    """Unknown handle ENOENT, no fence EINVAL."""
    drm = system.gpu()

    found = [
        errno_of(system.syncobj_handle_to_fd, drm, 99, EXPORT),
        errno_of(system.syncobj_handle_to_fd, drm, system.syncobj_create(drm), EXPORT),
    ]

    assert [ENOENT, EINVAL] == found


@row("A9.08")
def test_fd_to_handle_refuses(system):
    """Other files, nothing, pad, unknown flags."""
    drm = system.gpu()
    fd = system.syncobj_handle_to_fd(drm, system.syncobj_create(drm))

    found = [
        errno_of(system.syncobj_fd_to_handle, drm, buffer(system)),
        errno_of(system.syncobj_fd_to_handle, drm, fence(system).fd),
        errno_of(system.syncobj_fd_to_handle, drm, -1),
        errno_of(system.syncobj_fd_to_handle, drm, 1000),
        errno_of(system.syncobj_fd_to_handle, drm, fd, pad=1),
        errno_of(system.syncobj_fd_to_handle, drm, fd, 1 << 31),
    ]

    assert [EINVAL] * 6 == found


@row("A9.10")
def test_import_refuses(system):
    """The file is looked at first, then the handle."""
    drm = system.gpu()
    handle, file = system.syncobj_create(drm), fence(system).fd

    found = [
        errno_of(system.syncobj_fd_to_handle, drm, buffer(system), IMPORT, handle),
        errno_of(system.syncobj_fd_to_handle, drm, -1, IMPORT, handle),
        errno_of(system.syncobj_fd_to_handle, drm, -1, IMPORT, 99),
        errno_of(system.syncobj_fd_to_handle, drm, file, IMPORT, 99),
        errno_of(system.syncobj_fd_to_handle, drm, file, IMPORT, 0),
    ]

    assert [EINVAL, EINVAL, EINVAL, ENOENT, ENOENT] == found


@row("A9.11")
def test_import_and_export(system):
    """A fence goes in, replaces what was there, and comes out as itself."""
    drm, one = system.gpu(), fence(system)
    handle = system.syncobj_create(drm, SIGNALED)

    answered = system.syncobj_fd_to_handle(drm, one.fd, IMPORT, handle)
    out = system.syncobj_handle_to_fd(drm, handle, EXPORT)
    pending = is_signaled(system, out)
    one.signal()

    assert (handle, False, True) == (answered, pending, is_signaled(system, out))
    assert _is_done(system, drm, handle)


@row("A9.12")
@pytest.mark.parametrize("flags", [16, AVAILABLE, AVAILABLE | FOR_SUBMIT, 1 << 31])
def test_wait_refuses_flags(system, flags):
    """AVAILABLE is for points."""
    drm = system.gpu()
    handle = system.syncobj_create(drm, SIGNALED)

    assert EINVAL == errno_of(system.syncobj_wait, drm, [handle], 0, flags)


@row("A9.13")
@pytest.mark.parametrize("flags", [0, ALL, FOR_SUBMIT])
def test_wait_for_nothing(system, flags):
    """It is over at once, and nobody says who was first."""
    assert U32_MAX == system.syncobj_wait(system.gpu(), [], FOREVER, flags)


@row("A9.14", "A9.48")
def test_wait_for_an_unknown_handle(system):
    """Beside a good one, and one of another file."""
    drm, other = system.gpu(), system.gpu()
    good = system.syncobj_create(drm, SIGNALED)
    system.syncobj_create(other)
    foreign = [system.syncobj_create(other, SIGNALED) for _ in range(2)][-1]

    found = [
        errno_of(system.syncobj_wait, drm, [good, 99]),
        errno_of(system.syncobj_wait, drm, [0]),
        errno_of(system.syncobj_wait, drm, [foreign]),
    ]

    assert [ENOENT] * 3 == found


@row("A9.15")
def test_wait_without_a_fence(system):
    """EINVAL at once even with time; with FOR_SUBMIT the time runs out."""
    drm = system.gpu()
    handle = system.syncobj_create(drm)

    found = [
        errno_of(system.syncobj_wait, drm, [handle], FOREVER),
        errno_of(system.syncobj_wait, drm, [handle], 0, FOR_SUBMIT),
        errno_of(system.syncobj_wait, drm, [handle], soon(5), FOR_SUBMIT),
    ]

    assert [EINVAL, ETIME, ETIME] == found


@row("A9.16")
@pytest.mark.parametrize("timeout", [0, -1, -(1 << 63), 1])
def test_wait_with_a_past_time_looks(system, timeout):
    """ETIME while pending, success after."""
    drm, one = system.gpu(), fence(system)
    handle = _with_fence(system, drm, one)

    before = errno_of(system.syncobj_wait, drm, [handle], timeout)
    one.signal()

    assert (ETIME, 0) == (before, system.syncobj_wait(drm, [handle], timeout))


@row("A9.16")
def test_wait_runs_out_of_time(system):
    """ETIME too when there was some."""
    drm = system.gpu()
    handle = _with_fence(system, drm, fence(system))

    assert ETIME == errno_of(system.syncobj_wait, drm, [handle], soon(5))


@row("A9.17")
def test_wait_for_any_and_all(system):
    """Any tells the first of the list that has signalled; all needs all."""
    drm, ones = system.gpu(), [fence(system) for _ in range(3)]
    handles = [_with_fence(system, drm, one) for one in ones]

    none = errno_of(system.syncobj_wait, drm, handles)
    ones[2].signal()
    one_any = system.syncobj_wait(drm, handles, FOREVER)
    one_all = errno_of(system.syncobj_wait, drm, handles, 0, ALL)
    ones[1].signal()
    two_any = system.syncobj_wait(drm, handles)
    ones[0].signal()
    three_all = errno_of(system.syncobj_wait, drm, handles, FOREVER, ALL)

    assert (ETIME, 2, ETIME, 1, 0) == (none, one_any, one_all, two_any, three_all)


@row("A9.18")
def test_wait_for_any_with_an_empty_one(system):
    """EINVAL though the other is signalled; with FOR_SUBMIT the other is the answer."""
    drm = system.gpu()
    handles = [system.syncobj_create(drm), system.syncobj_create(drm, SIGNALED)]

    refused = errno_of(system.syncobj_wait, drm, handles)

    assert (EINVAL, 1) == (refused, system.syncobj_wait(drm, handles, 0, FOR_SUBMIT))


@row("A9.19", "A9.20")
@pytest.mark.parametrize("call", ["syncobj_reset", "syncobj_signal"])
def test_reset_and_signal_refuse(system, call):
    """Nothing, pad, an unknown one beside a good one, which stays as it was."""
    drm = system.gpu()
    done, empty = system.syncobj_create(drm, SIGNALED), system.syncobj_create(drm)

    found = [
        errno_of(getattr(system, call), drm, []),
        errno_of(getattr(system, call), drm, [done], pad=1),
        errno_of(getattr(system, call), drm, [done, empty, 99]),
    ]

    assert [EINVAL, EINVAL, ENOENT] == found
    assert [True, False] == [_is_done(system, drm, one) for one in (done, empty)]


@row("A9.21", "A9.47")
def test_reset(system):
    """Nothing is left to wait for or to export, pending or not."""
    drm = system.gpu()
    handles = [system.syncobj_create(drm, SIGNALED), _with_fence(system, drm, fence(system))]

    system.syncobj_reset(drm, handles)

    found = [errno_of(system.syncobj_wait, drm, [one]) for one in handles]
    found += [errno_of(system.syncobj_handle_to_fd, drm, one, EXPORT) for one in handles]
    assert [EINVAL] * 4 == found


@row("A9.22")
def test_signal(system):
    """An empty one and one that is pending; the fence that was there is not touched."""
    drm, one = system.gpu(), fence(system)
    handles = [system.syncobj_create(drm), _with_fence(system, drm, one)]

    system.syncobj_signal(drm, handles)

    done = errno_of(system.syncobj_wait, drm, handles, 0, ALL)
    assert (0, False) == (done, is_signaled(system, one.fd))


@row("A9.42")
def test_signalled_then_pending(system):
    """The object's fence of the moment counts."""
    drm, one = system.gpu(), fence(system)
    handle = _with_fence(system, drm, one)

    system.syncobj_reset(drm, [handle])
    one.signal()

    assert EINVAL == errno_of(system.syncobj_wait, drm, [handle])


@row("A9.43")
def test_export_shows_the_plain_fence(system):
    """A point that carries a fence shows that fence."""
    drm, one = system.gpu(), fence(system)
    source, target = _with_fence(system, drm, one), system.syncobj_create(drm)

    system.syncobj_transfer(drm, source, target, 0, 5)
    info = system.file_info(system.syncobj_handle_to_fd(drm, target, EXPORT))

    assert (1, 0, [b"unbound"]) == (
        info.num_fences,
        info.status,
        [entry.timeline for entry in info.fences],
    )


@row("A9.45")
def test_flag_for_points(system):
    """HANDLE_TO_FD TIMELINE came after 6.12."""
    expected = differing(system, "A9.45", ours=0, kernel=EINVAL)
    drm = system.gpu()
    handle = system.syncobj_create(drm)
    system.syncobj_timeline_signal(drm, [handle], [4])

    found = errno_of(system.syncobj_handle_to_fd, drm, handle, EXPORT | POINTS, 0, 4)

    assert expected == found


@row("A9.46")
def test_wait_with_a_deadline(system):
    """A hint, no more."""
    drm = system.gpu()
    handle = system.syncobj_create(drm, SIGNALED)

    assert 0 == system.syncobj_wait(drm, [handle], 0, DEADLINE)


@row("A9.11")
def test_import_of_a_signalled_fence(system):
    """It is there, and done."""
    drm = system.gpu()
    handle = system.syncobj_create(drm)

    system.syncobj_fd_to_handle(drm, signaled(system), IMPORT, handle)

    assert _is_done(system, drm, handle)
