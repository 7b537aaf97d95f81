"""Whether a driver's own tables of operations hold something in a field.

Shared code asks `if (dev->driver->gem_create_object)` of the driver that calls it; what all tables
of that driver say alike is known.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property

from dmabuf.audit.front.code import Expr
from dmabuf.audit.front.signs import variables_name
from dmabuf.audit.program.asked import Memo, of_owner
from dmabuf.audit.program.names import Names
from dmabuf.audit.program.routine import owner_of
from dmabuf.audit.program.tables import Tables
from dmabuf.audit.program.types import Types

__all__ = ["OwnTables"]


class OwnTables:
    """Answers for the tables of a program; answers are kept."""

    def __init__(self, names: Names, types: Types, tables: Tables) -> None:
        self._names, self._types, self._tables = names, types, tables
        self._known: Memo[tuple[str, str, str], bool | None] = Memo(names.asked)
        self._of: dict[str, dict[str, list[tuple[str, Expr]]]] = {}

    def holds(self, struct: str, field: str, owner: str) -> bool | None:
        """Whether a field is set in the tables of a driver; None if they differ or do not tell.

        Args:
            struct: as `struct drm_driver`.
            field: of it.
            owner: the driver, as `owner_of` names it.
        """
        return self._known.get(
            (struct, field, owner), lambda: self._said(struct, field, owner), None
        )

    def _said(self, struct: str, field: str, owner: str) -> bool | None:
        said: set[bool | None] = {
            self._held(table, field) for _, table in self._lists(struct, owner)
        }
        if self._is_assigned(struct, field, owner):
            said.add(None)
        return said.pop() if len(said) == 1 else None

    def _lists(self, struct: str, owner: str) -> list[tuple[str, Expr]]:
        """The initialisers of a struct in a driver, with their files."""
        kinds, names = self._kinds
        self._names.asked.again(names)
        self._names.asked.now.add(of_owner(variables_name(struct), owner))
        known = self._of.get(struct)
        if known is None:
            known = self._of[struct] = defaultdict(list)
            for kind in kinds.get(struct, ()):
                for path, variable in self._names.all_variables_of(kind):
                    value = variable.value
                    if value is not None and value[0] == "list":
                        known[owner_of(path)].append((path, value))
        return known.get(owner, [])

    def values(self, struct: str, field: str, owner: str) -> list[tuple[str, Expr]] | None:
        """What the tables of a driver have in a field that is a number, with their files.

        None where a function of the driver sets it to anything but a part of what it was.
        """
        self._names.asked.now.add(f"={field}")
        if field in self._stores.get(owner, ()):
            return None
        found: list[tuple[str, Expr]] = []
        for path, table in self._lists(struct, owner):
            given = [value for where, value in table[1] if where == (f".{field}",)]
            found.append((path, given[-1] if given else ("number", 0)))
        return found

    @cached_property
    def _stores(self) -> dict[str, set[str]]:
        """The fields that a driver's functions set, by driver."""
        found: dict[str, set[str]] = defaultdict(set)
        for path, outline in self._names.outlines.items():
            found[owner_of(path)].update(outline.sets)
        return found

    @cached_property
    def _kinds(self) -> tuple[dict[str, list[str]], tuple[str, ...]]:
        """The types of variables that are about a struct: itself, arrays, what typedefs name.

        And what had to be asked for that.
        """
        before = self._names.asked.begin()
        kinds = {
            kind for outline in self._names.outlines.values() for _, _, kind, _ in outline.variables
        }
        found: dict[str, list[str]] = defaultdict(list)
        for kind in sorted(kinds):
            found[self._types.plain(kind)].append(kind)
        return found, self._names.asked.end(before)

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
