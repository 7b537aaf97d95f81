"""What a caller has asked of what it hands on: `if (dev->lost) return; reset(dev);`.

A callee that asks the same need not be walked for both answers. Only what it asks itself, or
hands on to who asks, is handed to it: each thing more is a context of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from dmabuf.audit.front.code import CALL, IF, Expr
from dmabuf.audit.program.asked import Memo
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.evaluate import fill
from dmabuf.audit.ways.event import Given
from dmabuf.audit.ways.learnt import Learnt, made_of
from dmabuf.audit.ways.matters import Matter

__all__ = ["Handed"]

Question = tuple[Expr, frozenset[str]]
"""What is asked, and the parameters that it is made of."""
_MOST: Final = 8
_PARTS: Final = 8
_PASSES: Final = (("name", "likely"), ("name", "unlikely"))
_HANDED: Final = ("name", "field", "addr")


@dataclass(slots=True)
class _Own:
    """What one function asks, and whom it calls with what."""

    names: frozenset[str]
    local: Mapping[str, str]
    questions: list[Expr] = field(default_factory=list)
    calls: list[tuple[Routine, tuple[Expr, ...]]] = field(default_factory=list)


class Handed:
    """Answers for the functions of a program."""

    def __init__(self, program: Program, matter: Matter) -> None:
        self._program = program
        self._matter = matter
        self._asked: Memo[Routine, tuple[Question, ...]] = Memo(program.asked)
        self._found: Memo[Routine, _Own | None] = Memo(program.asked)

    def to(
        self, routine: Routine, arguments: tuple[Expr, ...], known: Mapping[Expr, Learnt]
    ) -> tuple[Given, ...]:
        """What is known, in the words of a callee.

        Args:
            routine: the callee.
            arguments: of the call.
            known: what is known there.
        """
        asked = self.asked(routine)
        if not asked:
            return ()
        words = {
            one.name: argument
            for one, argument in zip(routine.function.parameters, arguments, strict=False)
        }
        found: list[Given] = []
        for expression, about in asked:
            if not about <= words.keys():
                continue
            learnt = known.get(fill(expression, words))
            if learnt is not None:
                found.append((expression, learnt.only, learnt.never))
        return tuple(found)

    def asked(self, routine: Routine) -> tuple[Question, ...]:
        """What a function asks of its parameters, itself or by whom it calls with them."""
        return self._asked.get(routine, lambda: self._asked_by(routine), ())

    def _asked_by(self, routine: Routine) -> tuple[Question, ...]:
        own = self._own(routine)
        wanted = dict.fromkeys(own.questions)
        for target, arguments in own.calls:
            names = (one.name for one in target.function.parameters)
            words = dict(zip(names, arguments, strict=False))
            for expression in self._own(target).questions:
                mine = fill(expression, words)
                if _is_about(mine, own.names, own.local):
                    wanted[mine] = None
        return tuple(
            (one, own.names & (made_of(one) or frozenset())) for one in tuple(wanted)[:_MOST]
        )

    def _own(self, routine: Routine) -> _Own:
        """What it asks itself, and whom it calls."""
        found = self._found.get(routine, lambda: self._look(routine), None)
        assert found is not None, "nobody asks for another function's while it looks"
        return found

    def _look(self, routine: Routine) -> _Own:
        names = frozenset(one.name for one in routine.function.parameters if one.name)
        own = _Own(names, self._program.tables.local(routine))
        for instruction in routine.function.code if names else ():
            if instruction[0] == IF:
                own.questions += [
                    one for one in _atoms(instruction[2]) if _is_about(one, names, own.local)
                ]
            elif instruction[0] == CALL and instruction[2][0] == "name":
                name = instruction[2][1]
                if name in self._matter and any(one[0] in _HANDED for one in instruction[3]):
                    target = self._program.names.routine(name, routine.path)
                    if target is not None:
                        own.calls.append((target, instruction[3]))
        return own


def _atoms(condition: Expr) -> Iterator[Expr]:
    """The questions in a condition; of a comparison what is compared."""
    todo = [condition]
    while todo:
        e = todo.pop()
        if e[0] == "op" and e[1] in ("&&", "||"):
            todo += e[2:4]
        elif e[0] == "unary" and e[1] == "!":
            todo.append(e[2])
        elif e[0] == "call" and e[1] in _PASSES and e[2]:
            todo.append(e[2][0])
        elif e[0] == "op" and e[1] in ("==", "!="):
            yield e[2]
        elif e[0] != "name":
            yield e


def _is_about(expression: Expr, names: frozenset[str], local: Mapping[str, str]) -> bool:
    """Whether it is made of parameters, and of nothing else of the function's own."""
    if expression[0] == "name":
        return False
    parts = made_of(expression)
    if not parts or len(parts) > _PARTS or names.isdisjoint(parts):
        return False
    return all(part in names or part not in local for part in parts)
