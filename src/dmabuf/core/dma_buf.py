"""A buffer that one driver exports and others import.

Mirrors: include/linux/dma-buf.h, drivers/dma-buf/dma-buf.c

    >>> from dmabuf.core.dma_map import Device, Segment
    >>> class Carveout(DmaBufOps):
    ...     def map_dma_buf(self, attachment, direction):
    ...         return attachment.dev.map([Segment(0x8000_0000, attachment.buf.size)], direction)
    ...     def unmap_dma_buf(self, attachment, table): pass
    ...     def release(self, buf): print("released")
    >>> buf = export(Carveout(), 8192, priv="carveout", name="frame")
    >>> camera = buf.attach(Device("camera", dma_bits=32, contiguous=True))
    >>> table = camera.map_unlocked(Direction.FROM_DEVICE)
    >>> table.segments[0].length
    8192
    >>> camera.unmap_unlocked(table); camera.detach(); buf.put()
    released

The exporter owns the storage and decides where it is, at the latest when it is first mapped. What
must not overtake what is kept by fences in the buffer's reservation object.
"""

from __future__ import annotations

import errno
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from dmabuf._names import kernel, no_kernel
from dmabuf.abi.dma_buf import DMA_BUF_NAME_LEN
from dmabuf.core.access import Accesses
from dmabuf.core.dma_buf_attach import Attachment
from dmabuf.core.dma_buf_convention import check_call, check_callback
from dmabuf.core.dma_buf_cpu import bracket
from dmabuf.core.dma_buf_fd import HasDescriptor, forget_descriptor
from dmabuf.core.dma_buf_ops import AttachOps, DmaBufOps, Vma, why_unusable
from dmabuf.core.dma_buf_poll import Events, ImplicitPoll, Wake, poll_of
from dmabuf.core.dma_buf_steps import (
    ADD,
    FILE,
    GET,
    PUT,
    RENAME,
    REVIVE,
    USE,
    BufferList,
    File,
    escaped,
)
from dmabuf.core.dma_buf_sync_file import export_sync_file, import_sync_file
from dmabuf.core.dma_map import PAGE_SHIFT, Access, Device, Direction
from dmabuf.core.fence_container import allocate_or_fail
from dmabuf.core.resv import Resv, usage_rw
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import Runtime
from dmabuf.sync.context import warn_on
from dmabuf.sync.lockdep import might_lock
from dmabuf.sync.work import Work
from dmabuf.sync.workqueue import schedule_work

if TYPE_CHECKING:
    from dmabuf.core.sync_file import SyncFile

__all__ = ["Access", "DmaBuf", "DmaBufOps", "export"]

_ULONG = 1 << 64
_SSIZE_MAX = (1 << 63) - 1


@kernel("dma_buf_export", context="process")
def export(
    ops: DmaBufOps,
    size: int,
    *,
    resv: Resv | None = None,
    exp_name: str = "",
    priv: object = None,
    name: str = "",
    rt: Runtime | None = None,
) -> DmaBuf:
    """Make a buffer of an exporter's storage. Context: process.

    Args:
        ops: what the exporter does.
        size: bytes.
        resv: a reservation object to share; without it the buffer has one of its own.
        exp_name: the exporter's name; that of the class of `ops` if not given.
        priv: the exporter's own; mandatory, as in the kernel.
        name: the buffer's name, which may be changed later.
        rt: the runtime it belongs to; that of `resv`, or the ambient one, if not given.

    Raises:
        OSError: EINVAL, a mandatory hook or `priv` is missing, or only one of pin and unpin is
            there (both warn), or the size is none; ENOMEM.
    """
    rt = rt or (resv.rt if resv is not None else ambient())
    exp_name = exp_name or type(ops).__name__
    wrong = why_unusable(ops, priv)
    if wrong:
        warn_on(rt, f"{rt.current().name} exports a buffer of {escaped(exp_name)}, which {wrong}")
        raise OSError(errno.EINVAL, f"{exp_name} {wrong}")
    if not 0 <= size <= _SSIZE_MAX:
        raise OSError(errno.EINVAL, f"no size of a buffer: {size}")
    if name:
        check_name(name)
    if resv is not None:
        check_call("dma_buf_export", resv, escaped(name or exp_name))
    allocate_or_fail("a dma_buf", rt)
    return DmaBuf(ops, size, resv, exp_name, priv, name, rt)


@no_kernel("strndup_user of a name")
def check_name(name: str) -> None:
    """Raises OSError: EINVAL, it is longer than 31 bytes or has a NUL inside."""
    if len(name.encode(errors="surrogateescape")) >= DMA_BUF_NAME_LEN:
        raise OSError(errno.EINVAL, f"a name has at most {DMA_BUF_NAME_LEN - 1} bytes")
    if "\0" in name:
        raise OSError(errno.EINVAL, "a NUL ends a name")


@kernel("struct dma_buf")
class DmaBuf(HasDescriptor):
    """A buffer; made by `export`.

    Attributes:
        ops: the exporter's hooks.
        size: bytes, for ever the same.
        resv: fences, and the lock that guards attachments and mappings.
        exp_name: the exporter's name.
        priv: the exporter's own.
        attachments: those there are, in order of attaching.
        label: its name in reports.
        accesses: who is using the bytes (see `core.access`).
        poll_state: what `core.dma_buf_poll` keeps for it; None before the first poll.
    """

    __slots__ = (
        "__weakref__",
        "accesses",
        "attachments",
        "buffers",
        "exp_name",
        "file",
        "label",
        "ops",
        "owns_resv",
        "poll_state",
        "priv",
        "resv",
        "rt",
        "size",
        "vmap_count",
        "vmap_mapping",
    )

    def __init__(
        self,
        ops: DmaBufOps,
        size: int,
        resv: Resv | None,
        exp_name: str,
        priv: object,
        name: str,
        rt: Runtime,
    ) -> None:
        self.rt = rt
        self.ops = ops
        self.size = size
        self.exp_name = exp_name
        self.priv = priv
        self.attachments: dict[Attachment, None] = {}
        self.vmap_count = 0
        self.vmap_mapping: Any = None
        self.poll_state: ImplicitPoll | None = None
        self.label = escaped(name or exp_name)
        rt.adopt(self, self.label)
        self.owns_resv = resv is None
        self.resv = resv if resv is not None else Resv(f"{self.label}.resv", rt=rt)
        self.accesses = Accesses(self.label, self.resv, rt=rt)
        self.buffers = BufferList.of(rt)
        self.file = File(name or None, self.buffers.new_inode(rt))
        rt.adopt(self.file, f"{self.label}.file")
        rt.step(ADD, self)
        if rt.explored:
            poll_of(self)

    # -- references ------------------------------------------------------------------------------

    @kernel("get_dma_buf")
    def get(self) -> DmaBuf:
        """Take a reference. Context: any. Reports (DF004) a buffer that was released."""
        rt = self.rt
        rt.step(GET, self)
        if not rt.current().value:
            self._was_released("takes a reference to")
        return self

    @no_kernel("get_file_rcu")
    def get_file(self) -> bool:
        """Take a reference, for a table of descriptors; False if none was left. Context: any."""
        self.rt.step(GET, self)
        return bool(self.rt.current().value)

    @kernel("dma_buf_put")
    def put(self) -> None:
        """Put a reference; the last one releases the buffer. Context: any, lock not held.

        In atomic context a worker releases it, soon.

        Raises:
            ContractViolation: DF004, there was none.
            BufferError: it is the last one, and there are views of the bytes; nothing is put.
        """
        check_call("dma_buf_put", self.resv, self.label)
        self.fput()

    @no_kernel("fput of the buffer's file; `put` is that of dma_buf_put")
    def fput(self) -> None:
        """As `put`, whatever locks the caller holds. Context: any."""
        rt = self.rt
        rt.step(PUT, self)
        before = rt.current().value
        if not before:
            self._was_released("puts")
        if before != 1:
            return
        if rt.current().is_atomic:
            schedule_work(Work(self._release, f"{self.label} fput", rt=rt))
        else:
            self._release()

    def _release(self) -> None:
        """Nobody refers to it: it is off the list, now the exporter lets go of the storage."""
        rt = self.rt
        if self.poll_state is not None:
            self.poll_state.release()
            self.poll_state = None
        if self.vmap_count:
            rt.report("DF004", f"{self.label} is released with {self.vmap_count} vmaps")
        try:
            self.call("release", self)
        except BufferError:
            rt.step(REVIVE, self)
            raise
        self.accesses.release()
        forget_descriptor(self)
        if self.owns_resv:
            self.resv.fini()
        if self.attachments:
            names = ", ".join(one.dev.name for one in self.attachments)
            warn_on(rt, f"{self.label} is released while {names} is attached")

    @no_kernel("KASAN's report of a use after free")
    def check_use(self, does: str) -> None:
        """Report (DF004) a task that does something to a buffer that was released."""
        rt = self.rt
        if rt.quick:
            if self.file.count:
                return
        else:
            rt.step(USE, self)
            if rt.current().value:
                return
        self._was_released(does)

    def _was_released(self, does: str) -> None:
        rt = self.rt
        rt.report("DF004", f"{rt.current().name} {does} {self.label}, which was released")

    # -- its name --------------------------------------------------------------------------------

    @property
    @no_kernel("dmabuf->name under its lock")
    def name(self) -> str:
        """The name that userspace gave it; empty without one. Context: any."""
        self.rt.step(FILE, self)
        name: str = self.rt.current().value[0]
        return name

    @no_kernel("dma_buf_set_name, a static function there")
    def set_name(self, name: str) -> None:
        """Name it, as often as one likes, attached or not. Context: any.

        Raises:
            OSError: EINVAL, more than 31 bytes.
        """
        self.check_use("names")
        check_name(name)
        self.rt.step(RENAME, self, name)

    # -- devices ---------------------------------------------------------------------------------

    @property
    @kernel("dma_buf_is_dynamic")
    def is_dynamic(self) -> bool:
        """Can the exporter move the storage (it has `pin`)?"""
        return self.ops.pin is not None

    @kernel("dma_buf_attach", "dma_buf_dynamic_attach", context="process")
    def attach(
        self, dev: Device, importer_ops: AttachOps | None = None, importer_priv: object = None
    ) -> Attachment:
        """Let a device use the buffer. Context: process, may sleep, lock not held.

        Args:
            dev: the device.
            importer_ops: a dynamic importer's operations; None for a static one.
            importer_priv: the importer's own.

        Raises:
            OSError: what the exporter answers, EBUSY if the storage is where the device cannot
                reach it and cannot move; ENOMEM.
        """
        symbol = "dma_buf_dynamic_attach" if importer_ops is not None else "dma_buf_attach"
        check_call(symbol, self.resv, self.label)
        self.check_use("attaches to")
        allocate_or_fail("an attachment", self.rt)
        attachment = Attachment(self, dev, importer_ops, importer_priv)
        if self.ops.attach is not None:
            self.call("attach", self, attachment)
        with self.resv:
            self.attachments[attachment] = None
        return attachment

    @kernel("dma_buf_invalidate_mappings", "dma_buf_move_notify", context="process")
    def invalidate_mappings(self) -> None:
        """Tell dynamic importers that their mappings are void. Context: process, lock held.

        The one that attached last is told first.
        """
        check_call("dma_buf_invalidate_mappings", self.resv, self.label)
        for attachment in reversed(tuple(self.attachments)):
            if attachment.is_movable:
                assert attachment.importer_ops is not None
                attachment.importer_ops.invalidate_mappings(attachment)

    # -- the CPU ---------------------------------------------------------------------------------

    @kernel("dma_buf_begin_cpu_access", context="process")
    def begin_cpu_access(self, direction: Direction) -> None:
        """Before the CPU uses the bytes: exporter first, then the fences in its way.

        Context: process, may sleep, lock not held.

        Args:
            direction: FROM_DEVICE to read, TO_DEVICE or BIDIRECTIONAL to write.

        Raises:
            OSError: what the exporter answers.
            Interrupted: a signal came; the access has not begun, so try again.
        """
        check_call("dma_buf_begin_cpu_access", self.resv, self.label)
        might_lock(self.resv.ww)
        self.check_use("begins CPU access to")
        if self.ops.begin_cpu_access is not None:
            self.call("begin_cpu_access", self, direction)
        self.resv.wait(usage_rw(write=direction.is_cpu_write))
        self.accesses.open(direction)

    @kernel("dma_buf_end_cpu_access", context="process")
    def end_cpu_access(self, direction: Direction) -> None:
        """After the CPU used the bytes; waits for no fence. Context: process, lock not held.

        Raises:
            OSError: what the exporter answers.
        """
        check_call("dma_buf_end_cpu_access", self.resv, self.label)
        might_lock(self.resv.ww)
        self.check_use("ends CPU access to")
        if self.ops.end_cpu_access is not None:
            self.call("end_cpu_access", self, direction)
        self.accesses.close(direction)

    @no_kernel("DMA_BUF_IOCTL_SYNC, START and END")
    def cpu_access(self, access: Access) -> AbstractContextManager[Any]:
        """Inside, the CPU may read or write the bytes. Context: process, may sleep.

        Gives a view of the bytes, read-only for READ, which ends with the block; None if the
        exporter's storage is no `Memory`.
        """
        return bracket(self, access)

    @kernel("dma_buf_mmap", context="process")
    def mmap(self, vma: Vma) -> Any:
        """Map pages for userspace; returns what the exporter answers. Context: process.

        Raises:
            OSError: EINVAL, the exporter cannot or the pages are beyond the end; EOVERFLOW, the
                numbers wrap around.
        """
        check_call("dma_buf_mmap", self.resv, self.label)
        self.check_use("maps")
        if self.ops.mmap is None:
            raise OSError(errno.EINVAL, f"{self.exp_name} has no mmap")
        end = vma.pgoff + vma.pages
        if end >= _ULONG:
            raise OSError(errno.EOVERFLOW, f"page {vma.pgoff} and {vma.pages} more wrap around")
        if end > self.size >> PAGE_SHIFT or vma.pgoff < 0 or vma.pages < 0:
            raise OSError(errno.EINVAL, f"there is no page {end - 1} of {self.label}")
        return self.call("mmap", self, vma)

    @kernel("dma_buf_vmap", context="process")
    def vmap(self) -> Any:
        """Map it for the kernel's own use; nests. Context: process, may sleep, lock held.

        Raises:
            OSError: EINVAL, the exporter cannot; what else it answers, which warns as well.
        """
        check_call("dma_buf_vmap", self.resv, self.label)
        self.check_use("vmaps")
        if self.ops.vmap is None:
            raise OSError(errno.EINVAL, f"{self.exp_name} has no vmap")
        if not self.vmap_count:
            try:
                self.vmap_mapping = self.call("vmap", self)
            except OSError as error:
                warn_on(self.rt, f"{self.exp_name} fails to vmap {self.label}: {error}")
                raise
        self.vmap_count += 1
        return self.vmap_mapping

    @kernel("dma_buf_vunmap", context="process")
    def vunmap(self, mapping: Any) -> None:
        """Undo a `vmap`; the last one undoes the mapping. Context: process, lock held.

        Raises:
            ContractViolation: DF004, it is not mapped, or not so.
        """
        check_call("dma_buf_vunmap", self.resv, self.label)
        self.check_use("vunmaps")
        if not self.vmap_count or mapping is not self.vmap_mapping:
            rt = self.rt
            rt.report("DF004", f"{rt.current().name} vunmaps {self.label}, which is not so mapped")
        self.vmap_count -= 1
        if not self.vmap_count:
            self.vmap_mapping = None
            if self.ops.vunmap is not None:
                self.call("vunmap", self, mapping)

    @kernel("dma_buf_vmap_unlocked", context="process")
    def vmap_unlocked(self) -> Any:
        """As `vmap`, taking the lock itself. Context: process, may sleep, lock not held."""
        check_call("dma_buf_vmap_unlocked", self.resv, self.label)
        with self.resv:
            return self.vmap()

    @kernel("dma_buf_vunmap_unlocked", context="process")
    def vunmap_unlocked(self, mapping: Any) -> None:
        """As `vunmap`, taking the lock itself. Context: process, may sleep, lock not held."""
        check_call("dma_buf_vunmap_unlocked", self.resv, self.label)
        with self.resv:
            self.vunmap(mapping)

    # -- fences ----------------------------------------------------------------------------------

    @no_kernel("dma_buf_export_sync_file, a static function there")
    def export_sync_file(self, access: Access) -> SyncFile:
        """What an access has to wait for now, as a sync file. Context: process.

        Args:
            access: READ for the pending writes, WRITE for all implicit fences.

        Raises:
            OSError: EINVAL, no such access; ENOMEM.
        """
        return export_sync_file(self, access)

    @no_kernel("dma_buf_import_sync_file, a static function there")
    def import_sync_file(self, sync_file: SyncFile, access: Access) -> None:
        """Let others wait for an access that is done when `sync_file` signals. Context: process.

        Args:
            sync_file: what is inside is added fence by fence.
            access: WRITE (or both) for a write, READ for a read.

        Raises:
            OSError: EINVAL, no such access or no sync file; ENOMEM.
        """
        import_sync_file(self, sync_file, access)

    @no_kernel("dma_buf_poll, a static function there")
    def poll(self, events: Events, wake: Wake | None = None) -> Events:
        """Which of `events` are there? See `ImplicitPoll.poll`. Context: process, lock not held."""
        self.check_use("polls")
        return poll_of(self).poll(events, wake)

    # -- the exporter ----------------------------------------------------------------------------

    @no_kernel("a call through struct dma_buf_ops")
    def call(self, member: str, *args: Any) -> Any:
        """Call an exporter's hook and check that it keeps to the locking convention."""
        answer = getattr(self.ops, member)(*args)
        check_callback(member, self.resv, self.label)
        return answer

    def __repr__(self) -> str:
        attached = ", ".join(one.dev.name for one in self.attachments)
        return f"<DmaBuf {self.label} of {escaped(self.exp_name)}, {self.size} bytes [{attached}]>"
