"""Objects whose kind was asked: a loop that picks some blocks by their type.

After `if (block->type != GFX) continue;` a call through `block->funcs` reaches the tables of those
constant objects only that may be of this type.
"""

from __future__ import annotations

from typing import TypeAlias

from dmabuf.audit.front.code import Expr
from dmabuf.audit.program.holders import Holders, Initialiser
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.evaluate import Evaluator
from dmabuf.audit.ways.learnt import Learnt
from dmabuf.audit.ways.walk import Walk

__all__ = ["Kinds"]

Found: TypeAlias = tuple[Routine, str, float, tuple[str, str] | tuple[()]]
_ZERO: Expr = ("number", 0)


class Kinds:
    """Answers for a program."""

    def __init__(self, program: Program, evaluator: Evaluator) -> None:
        self._holders = Holders(program.names)
        self._evaluator = evaluator

    def left(self, walk: Walk, callee: Expr, found: list[Found]) -> list[Found]:
        """Whom a call through an object's table may reach, by what was asked of the object."""
        state = walk.state
        if state is None or not state.known or callee[0] != "field" or callee[1][0] != "field":
            return found
        subject, field = callee[1][1], callee[1][2]
        asked = {
            e[2]: learnt for e, learnt in state.known.items() if e[0] == "field" and e[1] == subject
        }
        if not asked:
            return found
        return [one for one in found if self._may_be(one, field, asked)]

    def _may_be(self, found: Found, field: str, asked: dict[str, Learnt]) -> bool:
        routine, table = found[0], found[3]
        if not table:
            return True
        holders = self._holders.of(field, table[1], routine.path)
        return not holders or any(self._fits(path, one, asked) for path, one in holders)

    def _fits(self, path: str, fields: Initialiser, asked: dict[str, Learnt]) -> bool:
        for name, learnt in asked.items():
            value = self._evaluator.value(fields.get(name, _ZERO), {}, path)
            if value is None:
                continue
            if learnt.only is not None and not learnt.only & value:
                return False
            if value <= learnt.never:
                return False
        return True
