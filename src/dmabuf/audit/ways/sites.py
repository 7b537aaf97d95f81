"""What of a call is the same whenever a walk comes to it.

A function is walked once for each context that it is called in, and the lines of a macro stand in
many functions: what a call says by itself - which names it may change, which macro or function is
meant, what the macro's body is with the arguments in place - is found out once for each place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from dmabuf.audit.front.code import Code, Expr, Instruction
from dmabuf.audit.front.facts import Macro
from dmabuf.audit.program.asked import Asked
from dmabuf.audit.program.names import Names
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.arrays import element_of
from dmabuf.audit.ways.evaluate import INNER, fill
from dmabuf.audit.ways.known import does
from dmabuf.audit.ways.known.acts import Act
from dmabuf.audit.ways.sides import kept_in

__all__ = ["Site", "Sites", "site_of"]

_COUNT = ("name", "ARRAY_SIZE")
_NOTHING: frozenset[str] = frozenset()


@dataclass(slots=True)
class Site:
    """One call in the text.

    Attributes:
        instruction: it; kept, as a site is known by it.
        name: of the callee; "" if that is an expression.
        acts: what it does as a known function; None if it is none.
        parts: what is set through the addresses among its arguments, as `kept_in` says.
        elements: the arrays among its arguments, as `element_of` says.
        kept: where its result is stored, as `kept_in` says.
        result: the variable that its result is stored in; "" if there is none.
        value: the call as an expression.
        macro, routine: what the name stands for; known once they are looked for.
        sets: fields and variables that the macro sets; None until somebody asks.
        inner: the body of the macro with the arguments in place; None until somebody asks.
    """

    instruction: Instruction
    name: str
    acts: tuple[Act, ...] | None
    parts: frozenset[str]
    elements: tuple[str, ...]
    kept: frozenset[str]
    result: str
    value: Expr
    looked: bool = False
    macro: Macro | None = None
    routine: Routine | None = None
    sets: frozenset[str] | None = None
    inner: Code | None = None


def site_of(instruction: Instruction, known: dict[int, Site]) -> Site:
    """What a call says by itself.

    Args:
        instruction: of a body that is kept, or of a macro's that was made for a site in it.
        known: those of this function; of another one with the same text names mean others.
    """
    found = known.get(id(instruction))
    if found is None:
        found = known[id(instruction)] = _site(instruction)
    return found


class Sites:
    """What names of calls stand for."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._asked: Asked = names.asked

    def look(self, site: Site, path: str) -> None:
        """Find out what the name of a callee stands for; only one file has this call."""
        self._asked.now.add(site.name)
        if not site.looked:
            site.looked = True
            site.macro = self._names.macro(site.name, path)
            site.routine = self._names.routine(site.name, path)

    def inner(self, site: Site) -> Code:
        """The body of a macro where it stands."""
        if site.inner is None:
            assert site.macro is not None
            given = dict(zip(site.macro.parameters or (), site.instruction[3], strict=False))
            site.inner = tuple(_fill_instruction(one, given) for one in site.macro.code)
        return site.inner

    def sets(self, site: Site, find: Callable[[Macro, tuple[Expr, ...]], frozenset[str]]) -> Any:
        """Fields and variables that a macro sets where it stands."""
        if site.sets is None:
            found = _NOTHING
            if site.macro is not None:
                found = find(site.macro, site.instruction[3])
            site.sets = found
        return site.sets


def _site(instruction: Instruction) -> Site:
    callee, arguments, result = instruction[2], instruction[3], instruction[4]
    name = callee[1] if callee[0] == "name" else ""
    given = [kept_in(one[1]) for one in arguments if one[0] == "addr"]
    elements = [element_of(one[1]) for one in arguments if one[0] == "name"]
    return Site(
        instruction,
        name,
        does(name) if name else None,
        _NOTHING.union(*given),
        () if callee == _COUNT else tuple(dict.fromkeys(elements)),
        _NOTHING if result is None else kept_in(result),
        result[1] if result is not None and result[0] == "name" else "",
        ("call", callee, arguments),
    )


def _fill_instruction(instruction: Instruction, given: dict[str, Expr]) -> Instruction:
    """An instruction of a macro with its arguments in place."""
    return tuple(map(partial(_fill_item, given=given), instruction))


def _fill_item(item: Any, given: dict[str, Expr]) -> Any:
    """An expression, the arguments of a call, or anything else."""
    if type(item) not in INNER or not item:
        return item
    if type(item[0]) is str:
        return fill(item, given)
    return tuple(fill(one, given) for one in item)
