"""Bodies of functions, decoded: those looked at last are kept.

Who walks through a function asks for what its callees want, set and test, one question after the
other; each would decode the body anew.
"""

from __future__ import annotations

from dmabuf.audit.front.code import Code
from dmabuf.audit.program.asked import Asked
from dmabuf.audit.program.routine import Routine

__all__ = ["Bodies"]

_KEPT = 1024


class Bodies:
    """Remembers some bodies; who asks for one is taken down."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._known: dict[Routine, Code] = {}

    def of(self, routine: Routine) -> Code:
        """The instructions of a function."""
        found = self._known.get(routine)
        if found is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            found = self._known[routine] = routine.function.code
        else:
            self._asked.now.add(routine.name)
        return found
