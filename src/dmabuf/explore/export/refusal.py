"""Why a design has no faithful export.

>>> str(NotExportable("step 1 of A has no words in Promela"))
'step 1 of A has no words in Promela'
"""

from __future__ import annotations

from dmabuf.errors import DmabufError
from dmabuf.report.finding import Place

__all__ = ["NotExportable"]


class NotExportable(DmabufError):
    """A design has no faithful export; the message names the step or object and says why.

    Attributes:
        remedy: what to do about it.
        place: the design's line that makes the step, if it is about one.
        limit: the limit of the search that was reached, if it is only that.
    """

    def __init__(
        self, message: str, *, remedy: str = "", place: Place | None = None, limit: str = ""
    ) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.place = place
        self.limit = limit
