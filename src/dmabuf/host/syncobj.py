"""Real sync objects: the handles of an open DRM device.

Mirrors: include/uapi/drm/drm.h

    with SyncobjFd.open() as device:
        handle = device.create()
        device.signal([handle])
"""

from __future__ import annotations

import array
from collections.abc import Sequence
from typing import Self

from dmabuf.abi.drm import DRM_CAP_SYNCOBJ, DRM_CAP_SYNCOBJ_TIMELINE
from dmabuf.abi.drm_syncobj import (
    DRM_IOCTL_SYNCOBJ_CREATE,
    DRM_IOCTL_SYNCOBJ_DESTROY,
    DRM_IOCTL_SYNCOBJ_EVENTFD,
    DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE,
    DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD,
    DRM_IOCTL_SYNCOBJ_QUERY,
    DRM_IOCTL_SYNCOBJ_RESET,
    DRM_IOCTL_SYNCOBJ_SIGNAL,
    DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL,
    DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT,
    DRM_IOCTL_SYNCOBJ_TRANSFER,
    DRM_IOCTL_SYNCOBJ_WAIT,
    drm_syncobj_array,
    drm_syncobj_create,
    drm_syncobj_destroy,
    drm_syncobj_eventfd,
    drm_syncobj_handle,
    drm_syncobj_timeline_array,
    drm_syncobj_timeline_wait,
    drm_syncobj_transfer,
    drm_syncobj_wait,
)
from dmabuf.errors import NotAvailable
from dmabuf.host.drm import DrmFd
from dmabuf.host.owned import address_of, call

__all__ = ["NONE", "REMEDY", "SyncobjFd"]

NONE = (1 << 32) - 1
"""What is put into `first_signaled` before a wait."""
REMEDY = "load a driver with sync objects (virtio-gpu does without 3D; vgem has none)"


def _numbers(code: str, values: Sequence[int] | None) -> array.array[int]:
    return array.array(code, values or [])


class SyncobjFd(DrmFd):
    """Owns an open device that has sync objects, with their handles."""

    __slots__ = ()

    @classmethod
    def open(cls, driver: str = "virtio_gpu") -> Self:
        """The device.

        Raises:
            NotAvailable: it is not here, or has no sync objects with timelines.
        """
        device = super().open(driver)
        if not (device.cap(DRM_CAP_SYNCOBJ) and device.cap(DRM_CAP_SYNCOBJ_TIMELINE)):
            device.close()
            raise NotAvailable(f"the driver {driver} has no sync objects with timelines: {REMEDY}")
        return device

    def create(self, flags: int = 0) -> int:
        """A new object's handle."""
        wanted = drm_syncobj_create(flags=flags)
        return call(self.fileno(), DRM_IOCTL_SYNCOBJ_CREATE, wanted).handle

    def destroy(self, handle: int, *, pad: int = 0) -> None:
        """Give a handle up."""
        wanted = drm_syncobj_destroy(handle=handle, pad=pad)
        call(self.fileno(), DRM_IOCTL_SYNCOBJ_DESTROY, wanted)

    def handle_to_fd(self, handle: int, flags: int = 0, *, pad: int = 0, point: int = 0) -> int:
        """A descriptor of the object, or a sync_file of its fence; the caller closes it."""
        wanted = drm_syncobj_handle(handle=handle, flags=flags, fd=-1, pad=pad, point=point)
        return call(self.fileno(), DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, wanted).fd

    def fd_to_handle(
        self, fd: int, flags: int = 0, *, handle: int = 0, pad: int = 0, point: int = 0
    ) -> int:
        """A handle for the object of a descriptor, or a sync_file's fence into `handle`."""
        wanted = drm_syncobj_handle(handle=handle, flags=flags, fd=fd, pad=pad, point=point)
        return call(self.fileno(), DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, wanted).handle

    def wait(
        self, handles: Sequence[int], timeout_nsec: int, flags: int = 0, *, deadline_nsec: int = 0
    ) -> int:
        """Wait for objects until an absolute time; answers `first_signaled`.

        That is `NONE` if the kernel did not touch it: there was nothing to wait for.
        """
        objects = _numbers("I", handles)
        wanted = drm_syncobj_wait(
            handles=address_of(objects),
            timeout_nsec=timeout_nsec,
            count_handles=len(objects),
            flags=flags,
            first_signaled=NONE,
            deadline_nsec=deadline_nsec,
        )
        return call(self.fileno(), DRM_IOCTL_SYNCOBJ_WAIT, wanted).first_signaled

    def timeline_wait(
        self,
        handles: Sequence[int],
        points: Sequence[int] | None,
        timeout_nsec: int,
        flags: int = 0,
        *,
        deadline_nsec: int = 0,
    ) -> int:
        """The same for points; without points 0 is meant everywhere."""
        objects, numbers = _numbers("I", handles), _numbers("Q", points)
        wanted = drm_syncobj_timeline_wait(
            handles=address_of(objects),
            points=address_of(numbers),
            timeout_nsec=timeout_nsec,
            count_handles=len(objects),
            flags=flags,
            first_signaled=NONE,
            deadline_nsec=deadline_nsec,
        )
        return call(self.fileno(), DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, wanted).first_signaled

    def reset(self, handles: Sequence[int], *, pad: int = 0) -> None:
        """Take the fences out."""
        self._array(DRM_IOCTL_SYNCOBJ_RESET, handles, pad)

    def signal(self, handles: Sequence[int], *, pad: int = 0) -> None:
        """Put signalled fences in."""
        self._array(DRM_IOCTL_SYNCOBJ_SIGNAL, handles, pad)

    def _array(self, number: int, handles: Sequence[int], pad: int) -> None:
        objects = _numbers("I", handles)
        wanted = drm_syncobj_array(handles=address_of(objects), count_handles=len(objects), pad=pad)
        call(self.fileno(), number, wanted)

    def timeline_signal(
        self, handles: Sequence[int], points: Sequence[int] | None, flags: int = 0
    ) -> None:
        """Put signalled points in; without points 0 is meant everywhere."""
        self._timeline(DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, handles, _numbers("Q", points), flags)

    def query(self, handles: Sequence[int], flags: int = 0) -> list[int]:
        """How far each timeline has come."""
        points = _numbers("Q", [0] * len(handles))
        self._timeline(DRM_IOCTL_SYNCOBJ_QUERY, handles, points, flags)
        return points.tolist()

    def _timeline(
        self, number: int, handles: Sequence[int], points: array.array[int], flags: int
    ) -> None:
        objects = _numbers("I", handles)
        wanted = drm_syncobj_timeline_array(
            handles=address_of(objects),
            points=address_of(points),
            count_handles=len(objects),
            flags=flags,
        )
        call(self.fileno(), number, wanted)

    def transfer(
        self,
        source: int,
        target: int,
        source_point: int = 0,
        target_point: int = 0,
        flags: int = 0,
        *,
        pad: int = 0,
    ) -> None:
        """The fence of one object or point into another."""
        wanted = drm_syncobj_transfer(
            src_handle=source,
            dst_handle=target,
            src_point=source_point,
            dst_point=target_point,
            flags=flags,
            pad=pad,
        )
        call(self.fileno(), DRM_IOCTL_SYNCOBJ_TRANSFER, wanted)

    def eventfd(self, handle: int, point: int, fd: int, flags: int = 0, *, pad: int = 0) -> None:
        """Have an eventfd written when the point signals, or (AVAILABLE) is there."""
        wanted = drm_syncobj_eventfd(handle=handle, flags=flags, point=point, fd=fd, pad=pad)
        call(self.fileno(), DRM_IOCTL_SYNCOBJ_EVENTFD, wanted)
