"""CPU access as a with-block: begin, a view of the bytes, end.

Mirrors: include/uapi/linux/dma-buf.h (DMA_BUF_IOCTL_SYNC)

    with buf.cpu_access(Access.WRITE) as view:
        view[:4] = b"RGBA"

The kernel does not check that START and END are paired; what is not is a finding of
`core.access` here, and so is what is kept of a view after its bracket.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dmabuf._names import no_kernel
from dmabuf.core.dma_buf_memory import backing_of
from dmabuf.core.dma_map import Access
from dmabuf.sync.context import warn_on

if TYPE_CHECKING:
    from dmabuf.core.dma_buf import DmaBuf

__all__ = ["bracket", "report_bracket"]

_UNCOVERED = "DF601"


@no_kernel("nothing checks this in the kernel")
def report_bracket(buf: DmaBuf, message: str) -> None:
    """Report a bracket that is not as it should be. Context: any."""
    warn_on(buf.rt, message, code=_UNCOVERED)


@contextmanager
@no_kernel("DMA_BUF_IOCTL_SYNC, START and END")
def bracket(buf: DmaBuf, access: Access) -> Generator[memoryview | None]:
    """What `DmaBuf.cpu_access` does. Context: process, may sleep."""
    direction = Access(access).direction
    buf.begin_cpu_access(direction)
    view: memoryview | None = None
    try:
        backing = backing_of(buf)
        if backing is not None:
            view = backing.memory.view(access)
        yield view
    except BaseException:
        _is_released(view)
        buf.end_cpu_access(direction)
        raise
    is_released = _is_released(view)
    buf.end_cpu_access(direction)
    if not is_released:
        name = buf.rt.current().name
        report_bracket(buf, f"{name} keeps what it made of a view of {buf.label} after its bracket")


def _is_released(view: memoryview | None) -> bool:
    """End the view; is nothing left that was made of it?"""
    if view is not None:
        try:
            view.release()
        except BufferError:
            return False
    return True
