"""What an expression is worth where it stands: constants, flags, functions, "not NULL"."""

from __future__ import annotations

from collections.abc import Mapping

from dmabuf.audit.front.code import RETURN, Expr
from dmabuf.audit.program.asked import Memo
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.arrays import count_of, element_of, size_of
from dmabuf.audit.ways.gfp import FLAGS
from dmabuf.audit.ways.values import (
    OBJECT,
    Fields,
    Table,
    Value,
    combine,
    join,
    number,
    opposite,
    truth,
)
from dmabuf.sync.gfp import Gfp

__all__ = ["FOREVER", "INNER", "Evaluator", "fill"]

FOREVER = (1 << 63) - 1
"""MAX_SCHEDULE_TIMEOUT."""

_DEPTH = 24
_FIELDS = 16
_READ = ("name", "field", "deref")
_CONSTANTS: dict[str, Value] = {
    **{name: number(bits) for name, bits in FLAGS.items()},
    "NULL": number(0),
    "false": number(0),
    "true": number(1),
    "MAX_SCHEDULE_TIMEOUT": number(FOREVER),
    "LONG_MAX": number(FOREVER),
}
_ARGUMENT = {
    "likely": 0, "unlikely": 0, "READ_ONCE": 0, "rcu_dereference": 0, "__builtin_expect": 0,
    "current_gfp_context": 0, "mapping_gfp_constraint": 1, "UL": 0, "ULL": 0, "U": 0,
}  # fmt: skip
"""Worth what one of their arguments is."""
_CALLS: dict[str, Value] = {
    "mapping_gfp_mask": number(int(Gfp.HIGHUSER)),
    "gfp_any": None,
}


def fill(expression: Expr, given: Mapping[str, Expr], depth: int = 0) -> Expr:
    """An expression with the parameters of a macro replaced by its arguments."""
    kind = expression[0]
    if kind == "name":
        return given.get(expression[1], expression)
    if kind in ("number", "string", "sizeof", "?", "type") or depth > _DEPTH:
        return expression
    if kind == "call":
        return (
            "call",
            fill(expression[1], given, depth + 1),
            tuple(fill(one, given, depth + 1) for one in expression[2]),
        )
    if kind == "list":
        return (
            "list",
            tuple((path, fill(value, given, depth + 1)) for path, value in expression[1]),
        )
    return tuple([fill(one, given, depth + 1) if type(one) in INNER else one for one in expression])


INNER = (tuple,)
"""What a part of an expression is that is one itself; others are texts and numbers."""


class Evaluator:
    """Knows the constants of a program."""

    def __init__(self, program: Program) -> None:
        self._names = program.names
        # Of a name in a file, and of what a function returns; a macro may name itself.
        self._worth: Memo[tuple[str, str] | Routine, Value] = Memo(program.asked)
        self._filled: dict[tuple[int, tuple[Expr, ...]], Expr] = {}

    def value(self, e: Expr, values: Mapping[str, Value], path: str, depth: int = 0) -> Value:
        """The value of an expression, with those of the variables around it."""
        kind = e[0]
        if kind == "name":
            if e[1] in values:
                return values[e[1]]
            return self._constant(e[1], path)
        if kind == "number":
            return number(e[1])
        if depth > _DEPTH:
            return None
        if kind == "op":
            left = self.value(e[2], values, path, depth + 1)
            right = self.value(e[3], values, path, depth + 1)
            return combine(e[1], left, right)
        if kind == "unary":
            inner = self.value(e[2], values, path, depth + 1)
            return _unary(e[1], inner)
        if kind == "call":
            return self._of_call(e, values, path, depth)
        if kind == "index":
            return values.get(element_of(e[1][1])) if e[1][0] == "name" else None
        if kind == "sizeof":
            return values.get(size_of(e[1]))
        return self._rest(e, values, path, depth)

    def _rest(self, e: Expr, values: Mapping[str, Value], path: str, depth: int) -> Value:
        kind = e[0]
        if kind == "choice":
            known = truth(self.value(e[1], values, path, depth + 1))
            if known is not None:
                return self.value(e[2 if known else 3], values, path, depth + 1)
            yes = self.value(e[2], values, path, depth + 1)
            return join(yes, self.value(e[3], values, path, depth + 1))
        if kind == "cast":
            return self.value(e[2], values, path, depth + 1)
        if kind == "addr":
            return self._address(e[1], values, path, depth)
        if kind == "deref":
            return self.value(e[1], values, path, depth + 1) if e[1][0] in _READ else None
        if kind == "field":
            return self._field(e, values, path, depth)
        if kind == "string":
            return frozenset([OBJECT])
        if kind == "list":
            return self._list(e, values, path, depth)
        return None

    def _address(self, e: Expr, values: Mapping[str, Value], path: str, depth: int) -> Value:
        """A pointer: to a struct of which something is known, to a function, to a table."""
        inner = self.value(e, values, path, depth + 1) if e[0] in _READ else None
        known = [one for one in inner or () if isinstance(one, Fields | Routine)]
        if known:
            return frozenset(known)
        table = self.table(e, values, path)
        return frozenset([OBJECT if table is None else table])

    def table(self, e: Expr, values: Mapping[str, Value], path: str) -> Table | None:
        """The variable outside functions that a name stands for, if it has an initialiser."""
        if e[0] != "name" or e[1] in values:
            return None
        found = self._names.variable(e[1], path)
        if found is None or found[1].value is None or found[1].value[0] != "list":
            return None
        return Table(e[1], found[0])

    def _field(self, e: Expr, values: Mapping[str, Value], path: str, depth: int) -> Value:
        base = self.value(e[1], values, path, depth + 1) if e[1][0] in _READ else None
        found: Value = frozenset()
        for one in base or (OBJECT,):
            if not isinstance(one, Fields):
                return None
            found = join(found, one.get(e[2]))
        return found

    def _list(self, e: Expr, values: Mapping[str, Value], path: str, depth: int) -> Value:
        """A struct set to `{ .no_wait = true }`: fields that are left out are 0."""
        known: list[tuple[str, Value]] = []
        if len(e[1]) > _FIELDS:
            return None
        for where, inner in e[1]:
            if len(where) != 1 or not where[0].startswith("."):
                if inner == ("number", 0) and len(e[1]) == 1:
                    continue
                return None
            known.append((where[0][1:], self.value(inner, values, path, depth + 1)))
        fields = tuple(sorted(known, key=lambda one: one[0]))
        return frozenset([Fields(fields, number(0))])

    def _constant(self, name: str, path: str) -> Value:
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        return self._worth.get((name, path), lambda: self._global(name, path), None)

    def _global(self, name: str, path: str) -> Value:
        macro = self._names.macro(name, path)
        if macro is not None:
            if macro.parameters is None and macro.value is not None:
                return self.value(macro.value, {}, path, 4)
            return None
        routine = self._names.routine(name, path) if name in self._names.routines else None
        return None if routine is None else frozenset([routine])

    def _of_call(self, e: Expr, values: Mapping[str, Value], path: str, depth: int) -> Value:
        if e[1][0] != "name":
            return None
        name, arguments = e[1][1], e[2]
        at = _ARGUMENT.get(name)
        if at is not None and at < len(arguments):
            return self.value(arguments[at], values, path, depth + 1)
        if name in _CALLS:
            return _CALLS[name]
        if name == "ARRAY_SIZE" and arguments and arguments[0][0] == "name":
            return values.get(count_of(arguments[0][1]))
        if name == "gfpflags_allow_blocking" and arguments:
            gfp = self.value(arguments[0], values, path, depth + 1)
            return combine("&", gfp, number(int(Gfp.DIRECT_RECLAIM)))
        macro = self._names.macro(name, path)
        if macro is not None and macro.parameters is not None:
            if macro.value is None:
                return None
            filled = self._filled.get((id(macro), arguments))
            if filled is None:
                given = dict(zip(macro.parameters, arguments, strict=False))
                filled = self._filled[id(macro), arguments] = fill(macro.value, given)
            return self.value(filled, values, path, depth + 4)
        routine = self._names.routine(name, path)
        return None if routine is None else self.returns(routine)

    def returns(self, routine: Routine) -> Value:
        """What a function returns, where that is a constant or one of a few."""
        return self._worth.get(routine, lambda: self._returned(routine), None)

    def _returned(self, routine: Routine) -> Value:
        found: Value = frozenset()
        count = 0
        for instruction in routine.function.code:
            if instruction[0] == RETURN and instruction[2] is not None:
                count += 1
                value = self.value(instruction[2], {}, routine.path, _DEPTH - 6)
                found = join(found, value)
                if found is None or count > 4:
                    return None
        return found if count else None

    def ends(self, e: Expr, values: Mapping[str, Value], path: str, depth: int = 0) -> bool:
        """Whether a wait for so long ends by itself; of a limit in a variable that is believed."""
        known = self.value(e, values, path)
        if known is not None:
            return FOREVER not in known
        kind = e[0]
        if depth > 6 or kind == "name":
            return "MAX_SCHEDULE" not in str(e[1])
        if kind == "op":
            return all(self.ends(one, values, path, depth + 1) for one in e[2:])
        if kind == "choice":
            return all(self.ends(one, values, path, depth + 1) for one in e[2:])
        return kind != "cast" or self.ends(e[2], values, path, depth + 1)


def _unary(sign: str, inner: Value) -> Value:
    if sign == "!":
        return opposite(inner)
    numbers = [one for one in inner or () if isinstance(one, int)]
    if inner is None or len(numbers) != len(inner):
        return None
    if sign == "~":
        return frozenset(~one & 0xFFFFFFFF for one in numbers)
    return frozenset(-one for one in numbers) if sign == "-" else None
