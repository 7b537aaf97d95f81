"""Whether a driver's own tables of operations hold something in a field.

Shared code asks `if (dev->driver->gem_create_object)` of the driver that calls it; what all tables
of that driver say alike is known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property

from dmabuf.audit.front.code import SET, Expr
from dmabuf.audit.front.facts import Function
from dmabuf.audit.program.names import Names
from dmabuf.audit.program.routine import owner_of
from dmabuf.audit.program.tables import Tables
from dmabuf.audit.program.types import Types

__all__ = ["OwnTables"]

_PART = ("op", "&")


class OwnTables:
    """Answers for the tables of a program; answers are kept."""

    def __init__(self, names: Names, types: Types, tables: Tables) -> None:
        self._names, self._types, self._tables = names, types, tables
        self._known: dict[tuple[str, str, str], bool | None] = {}

    def holds(self, struct: str, field: str, owner: str) -> bool | None:
        """Whether a field is set in the tables of a driver; None if they differ or do not tell.

        Args:
            struct: as `struct drm_driver`.
            field: of it.
            owner: the driver, as `owner_of` names it.
        """
        key = (struct, field, owner)
        if key not in self._known:
            said: set[bool | None] = {
                self._held(table, field) for _, table in self._lists.get((struct, owner), ())
            }
            if self._is_assigned(struct, field, owner):
                said.add(None)
            self._known[key] = said.pop() if len(said) == 1 else None
        return self._known[key]

    def values(self, struct: str, field: str, owner: str) -> list[tuple[str, Expr]] | None:
        """What the tables of a driver have in a field that is a number, with their files.

        None where a function of the driver sets it to anything but a part of what it was.
        """
        if any(self._sets_more(one, field) for one in self._functions(owner)):
            return None
        found: list[tuple[str, Expr]] = []
        for path, table in self._lists.get((struct, owner), ()):
            given = [value for where, value in table[1] if where == (f".{field}",)]
            found.append((path, given[-1] if given else ("number", 0)))
        return found

    def _functions(self, owner: str) -> Iterator[Function]:
        for routines in self._names.routines.values():
            for one in routines:
                if one.owner == owner:
                    yield one.function

    def _sets_more(self, function: Function, field: str) -> bool:
        if field.encode() not in function.body:
            return False
        return any(
            one[0] == SET and one[2][0] == "field" and one[2][2] == field and one[3][:2] != _PART
            for one in function.code
        )

    @cached_property
    def _lists(self) -> dict[tuple[str, str], list[tuple[str, Expr]]]:
        """The initialisers by struct and driver, with their files."""
        found: dict[tuple[str, str], list[tuple[str, Expr]]] = defaultdict(list)
        for variables in self._names.variables.values():
            for path, variable in variables:
                owner = owner_of(path)
                if owner and variable.value is not None and variable.value[0] == "list":
                    known = found[self._types.plain(variable.type), owner]
                    known.append((path, variable.value))
        return found

    def _is_assigned(self, struct: str, field: str, owner: str) -> bool:
        """Whether a function of the driver sets it as well."""
        return any(
            not one.table and owner_of(one.path) == owner
            for one in self._tables.fields.get((struct, field), ())
        )

    def _held(self, table: Expr, field: str) -> bool | None:
        """What one initialiser says; an item without a name may be a macro for several fields."""
        found = [value for where, value in table[1] if where == (f".{field}",)]
        if found:
            return self._is_set(found[-1])
        return False if all(where for where, _ in table[1]) else None

    def _is_set(self, value: Expr) -> bool | None:
        while value[0] == "cast":
            value = value[2]
        if value[0] == "number":
            return bool(value[1])
        if value[0] == "addr":
            return True
        if value[0] != "name":
            return None
        if value[1] == "NULL":
            return False
        return True if value[1] in self._names.routines else None
