"""What an audit keeps, in plain values: as a whole, or as what it has other than an earlier one.

>>> base, now = State(contents={"a.c": b"1", "b.c": b"2"}), State(contents={"b.c": b"3"})
>>> base.changed_by(now.apart_from(base)) == now
True
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, TypeVar

from dmabuf.audit.front.across import Expanded
from dmabuf.audit.kept.ahead import Asked
from dmabuf.audit.kept.names import NameSet
from dmabuf.audit.program.links import Held
from dmabuf.audit.ways.keeping import Question

__all__ = ["State"]

Key = TypeVar("Key")
Value = TypeVar("Value")
Plain = tuple[Any, ...]
_MAPPINGS: Final = ("contents", "signs", "links", "typedefs", "answers", "expanded")


@dataclass(slots=True)
class State:
    """What was found out.

    Attributes:
        names: in the order of their numbers; those of another one go on where its end is.
        contents: the name of each file's content.
        signs: what each file says about each name, packed.
        links: what each file adds to the tables, and what was asked for it.
        typedefs, handed, matter: of the whole program.
        answers: by question.
        expanded: facts with what macros of headers define in them.
    """

    names: tuple[str, ...] = ()
    contents: dict[str, bytes] = field(default_factory=dict[str, bytes])
    signs: dict[str, bytes] = field(default_factory=dict[str, bytes])
    links: dict[str, tuple[NameSet, Any]] = field(default_factory=dict[str, tuple[NameSet, Any]])
    typedefs: dict[str, str] = field(default_factory=dict[str, str])
    handed: tuple[Held, ...] = ()
    matter: frozenset[str] = frozenset()
    answers: dict[Question, Asked] = field(default_factory=dict[Question, Asked])
    expanded: Expanded = field(default_factory=Expanded)

    @property
    def plain(self) -> Plain:
        """All of it, for who makes one of it again."""
        return tuple(getattr(self, one.name) for one in fields(self))

    @property
    def weight(self) -> int:
        """About how many bytes it has."""
        return sum(len(names) + len(answer) for names, answer in self.answers.values())

    def apart_from(self, base: State) -> Plain:
        """What this has other than `base`, for `changed_by`."""
        mappings = tuple(_apart(getattr(self, one), getattr(base, one)) for one in _MAPPINGS)
        return self.names[len(base.names) :], self.handed, self.matter ^ base.matter, mappings

    def changed_by(self, apart: Plain) -> State:
        """The state that had this other than the one here."""
        names, handed, matter, mappings = apart
        found = State((*self.names, *names), handed=handed, matter=self.matter ^ matter)
        for name, (gone, changed) in zip(_MAPPINGS, mappings, strict=True):
            merged = {**getattr(self, name), **changed}
            for key in gone:
                merged.pop(key, None)
            setattr(found, name, merged)
        return found


def _apart(
    now: Mapping[Key, Value], base: Mapping[Key, Value]
) -> tuple[tuple[Key, ...], dict[Key, Value]]:
    """What is gone, and what is new or another."""
    changed = {
        key: value
        for key, value in now.items()
        if (before := base.get(key)) is not value and before != value
    }
    return tuple(base.keys() - now.keys()), changed
