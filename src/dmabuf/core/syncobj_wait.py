"""Waiting for several sync objects: for the first or for all, and before there is a fence.

Mirrors: drivers/gpu/drm/drm_syncobj.c (drm_syncobj_wait_ioctl)

    >>> from dmabuf.core.timeline import Timeline
    >>> idle, busy = SyncObj(signaled=True), SyncObj(fence=Timeline("gpu").fence())
    >>> wait([busy, idle])
    1
    >>> try: wait([busy, idle], 0, flags=WaitFlags.ALL)
    ... except OSError as error: print(errno.errorcode[error.errno])
    ETIME

A timeout is a time of the runtime's monotonic clock in ns; 0 and any time that is past only look.
"""

from __future__ import annotations

import enum
import errno
from collections.abc import Sequence

from dmabuf._names import kernel, no_kernel
from dmabuf.abi import drm_syncobj as abi
from dmabuf.core.fence import Fence
from dmabuf.core.fence_container import allocate_or_fail
from dmabuf.core.syncobj import SyncObj, checked_point, refuse_locks
from dmabuf.core.syncobj_steps import Wait, WaitEntry, looks, submitted
from dmabuf.rt.api import Runtime

__all__ = ["FOR_EVER", "NONE_SIGNALED", "WaitFlags", "deadline_of", "wait"]

FOR_EVER = (1 << 63) - 1
"""The timeout that never comes."""

NONE_SIGNALED = (1 << 32) - 1
"""What is told instead of an index where there is none to tell."""

_S64_MIN = -(1 << 63)


@no_kernel("DRM_SYNCOBJ_WAIT_FLAGS_WAIT_*")
class WaitFlags(enum.IntFlag):
    """How to wait.

    `ALL` of them instead of any; `FOR_SUBMIT`, points may be submitted while one waits;
    `AVAILABLE`, until they are submitted, signalled or not; `DEADLINE`, with a hint.
    """

    ALL = abi.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL
    FOR_SUBMIT = abi.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT
    AVAILABLE = abi.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE
    DEADLINE = abi.DRM_SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE


_UNSUBMITTED = int(WaitFlags.FOR_SUBMIT | WaitFlags.AVAILABLE)
_ALL = int(WaitFlags.ALL)
_AVAILABLE = int(WaitFlags.AVAILABLE)


@no_kernel("drm_syncobj_array_wait_timeout, a static function there")
def wait(
    objs: Sequence[SyncObj],
    timeout_nsec: int = FOR_EVER,
    *,
    points: Sequence[int] | None = None,
    flags: int = 0,
    deadline_nsec: int | None = None,
) -> int:
    """Wait for sync objects. Context: process, may sleep; interruptible.

    A fence that was picked up is waited for even if its object gets another one meanwhile.

    Args:
        objs: of one runtime; the same one may come twice.
        timeout_nsec: absolute, signed 64 bits; 0 or a time that is past looks only.
        points: one for each object; 0 asks for what is inside as a whole. None is all 0.
        flags: `WaitFlags`. To wait for a submission no lock may be held (DF004).
        deadline_nsec: by when the fences that are there already are wanted; a hint.

    Returns the index of the first that was found signalled; without a meaning for `ALL`.

    Raises:
        OSError: EINVAL, at once, if one is not submitted and neither `FOR_SUBMIT` nor
            `AVAILABLE` says to wait for that; ETIME; ENOMEM.
        Interrupted: a signal is pending. Waiting again with the same arguments goes on.
    """
    if not objs:
        return NONE_SIGNALED
    rt = objs[0].rt
    if not _S64_MIN <= timeout_nsec <= FOR_EVER:
        raise OSError(errno.EINVAL, f"a timeout has 64 bits and a sign: {timeout_nsec}")
    if points is not None and len(points) != len(objs):
        raise OSError(errno.EINVAL, f"{len(points)} points for {len(objs)} objects")
    deadline = deadline_of(rt, timeout_nsec)
    if flags & _UNSUBMITTED:
        refuse_locks(rt, "wait for a submission")
    allocate_or_fail(f"{len(objs)} points", rt)
    allocate_or_fail(f"a wait for {len(objs)} points", rt)
    with Wait(rt, "syncobj wait for " + ", ".join(obj.name for obj in objs[:4])) as waiting:
        for index, obj in enumerate(objs):
            waiting.add(obj, 0 if points is None else checked_point(points[index]))
        return _wait(waiting, deadline, flags, deadline_nsec)


@kernel("drm_timeout_abs_to_jiffies")
def deadline_of(rt: Runtime, timeout_nsec: int) -> int | None:
    """When to give up: None is never, 0 at once. Context: process."""
    if timeout_nsec == FOR_EVER:
        return None
    return timeout_nsec if timeout_nsec > 0 and timeout_nsec > rt.now() else 0


def _wait(waiting: Wait, deadline: int | None, flags: int, deadline_nsec: int | None) -> int:
    count, first = _pick_up(waiting, flags)
    if count == len(waiting.entries) or (count and not flags & _ALL):
        return first
    if flags & _UNSUBMITTED:
        for entry in waiting.entries:
            entry.obj.add_wait(entry)
    for fences in looks(waiting, deadline):
        if deadline_nsec is not None:
            _hint(fences, deadline_nsec)
            deadline_nsec = None
        index = _examine(waiting.entries, fences, flags)
        if index is not None:
            return first if flags & _ALL else index
    raise AssertionError


def _hint(fences: list[Fence | None], deadline_nsec: int) -> None:
    """Tell the drivers of what is there by when it is wanted."""
    for fence in fences:
        if fence is not None:
            fence.set_deadline(deadline_nsec)


def _pick_up(waiting: Wait, flags: int) -> tuple[int, int]:
    """Take what is submitted: how many of them are done, and the first one's index.

    This comes before anything else, so that a missing fence is told before there is any wait.
    """
    count, first = 0, NONE_SIGNALED
    for index, entry in enumerate(waiting.entries):
        entry.fence = submitted(entry.obj.fence_get(), entry.point)
        if entry.fence is None:
            if flags & _UNSUBMITTED:
                continue
            raise OSError(errno.EINVAL, f"{entry.obj.name} has no fence for point {entry.point}")
        if flags & _AVAILABLE or entry.fence.is_signaled():
            first = index if not count else first
            count += 1
    return count, first


def _examine(entries: list[WaitEntry], fences: list[Fence | None], flags: int) -> int | None:
    """The index of the first that is done, with `ALL` any number once all are; else None.

    Those that are not get a callback, which turns signalling on.
    """
    count = 0
    for index, (entry, fence) in enumerate(zip(entries, fences, strict=True)):
        if fence is None:
            continue
        if flags & _AVAILABLE or fence.is_signaled() or _is_signaled_now(entry, fence):
            if not flags & _ALL:
                return index
            count += 1
    return count if count == len(entries) else None


def _is_signaled_now(entry: WaitEntry, fence: Fence) -> bool:
    """Add the callback, once; had the fence signalled meanwhile?"""
    if entry.callback is not None:
        return False
    entry.callback = fence.add_callback(entry.wait.wake)
    return entry.callback is None
