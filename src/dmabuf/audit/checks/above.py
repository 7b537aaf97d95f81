"""Scopes of allocation that whoever calls a function has opened.

Who looks at what a function does begins at that function. A static one that no table and no
pointer knows only runs inside of its callers, so what they all have open is open there, too.
"""

from __future__ import annotations

from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.known import does
from dmabuf.audit.ways.known.acts import Opens
from dmabuf.audit.ways.ways import Ways

__all__ = ["Above"]

_CALLS = 3
"""A scope that is opened further up than so many calls is not looked for."""
_NONE: frozenset[str] = frozenset()


class Above:
    """What is open wherever a function is called."""

    def __init__(self, program: Program, ways: Ways) -> None:
        self._program, self._ways = program, ways

    def scopes(self, routine: Routine, calls: int = _CALLS) -> frozenset[str]:
        """The scopes that are open at every call of a function; none of who may be called else."""
        if not calls or not self._is_only_called(routine):
            return _NONE
        common: frozenset[str] | None = None
        for caller in self._program.callers(routine):
            for scopes in self._at(caller, routine, calls):
                common = scopes if common is None else common & scopes
            if not common:
                return _NONE
        return common or _NONE

    def _is_only_called(self, routine: Routine) -> bool:
        program = self._program
        is_known_to_others = program.in_tables.get(routine) or program.registrations.get(routine)
        return routine.outline.static and not is_known_to_others

    def _at(self, caller: Routine, routine: Routine, calls: int) -> list[frozenset[str]]:
        """What is open at each call that one caller makes."""
        outer = self.scopes(caller, calls - 1)
        if not outer and not any(map(_opens, caller.outline.calls)):
            return [_NONE]
        context = self._ways.context(caller)._replace(scopes=outer)
        events = self._ways.visit(caller, context).events
        return [one.context.scopes for one in events if one.callee is routine] or [_NONE]


def _opens(name: str) -> bool:
    return any(isinstance(act, Opens) for act in does(name) or ())
