"""A real DRM device: what every driver answers about itself and about buffers.

Mirrors: include/uapi/drm/drm.h, include/uapi/drm/drm_mode.h

    with DrmFd.open("vgem") as device:
        handle, pitch, size = device.create_dumb(64, 64)
"""

from __future__ import annotations

import array
import contextlib
import errno
from pathlib import Path
from typing import NamedTuple, Self

from dmabuf.abi.drm import (
    DRM_CLOEXEC,
    DRM_IOCTL_GEM_CLOSE,
    DRM_IOCTL_GET_CAP,
    DRM_IOCTL_PRIME_FD_TO_HANDLE,
    DRM_IOCTL_PRIME_HANDLE_TO_FD,
    DRM_IOCTL_VERSION,
    DRM_RDWR,
    drm_gem_close,
    drm_get_cap,
    drm_prime_handle,
    drm_version,
)
from dmabuf.abi.drm_mode import DRM_IOCTL_MODE_CREATE_DUMB, drm_mode_create_dumb
from dmabuf.errors import NotAvailable
from dmabuf.host.dma_buf import DmaBufFd
from dmabuf.host.owned import Owned, address_of, call, open_device

__all__ = ["FOLDER", "DrmFd", "Dumb", "nodes"]

FOLDER = "/dev/dri"
_NAME_MAX = 64


class Dumb(NamedTuple):
    """A dumb buffer: its handle, bytes a line, bytes in all."""

    handle: int
    pitch: int
    size: int


def nodes(prefix: str = "card") -> list[str]:
    """The device nodes, in the order of their numbers; `prefix` is "card" or "renderD"."""
    found = Path(FOLDER).glob(f"{prefix}*")
    return [str(path) for path in sorted(found, key=lambda path: int(path.name[len(prefix) :]))]


class DrmFd(Owned):
    """Owns an open DRM device, with the handles that belong to it."""

    __slots__ = ()

    @classmethod
    def open(cls, driver: str) -> Self:
        """The first device of that driver ("vgem", "virtio_gpu").

        Raises:
            NotAvailable: there is none.
        """
        remedy = f"load the module {driver}, and have the right to open {FOLDER}/card*"
        for path in nodes():
            with contextlib.suppress(OSError), cls(open_device(path, remedy)) as device:
                if device.driver() == driver:
                    return cls(device.detach_fd())
        raise NotAvailable(f"no DRM device of the driver {driver} is here: {remedy}")

    def driver(self) -> str:
        """The driver's name."""
        room = array.array("B", bytes(_NAME_MAX))
        asked = drm_version(name_len=_NAME_MAX, name=address_of(room))
        got = call(self.fileno(), DRM_IOCTL_VERSION, asked)
        return room.tobytes()[: got.name_len].decode()

    def cap(self, capability: int) -> int:
        """The value of a DRM_CAP_*; 0 too if the driver has no such thing."""
        asked = drm_get_cap(capability=capability)
        try:
            return call(self.fileno(), DRM_IOCTL_GET_CAP, asked).value
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:
                return 0
            raise

    def create_dumb(self, width: int, height: int, bpp: int = 32, *, flags: int = 0) -> Dumb:
        """A buffer for pixels.

        Raises:
            OSError: EINVAL, no pixels.
        """
        wanted = drm_mode_create_dumb(width=width, height=height, bpp=bpp, flags=flags)
        made = call(self.fileno(), DRM_IOCTL_MODE_CREATE_DUMB, wanted)
        return Dumb(made.handle, made.pitch, made.size)

    def close_handle(self, handle: int) -> None:
        """Give a buffer's handle up.

        Raises:
            OSError: EINVAL, there is no such handle.
        """
        call(self.fileno(), DRM_IOCTL_GEM_CLOSE, drm_gem_close(handle=handle))

    def export(self, handle: int, flags: int = DRM_CLOEXEC | DRM_RDWR) -> DmaBufFd:
        """The buffer as a dma-buf.

        Raises:
            OSError: EINVAL, flags; ENOENT, there is no such handle.
        """
        wanted = drm_prime_handle(handle=handle, flags=flags, fd=-1)
        return DmaBufFd(call(self.fileno(), DRM_IOCTL_PRIME_HANDLE_TO_FD, wanted).fd)

    def import_handle(self, buffer: int) -> int:
        """A handle for the dma-buf of that descriptor; the same one if it has one already.

        Raises:
            OSError: EINVAL, no dma-buf; EBADF.
        """
        wanted = drm_prime_handle(fd=buffer)
        return call(self.fileno(), DRM_IOCTL_PRIME_FD_TO_HANDLE, wanted).handle
