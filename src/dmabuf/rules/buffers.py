"""Buffers: who holds the lock in which call: DF207."""

from __future__ import annotations

from dmabuf.core.dma_buf import DmaBuf
from dmabuf.core.dma_buf_attach import Attachment
from dmabuf.core.dma_map import Device, Direction, SgTable
from dmabuf.drivers.carveout import Carveout
from dmabuf.machine import Machine, design
from dmabuf.rules.frame import Check, Rule, Source
from dmabuf.sync.ww_acquire import ww_acquire

__all__ = ["PAGES"]

# -- DF207 -------------------------------------------------------------------------------------


@design
def maps_without_the_lock(machine: Machine) -> None:
    """The importer maps as it did before the convention was written down."""
    buf, gpu = Carveout("frame").buf, Device("gpu")

    def submit() -> None:
        attachment = buf.attach(gpu)
        table = attachment.map(Direction.TO_DEVICE)
        attachment.unmap(table)

    machine.kthread(submit)


@design
def attaches_under_the_lock(machine: Machine) -> None:
    """The importer takes the lock first of all, and attaching takes it again."""
    buf, gpu = Carveout("frame").buf, Device("gpu")

    def submit() -> None:
        with buf.resv:
            buf.attach(gpu)

    machine.kthread(submit)


@design
def puts_under_the_lock(machine: Machine) -> None:
    """The last reference is put with the lock held, which is gone with the buffer."""
    buf = Carveout("frame").buf

    def close() -> None:
        with buf.resv:
            buf.put()

    machine.kthread(close)


@design
def moves_without_the_lock(machine: Machine) -> None:
    """The exporter tells importers of a move while they may be mapping."""
    buf = Carveout("frame").buf

    machine.kthread(buf.invalidate_mappings, "evict")


@design
def exporter_keeps_the_lock(machine: Machine) -> None:
    """The exporter's attach hook takes the lock, and forgets it."""
    frame = Carveout("frame")

    def attach(buf: DmaBuf, _attachment: Attachment) -> None:
        buf.resv.lock()

    frame.attach = attach

    machine.kthread(lambda: frame.buf.attach(Device("gpu")), "submit")


@design
def exporter_drops_the_lock(machine: Machine) -> None:
    """The exporter's map hook gives the lock away to wait for its own worker."""
    frame = Carveout("frame")
    plainly = frame.map_dma_buf

    def map_dma_buf(attachment: Attachment, direction: Direction) -> SgTable:
        frame.buf.resv.unlock()
        return plainly(attachment, direction)

    frame.map_dma_buf = map_dma_buf  # type: ignore[method-assign]

    machine.kthread(
        lambda: frame.buf.attach(Device("gpu")).map_unlocked(Direction.TO_DEVICE), "submit"
    )


@design
def maps_with_the_lock(machine: Machine) -> None:
    """Attaching and detaching without the lock, mapping and unmapping with it."""
    buf, gpu = Carveout("frame").buf, Device("gpu")

    def submit() -> None:
        attachment = buf.attach(gpu)
        with buf.resv:
            table = attachment.map(Direction.TO_DEVICE)
        with buf.resv:
            attachment.unmap(table)
        attachment.detach()

    machine.kthread(submit)


@design
def lets_the_call_lock(machine: Machine) -> None:
    """The unlocked twins take the lock themselves."""
    buf, gpu = Carveout("frame").buf, Device("gpu")

    def submit() -> None:
        attachment = buf.attach(gpu)
        attachment.unmap_unlocked(attachment.map_unlocked(Direction.TO_DEVICE))
        attachment.detach()

    machine.kthread(submit)


@design
def exporter_locks_to_release(machine: Machine) -> None:
    """The release hook is called without the lock, so it may take it."""
    frame = Carveout("frame")

    def release(buf: DmaBuf) -> None:
        with buf.resv:
            pass

    frame.release = release  # type: ignore[method-assign]

    machine.kthread(frame.buf.put, "close")


@design
def holds_the_lock_of_another(machine: Machine) -> None:
    """The lock that counts is the buffer's own; another one is held for another buffer."""
    frame, cursor = Carveout("frame").buf, Carveout("cursor", base=0x9000_0000).buf

    def submit() -> None:
        attachment = frame.attach(Device("gpu"))
        with ww_acquire() as ctx:
            ctx.lock(cursor.resv)
            ctx.lock(frame.resv)
            attachment.unmap(attachment.map(Direction.TO_DEVICE))

    machine.kthread(submit)


_DF207 = Rule(
    "DF207",
    why="Exporter and importer are two drivers, written by people who never met, and between them "
    "stands one lock. If each decides by itself whether to hold it, some pair of drivers takes it "
    "twice, which hangs on the first use, and some pair not at all, so that a buffer moves while "
    "it is being mapped. Each driver alone looks right. Hence every function and every callback "
    "has its row in one table, which both sides can rely on: mapping, pinning and vmapping work "
    "on storage that must not move meanwhile, so the caller holds the lock; attaching and "
    "detaching, releasing and CPU access may sleep for long or take the lock themselves, so the "
    "caller does not.",
    sources=(
        Source('002, "DMA-BUF locking convention"', "must: there is one convention for all users"),
        Source(
            "drivers/dma-buf/dma-buf.c, the comment on who holds the lock in which call",
            "must: the rows for importers, callbacks and exporters",
        ),
        Source(
            "drivers/dma-buf/dma-buf.c, dma_buf_map_attachment",
            "must: the reservation lock is asserted to be held",
        ),
    ),
    counterexample=maps_without_the_lock,
    variants=(
        attaches_under_the_lock,
        puts_under_the_lock,
        moves_without_the_lock,
        exporter_keeps_the_lock,
        exporter_drops_the_lock,
    ),
    fix=maps_with_the_lock,
    near_misses=(lets_the_call_lock, exporter_locks_to_release, holds_the_lock_of_another),
    allowed="The lock of another buffer does not matter to this rule.",
    checks=(
        Check("run", "dmabuf.core.dma_buf_convention.check_call", "a call, and the lock"),
        Check(
            "run", "dmabuf.core.dma_buf_convention.check_callback", "a hook returns, and the lock"
        ),
        Check(
            "explore", "dmabuf.core.dma_buf_convention.check_call", "the same, in every schedule"
        ),
    ),
)

PAGES = (_DF207,)
