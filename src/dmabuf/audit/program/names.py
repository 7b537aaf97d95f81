"""What a name means in a file: functions, macros, structs, variables, types.

There is no list of what each file includes with which configuration; so of several definitions the
nearest one counts: the same file, then headers and globals in the nearest folder. Of variants for
several machines that of the one with 64 bits; of a function and its empty stand-in for a kernel
without it, the function.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from dmabuf.audit.front.config import Config
from dmabuf.audit.front.facts import Macro, Struct, Variable
from dmabuf.audit.front.outline import FunctionLine
from dmabuf.audit.front.shelf import Shelf
from dmabuf.audit.front.signs import variables_name
from dmabuf.audit.program.asked import Asked, Lookup
from dmabuf.audit.program.routine import Ref, Routine, owner_of

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


_Ref = tuple[str, int]
"""A file, and which of its functions, macros, ... it is."""


class Names:
    """All names of a program.

    Args:
        shelf: its files.
        asked: where names are taken down.

    Attributes:
        outlines: those of the files, by path; what is asked of them is not taken down.
        typedefs: neither: where one changes, everything is asked anew.
    """

    def __init__(self, shelf: Shelf, asked: Asked) -> None:
        self.asked = asked
        self.outlines = shelf.outlines
        self.typedefs: dict[str, str] = {}
        self._shelf = shelf
        self._owners: dict[str, str] = {}
        self._at: dict[_Ref, Routine] = {}
        self._referred: dict[Ref, Routine] = {}
        self._resolved: dict[tuple[str, str], Routine | None] = {}
        self._macro: dict[tuple[str, str], Macro | None] = {}
        self._fields: dict[tuple[str, str], dict[str, str]] = {}
        self._begins: dict[str, dict[str, int]] = {}
        functions = self._functions = defaultdict[str, list[_Ref]](list)
        macros: dict[str, list[_Ref]] = defaultdict(list)
        structs: dict[str, list[_Ref]] = defaultdict(list)
        variables: dict[str, list[_Ref]] = defaultdict(list)
        prototypes: dict[str, _Ref] = {}
        for path, outline in shelf.outlines.items():
            _take(functions, path, (line.name for line in outline.functions))
            _take(macros, path, outline.macros)
            _take(structs, path, outline.structs)
            _take(variables, path, (name for name, *_ in outline.variables))
            for nth, (name, _) in enumerate(outline.prototypes):
                prototypes.setdefault(name, (path, nth))
            for name, kind in outline.typedefs:
                self.typedefs.setdefault(name, kind)
        self.routines: Mapping[str, list[Routine]] = Lookup(functions, self._routines, asked)
        self.macros: Mapping[str, list[tuple[str, Macro]]] = Lookup(
            macros, lambda refs: [(path, shelf[path].macros[nth]) for path, nth in refs], asked
        )
        self.structs: Mapping[str, list[tuple[str, Struct]]] = Lookup(
            structs, lambda refs: [(path, shelf[path].structs[nth]) for path, nth in refs], asked
        )
        self.variables: Mapping[str, list[tuple[str, Variable]]] = Lookup(
            variables,
            lambda refs: [(path, shelf[path].variables[nth]) for path, nth in refs],
            asked,
        )
        self.prototypes: Mapping[str, tuple[str, tuple[str, ...]]] = Lookup(
            prototypes, lambda ref: shelf[ref[0]].prototypes[ref[1]][1:], asked
        )

    def _routines(self, refs: Iterable[_Ref]) -> list[Routine]:
        return [self.at(path, nth) for path, nth in refs]

    def of(self, ref: Ref) -> Routine:
        """The function that is referred to."""
        found = self._referred.get(ref)
        if found is None:
            path, which, name = ref
            places = [nth for where, nth in self._functions[name] if where == path]
            found = self._referred[ref] = self.at(path, places[which])
        return found

    def at(self, path: str, nth: int) -> Routine:
        """The function that is the nth one of a file."""
        found = self._at.get((path, nth))
        if found is None:
            owner = self._owners.get(path)
            if owner is None:
                owner = self._owners[path] = owner_of(path)
            line = self._shelf.outlines[path].functions[nth]
            same = self._functions[line.name]
            which = sum(where == path and other < nth for where, other in same[:-1])
            found = Routine(path, owner, nth, which, line, self.asked, self._shelf.__getitem__)
            self._at[path, nth] = found
        return found

    def begin(self, path: str, name: str) -> int:
        """The line of the first function of a name in a file, 0 without one; not taken down.

        It is what lines are told from in what is kept (`front.signs`).
        """
        found = self._begins.get(path)
        if found is None:
            found = self._begins[path] = {}
            outline = self.outlines.get(path)
            for line in outline.functions if outline is not None else ():
                found.setdefault(line.name, line.line)
        return found.get(name, 0)

    def variable_at(self, path: str, nth: int) -> Variable:
        """The variable that is the nth one of a file."""
        found = self._shelf[path].variables[nth]
        self.asked.now.add(found.name)
        return found

    def variables_of(self, kind: str) -> list[tuple[str, Variable]]:
        """The variables of a type that have a value, with their files, sorted by name and file."""
        self.asked.now.add(variables_name(kind))
        return self.all_variables_of(kind)

    def all_variables_of(self, kind: str) -> list[tuple[str, Variable]]:
        """The same; what of them was asked takes down who calls this."""
        found = [
            (name, path, nth)
            for path, outline in self._shelf.outlines.items()
            for nth, (name, _static, its, has_value) in enumerate(outline.variables)
            if its == kind and has_value
        ]
        return [(path, self._shelf[path].variables[nth]) for _name, path, nth in sorted(found)]

    def routine(self, name: str, path: str) -> Routine | None:
        """The function that `name` is in a file."""
        self.asked.now.add(name)
        key = (name, path)
        try:
            return self._resolved[key]
        except KeyError:
            found = self._resolved[key] = self._find(name, path)
            return found

    def _find(self, name: str, path: str) -> Routine | None:
        best, best_rank = None, (-1, -1, -1, -1)
        for one in self.routines.get(name, ()):
            outline = one.outline
            if one.path == path:
                rank = (99, _is_usual(outline), 0, 0)
            elif outline.static and not one.path.endswith(".h"):
                continue
            else:
                size = outline.size
                whole = 0 if _is_stub(size, one) else 1
                rank = (_near(one.path, path), _is_usual(outline), whole, size)
                if one.owner and one.owner != owner_of(path):
                    rank = (-1, 0, 0, size)  # a driver's function, called by somebody else
            if rank > best_rank:
                best, best_rank = one, rank
        return best

    def macro(self, name: str, path: str) -> Macro | None:
        """The macro that `name` is in a file: the nearest one, the longest of those."""
        self.asked.now.add(name)
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
        self.asked.now.add(struct)
        key = (struct, path)
        cached = self._fields.get(key)
        if cached is None:
            candidates = self.structs.get(struct)
            if not candidates:
                return self._fields.setdefault(key, {})
            _, found = max(candidates, key=lambda one: (_near(one[0], path), len(one[1].fields)))
            cached = self._fields[key] = {field.name: field.type for field in found.fields}
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


def _take(known: dict[str, list[_Ref]], path: str, names: Iterable[str]) -> None:
    """Take down where each is, by its name."""
    for nth, name in enumerate(names):
        known[name].append((path, nth))


def _is_stub(size: int, one: Routine) -> bool:
    return size <= _STUB and one.path.endswith(".h")


def _is_usual(one: FunctionLine) -> int:
    """0 if the function is only built for machines that are rare, else 1."""
    for text in one.conditions:
        if any(name in text for name in _USUAL.values):
            built = _USUAL.decide("#" + text.removeprefix("!"))
            if built is not None and built is text.startswith("!"):
                return 0
    return 1
