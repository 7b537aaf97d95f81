"""A camera (vivid): an importer and exporter without fences."""

import errno
import os
import select
from pathlib import Path

import pytest

from dmabuf.abi.videodev2 import V4L2_MEMORY_MMAP
from tests.agreement.face import errno_of
from tests.agreement.rows import row
from tests.agreement.scenes import PAGE, READ, WRITE, fence, is_signaled

IN, OUT = select.POLLIN, select.POLLOUT
MARK = b"before the frame"


def _scene(system, count=2):
    """A camera with that many slots, and as many buffers of the heap."""
    camera = system.camera()
    frame = system.camera_frame_size(camera)
    system.camera_reqbufs(camera, count)
    buffers = [system.heap_alloc(frame) for _ in range(count)]
    for buffer in buffers:
        system.bytes_of(buffer, 0, MARK)
    return camera, frame, buffers


@row("A11.01")
def test_too_small_is_einval(system):
    """The length that was named counts, or else the buffer's."""
    camera, frame, [buffer, _] = _scene(system)
    small = system.heap_alloc(frame - PAGE)

    assert frame % PAGE
    assert errno.EINVAL == errno_of(system.camera_qbuf, camera, 0, buffer, frame - 1)
    assert errno.EINVAL == errno_of(system.camera_qbuf, camera, 0, small)
    assert 0 == errno_of(system.camera_qbuf, camera, 0, buffer, frame)


@row("A11.02")
def test_more_than_there_is_is_efault(system):
    """Also where a frame would fit; the buffer's own size is fine."""
    camera, _, [buffer, _] = _scene(system)
    size = system.size(buffer)

    assert errno.EFAULT == errno_of(system.camera_qbuf, camera, 0, buffer, size + 1)
    assert 0 == errno_of(system.camera_qbuf, camera, 0, buffer, size)


@row("A11.03")
def test_no_buffer_is_einval(system):
    """A sync_file, and no descriptor; not EBADF."""
    camera, _, _ = _scene(system)

    wrong = [fence(system).fd, -1, 1000]

    assert [errno.EINVAL] * 3 == [errno_of(system.camera_qbuf, camera, 0, fd) for fd in wrong]


@row("A11.04")
def test_queued_slot_is_einval(system):
    """Before and after the frame is in it, also with another buffer."""
    camera, _, [one, other] = _scene(system)
    system.camera_qbuf(camera, 0, one)
    system.camera_qbuf(camera, 1, other)

    first = (
        errno_of(system.camera_qbuf, camera, 0, one),
        errno_of(system.camera_qbuf, camera, 0, other, 1),
    )
    system.camera_streamon(camera)
    index = system.camera_frame(camera)
    then = errno_of(system.camera_qbuf, camera, index, one)

    assert (errno.EINVAL, errno.EINVAL) == first
    assert 0 == then


@row("A11.05")
def test_frames_arrive_in_order(system):
    """What was in the buffer before is gone."""
    camera, _, buffers = _scene(system)
    for index, buffer in enumerate(buffers):
        system.camera_qbuf(camera, index, buffer)

    system.camera_streamon(camera)
    slots = [system.camera_frame(camera) for _ in buffers]

    assert [0, 1] == slots
    assert [False, False] == [system.bytes_of(one, 0, len(MARK)) == MARK for one in buffers]


@row("A11.06")
@pytest.mark.parametrize("flags", [READ, WRITE])
def test_no_fence_while_queued(system, flags):
    """Poll says that the buffer is idle, and a snapshot of its fences is signalled."""
    camera, _, [buffer, _] = _scene(system)

    system.camera_qbuf(camera, 0, buffer)
    system.camera_streamon(camera)

    assert IN | OUT == system.poll(buffer, IN | OUT)
    assert is_signaled(system, system.export_sync_file(buffer, flags))


@row("A11.06")
def test_fences_are_not_waited_for(system):
    """The frame arrives although the buffer has a pending fence."""
    camera, _, [buffer, other] = _scene(system)
    system.import_sync_file(buffer, fence(system).fd, WRITE)
    system.camera_qbuf(camera, 0, buffer)
    system.camera_qbuf(camera, 1, other)

    system.camera_streamon(camera)

    assert 0 == system.camera_frame(camera)
    assert 0 == system.poll(buffer, IN | OUT)


@row("A11.07")
def test_dqbuf_without_a_frame(system):
    """EINVAL tells that there will be none."""
    camera, _, [buffer, _] = _scene(system)

    found = [errno_of(system.camera_dqbuf, camera)]
    system.camera_qbuf(camera, 0, buffer)
    found.append(errno_of(system.camera_dqbuf, camera))
    system.camera_streamon(camera)
    system.camera_frame(camera)
    found.append(errno_of(system.camera_dqbuf, camera))
    system.camera_streamoff(camera)
    found.append(errno_of(system.camera_dqbuf, camera))

    assert [errno.EINVAL, errno.EINVAL, errno.EAGAIN, errno.EINVAL] == found


@row("A11.08")
def test_streamoff_takes_slots_back(system):
    """Those with a frame and those without; it may be called twice."""
    camera, _, buffers = _scene(system)
    for index, buffer in enumerate(buffers):
        system.camera_qbuf(camera, index, buffer)
    system.camera_streamon(camera)

    system.camera_streamoff(camera)
    system.camera_streamoff(camera)
    again = [errno_of(system.camera_qbuf, camera, 1 - n, one) for n, one in enumerate(buffers)]
    system.camera_streamon(camera)

    assert [0, 0] == again
    assert [1, 0] == [system.camera_frame(camera) for _ in buffers]


@row("A11.09")
def test_reqbufs_while_streaming(system):
    """EBUSY, for none and for more; afterwards it is fine."""
    camera, _, [buffer, _] = _scene(system)
    system.camera_qbuf(camera, 0, buffer)
    system.camera_streamon(camera)

    found = [errno_of(system.camera_reqbufs, camera, count) for count in (0, 4)]
    system.camera_streamoff(camera)

    assert [errno.EBUSY, errno.EBUSY] == found
    assert 0 == system.camera_reqbufs(camera, 0)


@row("A11.10")
def test_closed_buffer_is_filled_all_the_same(system):
    """The queue has a reference of its own."""
    camera, _, buffers = _scene(system)
    for index, buffer in enumerate(buffers):
        system.camera_qbuf(camera, index, buffer)
        system.close(buffer)

    system.camera_streamon(camera)

    assert [0, 1] == [system.camera_frame(camera) for _ in buffers]


# --- the file layer's


def _exporting(system):
    camera = system.camera()
    system.camera_reqbufs(camera, 2, V4L2_MEMORY_MMAP)
    return camera


@row("A11.40")
def test_expbuf_refuses(system):
    """Index, plane, flags."""
    camera = _exporting(system)

    wrong = [(9, {}), (0, {"plane": 1}), (0, {"flags": os.O_RDWR | os.O_NONBLOCK})]

    assert [errno.EINVAL] * 3 == [
        errno_of(system.camera_expbuf, camera, index, **how) for index, how in wrong
    ]


@row("A11.41")
def test_exported_slot_is_a_buffer(system):
    """Whole pages, though a frame is not."""
    camera = _exporting(system)

    fd = system.camera_expbuf(camera, 0)

    frame = system.camera_frame_size(camera)
    assert frame + -frame % PAGE == system.size(fd)
    assert "exp_name:\tvideobuf2_vmalloc" in Path(f"/proc/self/fdinfo/{fd}").read_text()


@row("A11.42")
def test_slots_go_before_their_exports(system):
    """Whose bytes stay."""
    camera = _exporting(system)
    fd = system.camera_expbuf(camera, 0)
    system.bytes_of(fd, 0, MARK)

    system.camera_reqbufs(camera, 0)

    assert MARK == system.bytes_of(fd, 0, len(MARK))


@row("A11.43")
def test_vgem_imports_a_slot(system):
    """And can put a fence on it."""
    fd = system.camera_expbuf(_exporting(system), 0)
    drm = system.vgem()

    system.vgem_attach(drm, system.prime_import(drm, fd), 1)

    assert 0 == system.poll(fd, IN | OUT)


@row("A11.44")
def test_qbuf_of_no_slot(system):
    """There are as many as were asked for."""
    camera, _, [buffer, _] = _scene(system)

    assert errno.EINVAL == errno_of(system.camera_qbuf, camera, 99, buffer)


@row("A11.45")
def test_expbuf_of_an_importing_queue(system):
    """It has no memory of its own."""
    camera, _, _ = _scene(system)

    assert errno.EINVAL == errno_of(system.camera_expbuf, camera, 0)
