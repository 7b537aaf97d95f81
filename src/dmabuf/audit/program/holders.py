"""Which constant objects hold a table of operations: `{ .type = GFX, .funcs = &gfx_funcs }`."""

from __future__ import annotations

from collections import defaultdict

from dmabuf.audit.front.code import Expr
from dmabuf.audit.program.names import Names

__all__ = ["Holders", "Initialiser"]

Initialiser = dict[str, Expr]
"""The fields that an object sets, by name."""


class Holders:
    """The objects of a program, by the tables in them."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._found: dict[tuple[str, str], list[tuple[str, Initialiser]]] = defaultdict(list)
        for variables in names.variables.values():
            for path, variable in variables:
                if variable.value is not None and variable.value[0] == "list":
                    self._add(path, variable.value)

    def _add(self, path: str, value: Expr) -> None:
        fields = {where[0][1:]: item for where, item in value[1] if len(where) == 1}
        for name, item in fields.items():
            if item[0] == "addr" and item[1][0] == "name":
                self._found[name, item[1][1]].append((path, fields))

    def of(self, field: str, table: str, path: str) -> list[tuple[str, Initialiser]]:
        """The objects that have a table in a field, with the files that they are in.

        Args:
            field: of the objects.
            table: the variable.
            path: a file that sees it under this name.
        """
        meant = self._names.variable(table, path)
        return [
            one
            for one in self._found.get((field, table), ())
            if self._names.variable(table, one[0]) == meant
        ]
