"""What a name means in a file: functions, macros, structs, variables, types.

There is no list of what each file includes with which configuration; so of several definitions the
nearest one counts: the same file, then headers and globals in the nearest folder. Of variants for
several machines that of the one with 64 bits; of a function and its empty stand-in for a kernel
without it, the function.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from dmabuf.audit.front.config import Config
from dmabuf.audit.front.facts import FileFacts, Macro, Struct, Variable
from dmabuf.audit.program.routine import Routine, owner_of

__all__ = ["Names"]

_USUAL = Config({
    "CONFIG_64BIT": "y",
    "CONFIG_X86_32": "n",
    "CONFIG_HAVE_ATOMIC_IOMAP": "n",
    "CONFIG_HIGHMEM": "n",
})  # fmt: skip
"""The machine of a variant that is preferred: 64 bits, no memory that is not mapped.

HAVE_ATOMIC_IOMAP is X86_32 alone."""
_STUB = 60
"""A body of no more bytes than that does nothing: `return 0;` has some thirty."""


def _near(a: str, b: str) -> int:
    """How many folders two paths share from the root."""
    count = 0
    for x, y in zip(a.split("/")[:-1], b.split("/")[:-1], strict=False):
        if x != y:
            break
        count += 1
    return count


class Names:
    """All names of a program."""

    def __init__(self, files: Iterable[FileFacts]) -> None:
        self.paths: list[str] = []
        self.routines: dict[str, list[Routine]] = defaultdict(list)
        self.macros: dict[str, list[tuple[str, Macro]]] = defaultdict(list)
        self.structs: dict[str, list[tuple[str, Struct]]] = defaultdict(list)
        self.variables: dict[str, list[tuple[str, Variable]]] = defaultdict(list)
        self.prototypes: dict[str, tuple[str, tuple[str, ...]]] = {}
        self.typedefs: dict[str, str] = {}
        self._resolved: dict[tuple[str, str], Routine | None] = {}
        self._macro: dict[tuple[str, str], Macro | None] = {}
        self._fields: dict[int, dict[str, str]] = {}
        for facts in files:
            self._add(facts)

    def _add(self, facts: FileFacts) -> None:
        path, owner = facts.path, owner_of(facts.path)
        self.paths.append(path)
        for function in facts.functions:
            self.routines[function.name].append(Routine(path, owner, function))
        for macro in facts.macros:
            self.macros[macro.name].append((path, macro))
        for struct in facts.structs:
            self.structs[struct.name].append((path, struct))
        for variable in facts.variables:
            self.variables[variable.name].append((path, variable))
        for name, returns, parameters in facts.prototypes:
            self.prototypes.setdefault(name, (returns, parameters))
        for name, kind in facts.typedefs:
            self.typedefs.setdefault(name, kind)

    def routine(self, name: str, path: str) -> Routine | None:
        """The function that `name` is in a file."""
        key = (name, path)
        try:
            return self._resolved[key]
        except KeyError:
            found = self._resolved[key] = self._find(name, path)
            return found

    def _find(self, name: str, path: str) -> Routine | None:
        best, best_rank = None, (-1, -1, -1, -1)
        for one in self.routines.get(name, ()):
            if one.path == path:
                rank = (99, _is_usual(one), 0, 0)
            elif one.function.static and not one.path.endswith(".h"):
                continue
            else:
                size = len(one.function.body)
                whole = 0 if _is_stub(size, one) else 1
                rank = (_near(one.path, path), _is_usual(one), whole, size)
                if one.owner and one.owner != owner_of(path):
                    rank = (-1, 0, 0, size)  # a driver's function, called by somebody else
            if rank > best_rank:
                best, best_rank = one, rank
        return best

    def macro(self, name: str, path: str) -> Macro | None:
        """The macro that `name` is in a file: the nearest one, the longest of those."""
        key = (name, path)
        try:
            return self._macro[key]
        except KeyError:
            pass
        best, best_rank = None, (-1, -1)
        for where, macro in self.macros.get(name, ()):
            rank = (99 if where == path else _near(where, path), len(macro.code))
            if where.endswith(".c") and where != path:
                continue
            if rank > best_rank:
                best, best_rank = macro, rank
        self._macro[key] = best
        return best

    def fields(self, struct: str, path: str = "") -> dict[str, str]:
        """The fields of a struct with their types; nothing if it is not known."""
        candidates = self.structs.get(struct)
        if not candidates:
            return {}
        _, found = max(candidates, key=lambda one: (_near(one[0], path), len(one[1].fields)))
        cached = self._fields.get(id(found))
        if cached is None:
            cached = self._fields[id(found)] = {field.name: field.type for field in found.fields}
        return cached

    def variable(self, name: str, path: str) -> tuple[str, Variable] | None:
        """A variable outside functions, and the file that it is in."""
        candidates = [
            one
            for one in self.variables.get(name, ())
            if one[0] == path or not one[1].static or one[0].endswith(".h")
        ]
        if not candidates:
            return None
        return max(
            candidates,
            key=lambda one: (one[0] == path, one[1].value is not None, _near(one[0], path)),
        )


def _is_stub(size: int, one: Routine) -> bool:
    return size <= _STUB and one.path.endswith(".h")


def _is_usual(one: Routine) -> int:
    """0 if the function is only built for machines that are rare, else 1."""
    for text in one.function.conditions:
        if any(name in text for name in _USUAL.values):
            built = _USUAL.decide("#" + text.removeprefix("!"))
            if built is not None and built is text.startswith("!"):
                return 0
    return 1
