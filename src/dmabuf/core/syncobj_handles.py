"""Sync objects by number, as a program that has opened a render node calls them.

Mirrors: drivers/gpu/drm/drm_syncobj.c (the ioctls)

    >>> from dmabuf.core.fence_wait import stub
    >>> node = SyncObjHandles()
    >>> one, line = node.create(signaled=True), node.create()
    >>> one, line, node.wait([one], 0)
    (1, 2, 0)
    >>> node.timeline_signal([line], [7]); node.query([line])
    [7]

Each call checks what the kernel checks, in its order, and answers with its errno. A pending signal
is handled and the call starts over, as it does for a program that asked for SA_RESTART; what it
had picked up is forgotten then. Inside a call a userspace task runs kernel code.
"""

from __future__ import annotations

import errno
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from dmabuf._names import kernel, no_kernel
from dmabuf.abi import drm_syncobj as abi
from dmabuf.core.counted_file import CountedFile
from dmabuf.core.fence import Fence
from dmabuf.core.fence_chain import FenceChain
from dmabuf.core.fence_unwrap import merge
from dmabuf.core.fence_wait import stub
from dmabuf.core.sync_file import SyncFile
from dmabuf.core.syncobj import SyncObj
from dmabuf.core.syncobj_eventfd import add_eventfd
from dmabuf.core.syncobj_table import Found, SyncObjTable, allow, call, numbers, refuse, some
from dmabuf.core.syncobj_wait import FOR_EVER, NONE_SIGNALED, WaitFlags, wait
from dmabuf.sync.eventfd import EventFd, RealEventFd

__all__ = ["SyncObjFile", "SyncObjHandles"]

_ioctl = call("syncobj")
_timeline_ioctl = call("timeline")


@kernel("drm_syncobj_get_fd", context="process")
class SyncObjFile(CountedFile):
    """A sync object as an open file: one reference to it. Polling finds nothing to wait for."""

    __slots__ = ("obj",)

    def __init__(self, obj: SyncObj) -> None:
        self._open(obj.rt, f"{obj.name} file")
        self.obj = obj.get()

    @no_kernel("drm_syncobj_file_release, a static function there")
    def release(self) -> None:
        """The last descriptor is closed. Context: process."""
        self.obj.put()


@no_kernel("struct drm_file, of which it is the part that is about sync objects")
class SyncObjHandles(SyncObjTable):
    """What a program may call, with handles; see `SyncObjTable` for the arguments."""

    __slots__ = ()

    # -- handles ---------------------------------------------------------------------------------

    @_ioctl
    @kernel("drm_syncobj_create_ioctl", context="process")
    def create(self, flags: int = 0, *, signaled: bool = False) -> int:
        """A new object's handle.

        Args:
            flags: DRM_SYNCOBJ_CREATE_SIGNALED or none (else EINVAL).
            signaled: the same flag in a word.
        """
        allow(flags, abi.DRM_SYNCOBJ_CREATE_SIGNALED)
        obj = SyncObj("syncobj", signaled=signaled or bool(flags), rt=self.rt)
        try:
            return self.get_handle(obj)
        finally:
            obj.put()

    @_ioctl
    @kernel("drm_syncobj_destroy_ioctl", context="process")
    def destroy(self, handle: int, *, pad: int = 0) -> None:
        """Free a handle. Raises OSError (EINVAL): no such handle, or `pad`."""
        refuse(pad)
        with self.table_lock:
            obj = self.objects.pop(handle, None)
            if obj is not None:
                self._numbers.remove(handle)
        if obj is None:
            raise OSError(errno.EINVAL, f"{self.name} has no sync object {handle}")
        obj.put()

    # -- descriptors -----------------------------------------------------------------------------

    @_ioctl
    @kernel("drm_syncobj_handle_to_fd_ioctl", context="process")
    def handle_to_fd(self, handle: int, flags: int = 0, point: int = 0, *, pad: int = 0) -> int:
        """A descriptor of the object, or of a sync file of its fence.

        Args:
            handle: which.
            flags: EXPORT_SYNC_FILE for a sync file; with TIMELINE it is that of `point`.
            point: without TIMELINE it is ignored, without EXPORT_SYNC_FILE refused.
            pad: 0.

        Raises:
            OSError: EINVAL for flags, `pad` and `point`; of a sync file EMFILE, ENOENT (no such
                handle), EINVAL (no fence, or no memory); else EINVAL (no such handle), EMFILE.
        """
        export = abi.DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE
        timeline = abi.DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_TIMELINE
        refuse(pad)
        allow(flags, export | timeline)
        if flags & export:
            return self._export_sync_file(handle, point if flags & timeline else 0)
        refuse(point)
        obj = self.found(handle, errno.EINVAL)
        try:
            fd = self.files.get_unused()
            self.files.install(fd, SyncObjFile(obj))
            return fd
        finally:
            obj.put()

    def _export_sync_file(self, handle: int, point: int) -> int:
        fd = self.files.get_unused()
        try:
            fence = self.find_fence(handle, point)
            try:
                file = SyncFile(fence)
            except OSError as error:  # the kernel answers that, whatever the reason
                raise OSError(errno.EINVAL, "no sync file could be made") from error
            finally:
                fence.put()
        except OSError:
            self.files.put_unused(fd)
            raise
        self.files.install(fd, file)
        return fd

    @_ioctl
    @kernel("drm_syncobj_fd_to_handle_ioctl", context="process")
    def fd_to_handle(
        self, fd: int, handle: int = 0, flags: int = 0, point: int = 0, *, pad: int = 0
    ) -> int:
        """A new handle of the object behind a descriptor, or a sync file's fence into an object.

        Args:
            fd: of a sync object; of a sync file with IMPORT_SYNC_FILE.
            handle: with IMPORT_SYNC_FILE, whose fence is replaced, or which gets a point.
            flags: IMPORT_SYNC_FILE, TIMELINE.
            point: as in `handle_to_fd`.
            pad: 0.

        Returns the handle.

        Raises:
            OSError: EINVAL for flags, `pad`, `point` and a wrong descriptor; then ENOENT (no such
                handle), ENOMEM.
        """
        imports = abi.DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE
        timeline = abi.DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_TIMELINE
        refuse(pad)
        allow(flags, imports | timeline)
        if flags & imports:
            self._import_sync_file(fd, handle, point if flags & timeline else 0)
            return handle
        refuse(point)
        with self._file(fd, SyncObjFile) as file:
            return self.get_handle(file.obj)

    def _import_sync_file(self, fd: int, handle: int, point: int) -> None:
        with self._file(fd, SyncFile) as file:
            fence = file.get_fence()
        try:
            obj = self.found(handle)
            try:
                if point:
                    obj.add_point(fence, point, chain=FenceChain.alloc(rt=self.rt))
                else:
                    obj.replace_fence(fence)
            finally:
                obj.put()
        finally:
            fence.put()

    @contextmanager
    def _file(self, fd: int, kind: Any, missing: int = errno.EINVAL) -> Generator[Any]:
        """An open file of that kind, else EINVAL; `missing` for a closed descriptor."""
        try:
            file = self.files.fget(fd)
        except OSError as error:
            raise OSError(missing, f"nothing is open at {fd}") from error
        try:
            if not isinstance(file, kind):
                raise OSError(errno.EINVAL, f"descriptor {fd} is something else")
            yield file
        finally:
            file.put()

    # -- waiting ---------------------------------------------------------------------------------

    @_ioctl
    @kernel("drm_syncobj_wait_ioctl", context="process")
    def wait(
        self,
        handles: Sequence[int],
        timeout_nsec: int = FOR_EVER,
        flags: int = 0,
        deadline_nsec: int = 0,
    ) -> int:
        """As `syncobj_wait.wait`, of handles; what is inside each as a whole.

        Returns the index of the first that is signalled; of no handles 2^32-1, without an error.

        Raises:
            OSError: EINVAL for flags (AVAILABLE too); ENOENT; then as `syncobj_wait.wait`.
        """
        allow(flags, WaitFlags.ALL | WaitFlags.FOR_SUBMIT | WaitFlags.DEADLINE)
        return self._wait(handles, None, timeout_nsec, flags, deadline_nsec)

    @_timeline_ioctl
    @kernel("drm_syncobj_timeline_wait_ioctl", context="process")
    def timeline_wait(
        self,
        handles: Sequence[int],
        points: Sequence[int] | None = None,
        timeout_nsec: int = FOR_EVER,
        flags: int = 0,
        deadline_nsec: int = 0,
    ) -> int:
        """As `wait`, for points; AVAILABLE is allowed. `points`: None for all 0."""
        allow(flags, *WaitFlags)
        return self._wait(handles, points, timeout_nsec, flags, deadline_nsec)

    def _wait(
        self,
        handles: Sequence[int],
        points: Sequence[int] | None,
        timeout_nsec: int,
        flags: int,
        deadline_nsec: int,
    ) -> int:
        if not handles:
            return NONE_SIGNALED
        with Found(self, handles) as objs:
            hint = deadline_nsec if flags & WaitFlags.DEADLINE else None
            return wait(objs, timeout_nsec, points=points, flags=flags, deadline_nsec=hint)

    @_timeline_ioctl
    @kernel("drm_syncobj_eventfd_ioctl", context="process")
    def eventfd(
        self, handle: int, fd: int, point: int = 0, flags: int = 0, *, pad: int = 0
    ) -> None:
        """As `syncobj_eventfd.add_eventfd`, of a handle and a descriptor.

        Raises:
            OSError: EINVAL for flags other than AVAILABLE and `pad`; ENOENT; EBADF; EINVAL, the
                descriptor is no eventfd; ENOMEM.
        """
        allow(flags, WaitFlags.AVAILABLE)
        refuse(pad)
        kinds = EventFd | RealEventFd
        with Found(self, [handle]) as (obj,), self._file(fd, kinds, errno.EBADF) as file:
            add_eventfd(obj, file, point, available=bool(flags))

    # -- signalling by hand ----------------------------------------------------------------------

    @_ioctl
    @kernel("drm_syncobj_reset_ioctl", context="process")
    def reset(self, handles: Sequence[int], *, pad: int = 0) -> None:
        """Take the fences out. Raises OSError: EINVAL for `pad` and no handles; ENOENT."""
        refuse(pad)
        with Found(self, some(handles)) as objs:
            for obj in objs:
                obj.replace_fence(None)

    @_ioctl
    @kernel("drm_syncobj_signal_ioctl", context="process")
    def signal(self, handles: Sequence[int], *, pad: int = 0) -> None:
        """Put a signalled stub into each. Raises OSError as `reset`; ENOMEM, with some done."""
        refuse(pad)
        with Found(self, some(handles)) as objs:
            for obj in objs:
                obj.assign_null_handle()

    @_timeline_ioctl
    @kernel("drm_syncobj_timeline_signal_ioctl", context="process")
    def timeline_signal(
        self, handles: Sequence[int], points: Sequence[int] | None = None, flags: int = 0
    ) -> None:
        """Add a point with the global stub to each. `points`: None for all 0.

        Raises:
            OSError: EINVAL for flags and no handles; ENOENT; ENOMEM, with nothing changed.
        """
        refuse(flags)
        with Found(self, some(handles)) as objs:
            at = numbers(points, len(objs))
            chains = [FenceChain.alloc(rt=self.rt) for _ in objs]
            for obj, chain, point in zip(objs, chains, at, strict=True):
                fence = stub(rt=self.rt)
                fence.get()
                obj.add_point(fence, point, chain=chain)
                fence.put()

    @_timeline_ioctl
    @kernel("drm_syncobj_query_ioctl", context="process")
    def query(self, handles: Sequence[int], flags: int = 0) -> list[int]:
        """The point that each has come to, or with LAST_SUBMITTED its newest one.

        Raises:
            OSError: EINVAL for flags and no handles; ENOENT.
        """
        last = abi.DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED
        allow(flags, last)
        with Found(self, some(handles)) as objs:
            return [obj.query(last_submitted=bool(flags)) for obj in objs]

    # -- transfer --------------------------------------------------------------------------------

    @_timeline_ioctl
    @kernel("drm_syncobj_transfer_ioctl", context="process")
    def transfer(
        self,
        src_handle: int,
        src_point: int,
        dst_handle: int,
        dst_point: int = 0,
        flags: int = 0,
        *,
        pad: int = 0,
    ) -> None:
        """Put the fence of one object, or of its point, into another, or at a point there.

        At a point the plain fences inside are merged; without one the fence is taken as it is.

        Raises:
            OSError: EINVAL for `pad`; ENOENT, first for the destination; then as `find_fence`;
                ENOMEM.
        """
        refuse(pad)
        with Found(self, [dst_handle]) as (dst,):
            fence = self.find_fence(src_handle, src_point, flags)
            try:
                if dst_point:
                    self._transfer_to(dst, fence, dst_point)
                else:
                    dst.replace_fence(fence)
            finally:
                fence.put()

    def _transfer_to(self, dst: SyncObj, fence: Fence, point: int) -> None:
        flat = merge(fence)
        try:
            dst.add_point(flat, point, chain=FenceChain.alloc(rt=self.rt))
        finally:
            flat.put()

    def __repr__(self) -> str:
        return f"<SyncObjHandles {self.name}: {len(self.objects)} handles>"
