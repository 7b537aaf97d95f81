"""The sync objects of one open render node, by number, and what every call on them shares.

Mirrors: drivers/gpu/drm/drm_syncobj.c (drm_syncobj_open, _find, _get_handle, _release)

    >>> table = SyncObjTable()
    >>> table.get_handle(SyncObj("a")), table.get_handle(SyncObj("b"))
    (1, 2)
"""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from dmabuf._names import kernel, no_kernel
from dmabuf.core.fd_table import FdTable
from dmabuf.core.fence import Fence
from dmabuf.core.fence_container import allocate_or_fail
from dmabuf.core.idr import Idr
from dmabuf.core.syncobj import SyncObj, checked_point
from dmabuf.core.syncobj_wait import WaitFlags
from dmabuf.errors import Interrupted
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import WRITE, Op, Runtime, Task
from dmabuf.sync.spinlock import SpinLock

__all__ = ["Found", "SyncObjTable", "allow", "call", "numbers", "refuse", "some"]

F = TypeVar("F", bound=Callable[..., Any])


def _handle_signal(task: Task, _task: Task) -> None:
    task.signal_pending = False


GET_SIGNAL = Op(
    "task.get_signal",
    action=_handle_signal,
    touches=lambda task, _task: ((task, WRITE),),
    says="handles a signal",
)


@no_kernel("drm_ioctl and the entry code around it")
def call(feature: str) -> Callable[[F], F]:
    """A call of a program: in the kernel; starts over after a signal; EOPNOTSUPP comes first."""

    def decorate(fn: F) -> F:
        @functools.wraps(fn)
        def called(self: SyncObjTable, *args: Any, **how: Any) -> Any:
            if not getattr(self, feature):
                raise OSError(errno.EOPNOTSUPP, f"{self.name} has no {feature}")
            task = self.rt.current()
            before, task.in_kernel = task.in_kernel, True
            try:
                while True:
                    try:
                        return fn(self, *args, **how)
                    except Interrupted:
                        self.rt.step(GET_SIGNAL, task)
            finally:
                task.in_kernel = before

        return called  # type: ignore[return-value]

    return decorate


@kernel("drm_syncobj_open", context="process")
class SyncObjTable:
    """The sync objects of one open render node.

    Args:
        files: the descriptors of the process; a table of its own if not given.
        name: for reports.
        syncobj: has the driver sync objects at all?
        timeline: may they be timelines? (What a driver lacks is EOPNOTSUPP.)
        rt: the runtime it belongs to; the ambient one if not given.

    Attributes:
        objects: by handle.
        table_lock: for changes of these.
    """

    __slots__ = (
        "__weakref__",
        "_numbers",
        "files",
        "name",
        "objects",
        "rt",
        "syncobj",
        "table_lock",
        "timeline",
    )

    def __init__(
        self,
        files: FdTable | None = None,
        name: str = "",
        *,
        syncobj: bool = True,
        timeline: bool = True,
        rt: Runtime | None = None,
    ) -> None:
        self.rt = rt or ambient()
        self.name = name or "render node"
        self.files = files if files is not None else FdTable(rt=self.rt)
        self.syncobj = syncobj
        self.timeline = timeline
        self.table_lock = SpinLock(f"{self.name}.syncobj_table_lock", rt=self.rt)
        self.objects: dict[int, SyncObj] = {}
        self._numbers = Idr(1)

    @kernel("drm_syncobj_find")
    def find(self, handle: int) -> SyncObj | None:
        """The object of a handle, with a counted reference; None without one. Context: process."""
        with self.table_lock:
            obj = self.objects.get(handle)
            return None if obj is None else obj.get()

    @kernel("drm_syncobj_get_handle", context="process")
    def get_handle(self, obj: SyncObj) -> int:
        """The lowest free handle, at least 1, for an object, to which it takes a reference.

        Context: process. Raises OSError (ENOMEM): nothing has changed.
        """
        allocate_or_fail("a handle", self.rt)
        obj.get()
        with self.table_lock:
            handle = self._numbers.alloc()
            self.objects[handle] = obj
        return handle

    @kernel("drm_syncobj_find_fence", context="process")
    def find_fence(self, handle: int, point: int = 0, flags: int = 0) -> Fence:
        """As `SyncObj.find_fence`, of a handle: what a driver does with those of a submission.

        Raises:
            OSError: ENOENT, no such handle; EINVAL, other flags than FOR_SUBMIT, or nothing is
                submitted; ETIME, not even within 5 s.
        """
        obj = self.found(handle)
        try:
            allow(flags, WaitFlags.FOR_SUBMIT)
            return obj.find_fence(point, for_submit=bool(flags))
        finally:
            obj.put()

    @kernel("drm_syncobj_release", context="process")
    def release(self) -> None:
        """The render node is closed: each handle's reference is put. Context: process."""
        with self.table_lock:
            objects, self.objects = self.objects, {}
        for obj in objects.values():
            obj.put()

    @no_kernel("drm_syncobj_find and the errno of its callers")
    def found(self, handle: int, missing: int = errno.ENOENT) -> SyncObj:
        """As `find`; without one OSError with the errno `missing`. Context: process."""
        obj = self.find(handle)
        if obj is None:
            raise OSError(missing, f"{self.name} has no sync object {handle}")
        return obj


@no_kernel("drm_syncobj_array_find and drm_syncobj_array_free, static functions there")
class Found:
    """The objects of handles, a reference to each inside; ENOENT before anything is done."""

    __slots__ = ("handles", "node", "objs")

    def __init__(self, node: SyncObjTable, handles: Sequence[int]) -> None:
        self.node = node
        self.handles = handles
        self.objs: list[SyncObj] = []

    def __enter__(self) -> list[SyncObj]:
        try:
            for handle in self.handles:
                self.objs.append(self.node.found(handle))
        except OSError:
            self.__exit__()
            raise
        return self.objs

    def __exit__(self, *_error: object) -> None:
        while self.objs:
            self.objs.pop().put()


@no_kernel("the test of flags that each ioctl begins with")
def allow(flags: int, *allowed: int) -> None:
    """EINVAL for any other flag."""
    valid = functools.reduce(int.__or__, map(int, allowed))
    if flags & ~valid:
        raise OSError(errno.EINVAL, f"flags {flags:#x} are not among {valid:#x}")


@no_kernel("the test of what has to be 0 that each ioctl begins with")
def refuse(zero: int) -> None:
    """EINVAL for anything but 0."""
    if zero:
        raise OSError(errno.EINVAL, f"{zero} stands where 0 has to")


@no_kernel("copy_from_user of points")
def numbers(points: Sequence[int] | None, count: int) -> Sequence[int]:
    """As many points, all 0 without any; EINVAL for another number of them."""
    if points is None:
        return [0] * count
    if len(points) != count:
        raise OSError(errno.EINVAL, f"{len(points)} points for {count} handles")
    return [checked_point(point) for point in points]


@no_kernel("the test for no handles that some ioctls begin with")
def some(handles: Sequence[int]) -> Sequence[int]:
    """EINVAL for no handles."""
    if not handles:
        raise OSError(errno.EINVAL, "no handles")
    return handles
