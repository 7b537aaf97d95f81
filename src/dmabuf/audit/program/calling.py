"""Who calls which names: one pass over all bodies, for everybody who asks.

Bodies are decoded when they are looked at, so looking at all of them again is dear.
"""

from __future__ import annotations

from collections import defaultdict

from dmabuf.audit.front.code import CALL, DECLARE, Code
from dmabuf.audit.program.routine import Routine

__all__ = ["Calling"]


class Calling:
    """Callers by name of the callee."""

    def __init__(self) -> None:
        self._of: dict[str, list[Routine]] = defaultdict(list)
        self.pointed: set[Routine] = set()

    def add(self, routine: Routine, code: Code) -> None:
        """Take down whom a function calls."""
        names: set[str] = set()
        local = {one.name for one in routine.function.parameters}
        for instruction in code:
            if instruction[0] == DECLARE:
                local.add(instruction[2])
            elif instruction[0] == CALL:
                callee = instruction[2]
                if callee[0] == "name" and callee[1] not in local:
                    names.add(callee[1])
                else:
                    self.pointed.add(routine)
        for name in names:
            self._of[name].append(routine)

    def of(self, name: str) -> list[Routine]:
        """The functions that call a name, in the order of the program."""
        return self._of.get(name, [])

    def names(self) -> list[str]:
        """All names that are called."""
        return list(self._of)
