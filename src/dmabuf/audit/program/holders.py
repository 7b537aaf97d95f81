"""Which constant objects hold a table of operations: `{ .type = GFX, .funcs = &gfx_funcs }`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from dmabuf.audit.front.code import Expr
from dmabuf.audit.program.asked import any_field
from dmabuf.audit.program.links import Links
from dmabuf.audit.program.names import Names

__all__ = ["Holders", "Initialiser"]

Initialiser = dict[str, Expr]
"""The fields that an object sets, by name."""


class Holders:
    """The objects of a program, by the tables in them."""

    def __init__(self, names: Names, links: Iterable[Links]) -> None:
        self._names = names
        self._found: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
        for one in links:
            for field, table, path, nth in one.holders:
                self._found[field, table].append((path, nth))

    def of(self, field: str, table: str, path: str) -> list[tuple[str, Initialiser]]:
        """The objects that have a table in a field, with the files that they are in.

        Args:
            field: of the objects.
            table: the variable.
            path: a file that sees it under this name.
        """
        names = self._names
        names.asked.now.add(any_field(field))
        meant = names.variable(table, path)
        return [
            (where, _fields(names.variable_at(where, nth).value))
            for where, nth in self._found.get((field, table), ())
            if names.variable(table, where) == meant
        ]


def _fields(value: Expr | None) -> Initialiser:
    items = value[1] if value is not None and value[0] == "list" else ()
    return {where[0][1:]: item for where, item in items if len(where) == 1}
