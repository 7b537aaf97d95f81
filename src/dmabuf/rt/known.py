"""A step of an execution before, which is to be made again, and who remembers such steps.

>>> Known(256).chosen
256
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.op import Op
    from dmabuf.rt.strategy import Footprint
    from dmabuf.rt.tasks import Tasks

__all__ = ["Known", "Picker"]


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


class Picker:
    """A strategy that the runtime may ask by calls in C, where both are compiled.

    See `Strategy`, which is all that others have to be.
    """

    def pick(self, runtime: Tasks) -> int:
        """One of `runtime.enabled()`, or -1 to end the execution here."""
        raise NotImplementedError

    def executed(self, transition: int, task: ExploredTask, footprint: Footprint) -> None:
        """The picked transition has been made."""
        raise NotImplementedError
