"""An exporter whose hooks write down when they are called and whether the lock is held."""

from __future__ import annotations

from typing import Any

from dmabuf.core.dma_buf import DmaBuf, export
from dmabuf.core.dma_buf_ops import AttachOps, DmaBufOps
from dmabuf.core.dma_map import Segment, SgTable
from dmabuf.core.fence import Fence
from dmabuf.core.resv import Usage

__all__ = ["SIZE", "Exporter", "Importer", "add", "exported", "fails", "nothing", "table_of"]

SIZE = 4 * 4096
BASE = 0x1000_0000


class Exporter(DmaBufOps):
    """The mandatory hooks and those that are given; `calls` has (name, lock held) in order.

    What a given hook answers is the hook's answer; None as a hook takes a mandatory one away.
    """

    def __init__(self, **hooks: Any) -> None:
        self.calls: list[tuple[str, bool]] = []
        plain = {
            "map_dma_buf": lambda attachment, direction: attachment.dev.map(
                [Segment(BASE, attachment.buf.size)], direction
            ),
            "unmap_dma_buf": lambda attachment, table: None,
            "release": lambda buf: None,
        }
        for name, fn in {**plain, **hooks}.items():
            setattr(self, name, fn and self._noted(name, fn))

    def _noted(self, name: str, fn: Any) -> Any:
        def hook(first: Any, *rest: Any) -> Any:
            buf = first if isinstance(first, DmaBuf) else first.buf
            self.calls.append((name, buf.resv.held()))
            return fn(first, *rest)

        return hook

    @property
    def names(self) -> list[str]:
        """The names of the hooks called."""
        return [name for name, _held in self.calls]


class Importer(AttachOps):
    """A dynamic importer that writes down of which attachments it was told."""

    def __init__(self, told: list[Any] | None = None) -> None:
        self.told = told if told is not None else []

    def invalidate_mappings(self, attachment: Any) -> None:
        """Write it down."""
        self.told.append((attachment.dev.name, attachment.buf.resv.held()))


def exported(exporter: Exporter | None = None, **how: Any) -> DmaBuf:
    """A buffer of that exporter, or of a plain one."""
    return export(exporter or Exporter(), SIZE, **{"priv": "priv", "name": "frame", **how})


def nothing(*_arguments: Any) -> None:
    """A hook that does nothing."""


def table_of(attachment: Any) -> SgTable:
    """A table that no mapping gave."""
    return SgTable([Segment(BASE, attachment.buf.size)])


def fails(code: int) -> Any:
    """A hook that fails."""

    def hook(*_arguments: Any) -> None:
        raise OSError(code, "the exporter says no")

    return hook


def add(buf: DmaBuf, fence: Fence, usage: Usage) -> None:
    """Add a fence to a buffer."""
    with buf.resv as resv:
        resv.reserve_fences(1)
        resv.add_fence(fence, usage)
