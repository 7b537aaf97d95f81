"""The number by which statfs tells a dma-buf.

Mirrors: include/uapi/linux/magic.h

    >>> DMA_BUF_MAGIC.to_bytes(4, "big")
    b'DMAB'
"""

from __future__ import annotations

__all__ = ["DMA_BUF_MAGIC"]

DMA_BUF_MAGIC = 0x444D4142
