"""Types of expressions, as text: enough of C to know in which struct a field is."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from dmabuf.audit.front.code import Expr
from dmabuf.audit.program.names import Names

__all__ = ["Types", "bare"]

_DEPTH = 40
_CONTAINERS = {"container_of", "container_of_const", "container_of_safe", "list_entry"}
_FIRST = {"list_first_entry", "list_last_entry", "list_first_entry_or_null", "hlist_entry"}
_SECOND = {"rb_entry", "rb_entry_safe", "hlist_entry_safe", "from_timer", "timer_container_of"}
_SAME = {
    "READ_ONCE", "rcu_dereference", "rcu_dereference_protected", "rcu_access_pointer", "min", "max",
    "rcu_dereference_check", "smp_load_acquire", "xchg", "no_free_ptr", "likely", "unlikely",
    "fetch_and_zero", "get_device", "array_index_nospec", "rcu_dereference_raw", "untagged_addr",
}  # fmt: skip


@functools.lru_cache(maxsize=1 << 15)
def bare(text: str) -> str:
    """A type without stars and array bounds: `struct foo * [4]` is about `struct foo`."""
    end = len(text)
    for mark in "*[":
        at = text.find(mark)
        if at >= 0:
            end = min(end, at)
    return text[:end].strip()


class Types:
    """Answers what type an expression has."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def plain(self, text: str) -> str:
        """The struct, union or other type behind typedefs, without stars."""
        name = bare(text)
        for _ in range(8):
            behind = self._names.typedefs.get(name)
            if behind is None or name in self._names.structs or "(" in behind:
                break
            name = bare(behind)
        return name

    def of(
        self, expression: Expr, local: Mapping[str, str], path: str, depth: int = 0
    ) -> str | None:
        """The type, without const and with stars as far as they are known; None if unknown.

        Args:
            expression: what.
            local: types of the parameters and variables of the function.
            path: the file that it stands in.
            depth: how far inside.
        """
        if depth > _DEPTH:
            return None
        kind = expression[0]
        if kind == "name":
            return self._of_name(expression[1], local, path)
        if kind == "field":
            base = self.of(expression[1], local, path, depth + 1)
            if base is None:
                return None
            return self._names.fields(self.plain(base), path).get(expression[2])
        if kind in ("index", "deref", "addr"):
            return self.of(expression[1], local, path, depth + 1)
        if kind == "cast":
            return str(expression[1])
        if kind == "call":
            return self._of_call(expression, local, path, depth)
        if kind == "choice":
            return self.of(expression[2], local, path, depth + 1) or self.of(
                expression[3], local, path, depth + 1
            )
        if kind == "op" and expression[1] in ("+", "-"):
            return self.of(expression[2], local, path, depth + 1)
        return None

    def _of_name(self, name: str, local: Mapping[str, str], path: str) -> str | None:
        found = local.get(name)
        if found is not None:
            return found
        variable = self._names.variable(name, path)
        if variable is not None:
            return variable[1].type
        macro = self._names.macro(name, path)
        if macro is not None and macro.parameters is None and macro.value is not None:
            value = macro.value
            return self.of(value, {}, path, _DEPTH - 3) if value != ("name", name) else None
        return None

    def _of_call(
        self, expression: Expr, local: Mapping[str, str], path: str, depth: int
    ) -> str | None:
        callee, arguments = expression[1], expression[2]
        if callee[0] != "name":
            return None
        name = callee[1]
        if name in _CONTAINERS | _FIRST | _SECOND and len(arguments) >= 2:
            if name == "from_timer" or name == "timer_container_of":
                return self.of(arguments[0], local, path, depth + 1)
            return _type_argument(arguments[1])
        if name in _SAME and arguments:
            return self.of(arguments[0], local, path, depth + 1)
        routine = self._names.routine(name, path)
        if routine is not None and routine.function.returns != "void":
            return routine.function.returns
        macro = self._names.macro(name, path)
        if macro is not None and macro.parameters is not None and macro.value is not None:
            given = dict(zip(macro.parameters, arguments, strict=False))
            return self._of_macro(macro.value, given, local, path, depth + 4)
        prototype = self._names.prototypes.get(name)
        return prototype[0] if prototype is not None else None

    def _of_macro(
        self,
        value: Expr,
        given: Mapping[str, Expr],
        local: Mapping[str, str],
        path: str,
        depth: int,
    ) -> str | None:
        """The type of a macro's value, with its arguments in place: of `container_of` mostly."""
        if value[0] == "call" and value[1][0] == "name":
            replaced = tuple(
                given.get(one[1], one) if one[0] == "name" else one for one in value[2]
            )
            value = ("call", value[1], replaced)
        elif value[0] == "name":
            value = given.get(value[1], value)
        elif value[0] in ("field", "index") and value[1][0] == "name":
            value = (value[0], given.get(value[1][1], value[1]), value[2])
        elif value[0] in ("addr", "deref") and value[1][0] in ("field", "index", "name"):
            return self._of_macro(value[1], given, local, path, depth + 1)
        return self.of(value, local, path, depth)


def _type_argument(argument: Expr) -> str | None:
    """A type given to a macro; a typedef looks like a name."""
    if argument[0] in ("type", "name", "sizeof"):
        return str(argument[1])
    if argument[0] == "?":
        return str(argument[1])
    return None
