"""What cannot be seen into, so that two states cannot be told apart.

>>> str(Opaque("a step inside sorted()"))
'a step inside sorted()'
"""

from __future__ import annotations

from types import FrameType

from dmabuf.errors import DmabufError

__all__ = ["Opaque"]


class Opaque(DmabufError):
    """A state holds something whose contents cannot be seen.

    Args:
        what: in words.
        frame: where, if it is known.
    """

    def __init__(self, what: str, frame: FrameType | None = None) -> None:
        where = ""
        if frame is not None:
            code = frame.f_code
            where = f" in {code.co_name} ({code.co_filename}:{frame.f_lineno})"
        super().__init__(what + where)
