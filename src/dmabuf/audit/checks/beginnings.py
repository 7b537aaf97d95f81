"""Functions that run only while a device or a module comes up.

What they hold over an allocation is weak evidence: before a device is registered nobody waits for
its fences, and nobody else takes the locks that are in its structs.
"""

from __future__ import annotations

import re
from typing import Final

from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.effect import LockClass

__all__ = ["Beginnings"]

_FIELDS: Final = frozenset({"bind", "early_init", "load", "probe", "sw_init"})
"""Callbacks that are called once, before a device is registered."""
_NAME: Final = re.compile(r"(?:^|_)(?:init|probe|bind|load)(?:_module)?$")
_DEPTH: Final = 12


class Beginnings:
    """Answers for the functions of a program; answers are kept."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._known: dict[Routine, bool] = {}

    def owns(self, routine: Routine, lock: LockClass) -> bool:
        """Whether a function holds the lock of a device that only comes up.

        A lock outside of structs is shared with the devices that are there already.
        """
        return lock[0].startswith("struct ") and self.only(routine)

    def only(self, routine: Routine) -> bool:
        """Whether a function is reached from such callbacks and from nowhere else."""
        found = self._known.get(routine)
        if found is None:
            found = self._known[routine] = self._find(routine)
        return found

    def _find(self, routine: Routine) -> bool:
        seen = {routine}
        level = [routine]
        for _ in range(_DEPTH):
            above: list[Routine] = []
            for one in level:
                callers = list(self._program.callers(one))
                if not self._may_begin(one, bool(callers)):
                    return False
                above += [caller for caller in callers if caller not in seen]
                seen.update(callers)
            if not above:
                return True
            level = above
        return False

    def _may_begin(self, routine: Routine, is_called: bool) -> bool:
        """Whether nothing but callers, or a callback of a beginning, leads to a function."""
        if self._program.registrations.get(routine):
            return False
        fields = {field for _, field, _ in self._program.in_tables.get(routine, ())}
        if fields:
            return fields <= _FIELDS
        return is_called or bool(_NAME.search(routine.name))
