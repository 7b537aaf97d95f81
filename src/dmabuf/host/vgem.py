"""The real vgem: buffers without hardware, and fences that userspace signals.

Mirrors: include/uapi/drm/vgem_drm.h

    with VgemFd.open() as device:
        handle = device.create_dumb(64, 64).handle
        fence = device.attach(handle, VGEM_FENCE_WRITE)
        device.signal(fence)
"""

from __future__ import annotations

from typing import Self

from dmabuf.abi.vgem_drm import (
    DRM_IOCTL_VGEM_FENCE_ATTACH,
    DRM_IOCTL_VGEM_FENCE_SIGNAL,
    drm_vgem_fence_attach,
    drm_vgem_fence_signal,
)
from dmabuf.host.drm import DrmFd
from dmabuf.host.owned import call

__all__ = ["REMEDY", "VgemFd"]

REMEDY = "load the module vgem (CONFIG_DRM_VGEM)"


class VgemFd(DrmFd):
    """Owns an open vgem device; closing it signals its fences."""

    __slots__ = ()

    @classmethod
    def open(cls, driver: str = "vgem") -> Self:
        """The device.

        Raises:
            NotAvailable: it is not here.
        """
        return super().open(driver)

    def attach(self, handle: int, flags: int = 0, *, pad: int = 0) -> int:
        """A new fence on a buffer, for a reader or (VGEM_FENCE_WRITE) a writer; answers its number.

        Raises:
            OSError: EBUSY, a fence in the way; ENOENT, no such handle; EINVAL, flags or pad.
        """
        wanted = drm_vgem_fence_attach(handle=handle, flags=flags, pad=pad)
        return call(self.fileno(), DRM_IOCTL_VGEM_FENCE_ATTACH, wanted).out_fence

    def signal(self, fence: int, *, flags: int = 0) -> None:
        """Signal a fence, once.

        Raises:
            OSError: ENOENT, no such fence, or signalled by this call before; ETIMEDOUT, ten
                seconds were over; EINVAL, flags.
        """
        wanted = drm_vgem_fence_signal(fence=fence, flags=flags)
        call(self.fileno(), DRM_IOCTL_VGEM_FENCE_SIGNAL, wanted)
