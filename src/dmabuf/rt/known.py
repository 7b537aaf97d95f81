"""A step of an execution before, which is to be made again.

>>> Known(256).chosen
256
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmabuf.rt.op import Op

__all__ = ["Known"]


class Known:
    """What a strategy remembers of a step, as far as the runtime has to know it.

    Attributes:
        chosen: the transition.
        op: its operation, if it was made by its action; else None.
        number: of its object.
        footprint: what it touched.
    """

    __slots__ = ("chosen", "footprint", "number", "op")

    def __init__(self, chosen: int) -> None:
        self.chosen = chosen
        self.op: Op | None = None
        self.number = -1
        self.footprint: tuple[int, ...] = ()
