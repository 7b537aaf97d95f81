"""Buffers: references, descriptors, storage, bytes and accesses."""

from __future__ import annotations

from typing import Any

from dmabuf import Machine
from dmabuf.core.access import Accesses
from dmabuf.core.dma_buf import export
from dmabuf.core.dma_map import Device, Direction, Segment
from tests.explore import test_dma_buf_differential, test_memory_differential
from tests.explore.alphabet.family import Act, Family, Things, already, both, of_table, op

__all__ = ["FAMILIES"]

_Plain = test_dma_buf_differential._Plain
_OF_BUFFERS = test_dma_buf_differential.OPERATIONS


def _some(*names: str) -> dict[str, Act]:
    return {name: _OF_BUFFERS[name] for name in names}


_REFERENCES: dict[str, Act] = {
    **_some("get", "put", "use", "name", "rename", "count", "look", "attach"),
    "export": lambda w: export(_Plain(), 1, priv=1, exp_name="made").exp_name,
    "revive": op("dma_buf.revive", "buf"),
    "put and revive": both(op("dma_buf.put", "buf"), op("dma_buf.revive", "buf")),
}
_PLACES: dict[str, Act] = {
    **_some("map", "evict", "pin", "revoke", "take", "use place", "drop place", "wait for place"),
    **_some("device", "map and unmap"),
}
_FILES: dict[str, Act] = {
    **_some("fget", "fd", "reserve", "unreserve", "install", "fget second", "close"),
    "fget first": op("fd_table.fget", "files", lambda _w: 0),
}


def _accesses(machine: Machine) -> Things:
    frame = Accesses("frame")
    table = Device("gpu").map([Segment(0, 4096)], Direction.BIDIRECTIONAL)
    frame.mapped(table)
    return Things(machine, frame=frame, table=table)


def _within(how: str, **more: Any) -> Act:
    def act(world: Any) -> Any:
        with getattr(world.frame, how)(**more):
            return how

    return act


def _through(world: Any) -> Any:
    with world.frame.device(write=True, table=world.table):
        return "through"


def _reads_through(world: Any) -> Any:
    with world.frame.device(table=world.table):
        return "through"


_ACCESSES: dict[str, Act] = {
    "cpu reads": _within("cpu"),
    "cpu writes": _within("cpu", write=True),
    "device reads": _within("device"),
    "device writes": _within("device", write=True),
    "device writes on": _within("device", write=True, offset=8, length=8),
    "through": _through,
    "reads through": lambda w: _reads_through(w),
    "moves": _within("move"),
    "open": lambda w: w.frame.open(Direction.BIDIRECTIONAL),
    "open to read": lambda w: w.frame.open(Direction.FROM_DEVICE),
    "close": lambda w: w.frame.close(Direction.BIDIRECTIONAL),
    "map again": op("access.remap", "frame", lambda w: (w.table, 1)),
    "map": lambda w: w.frame.mapped(w.table),
    "unmap": lambda w: w.frame.unmapped(w.table),
    "release": lambda w: w.frame.release(),
}


def _bracketed(machine: Machine) -> Things:
    world = _accesses(machine)
    world.frame.open(Direction.BIDIRECTIONAL)
    return world


def _table(machine: Machine) -> Any:
    return test_dma_buf_differential.Program([])._make_world(machine)


def _memory(machine: Machine) -> Any:
    return test_memory_differential.Program(0)._make_world(machine)


_BYTES = of_table(test_memory_differential.OPERATIONS, (0, 1))

FAMILIES = (
    Family("references of a buffer", _table, _REFERENCES),
    Family("places of a buffer", _table, _PLACES),
    Family("descriptors", _table, _FILES),
    Family("accesses", _accesses, _ACCESSES),
    Family("accesses in a bracket", _bracketed, _ACCESSES),
    Family("bytes", _memory, _BYTES),
    Family("bytes from a device", already(_memory, _BYTES["device write"]), _BYTES),
    Family("bytes from the CPU", already(_memory, _BYTES["write"]), _BYTES),
)
