"""DF001 among readers: who blocks whom decides."""

from __future__ import annotations

from dmabuf.sync.lockdep import might_lock_read
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.rwlock import RwLock
from dmabuf.sync.rwsem import RwSem
from dmabuf.sync.spinlock import SpinLock
from tests.contract.case import handle, in_turn
from tests.support import Ground


def readers_both_ways_with_writers(rt: Ground) -> None:
    a, b = RwSem("A"), RwSem("B")

    def forward() -> None:
        with a.read(), b.read():
            pass

    def backward() -> None:
        with b.read(), a.read():  # expect: DF001
            pass

    in_turn(rt, forward, backward)


def reader_inside_itself(_rt: Ground) -> None:
    a = RwSem("A")
    with a.read():
        might_lock_read(a)  # expect: DF001


def writer_and_reader(rt: Ground) -> None:
    a, b = Mutex("A"), RwSem("B")

    def forward() -> None:
        with a, b.write():
            pass

    def backward() -> None:
        with b.read(), a:  # expect: DF001
            pass

    in_turn(rt, forward, backward)


def downgraded(_rt: Ground) -> None:
    a, b = RwSem("A"), Mutex("B")
    with a.write():
        a.downgrade_write()
        with b:
            pass


def spinning_readers_both_ways(rt: Ground) -> None:
    a, b = RwLock("A"), SpinLock("B")

    def forward() -> None:
        with a.read(), b:
            pass

    def backward() -> None:
        with b, a.read():  # expect: DF001
            pass

    in_turn(rt, forward, backward)


def handler_reads_what_is_read(rt: Ground) -> None:
    table = RwLock("table")

    def handler() -> None:
        with table.read():
            pass

    def task() -> None:
        with table.read():
            pass

    in_turn(rt, task)
    handle(rt, handler)


def handler_reads_what_is_written(rt: Ground) -> None:
    table = RwLock("table")

    def handler() -> None:
        with table.read():
            pass

    def task() -> None:
        with table.write():  # expect: DF003
            pass

    in_turn(rt, task)
    handle(rt, handler)


def handler_reads_what_is_written_with_irqs_off(rt: Ground) -> None:
    table = RwLock("table")

    def handler() -> None:
        with table.read():
            pass

    def task() -> None:
        with table.write_irqsave():
            pass

    in_turn(rt, task)
    handle(rt, handler)
