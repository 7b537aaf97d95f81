"""Which names a program says something else about than the last one did.

In the words of `program.asked`: a name, `struct.field` and `*.field` of tables, `@function` for
where one stands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dmabuf.audit.front.outline import Outline
from dmabuf.audit.front.signs import VARIABLES, variables_name
from dmabuf.audit.program.asked import any_field, of_owner
from dmabuf.audit.program.links import Held, Links, Subject
from dmabuf.audit.program.routine import owner_of
from dmabuf.audit.program.tables import field_name

__all__ = ["of_handed", "of_links", "of_variables", "sum_of_contents", "typedefs_of"]


def of_variables(names: set[str], path: str, plain: Callable[[str], str]) -> set[str]:
    """What a driver's variables of a struct are asked by, if a file tells some of them otherwise.

    Args:
        names: that the file tells otherwise.
        path: its path.
        plain: the struct that a type is about.
    """
    owner = owner_of(path)
    kinds = (name.removeprefix(VARIABLES) for name in names if name.startswith(VARIABLES))
    return {of_owner(variables_name(plain(kind)), owner) for kind in kinds}


def sum_of_contents(contents: Mapping[str, bytes]) -> bytes:
    """A sum of the names of the contents of all files, by path."""
    sums = hashlib.blake2b(digest_size=16)
    for path, content in sorted(contents.items()):
        sums.update(path.encode("utf-8", "surrogateescape") + b"\0" + content)
    return sums.digest()


def typedefs_of(outlines: Iterable[Outline]) -> dict[str, str]:
    """All typedefs, as a program takes them: of several of one name the first."""
    found: dict[str, str] = {}
    for outline in outlines:
        for name, kind in outline.typedefs:
            found.setdefault(name, kind)
    return found


def of_links(before: Mapping[str, Links], after: Mapping[str, Links]) -> set[str]:
    """The names that files' links tell otherwise; a file may be on one side only.

    Setters are not among them: what they are given is, see `of_handed`.
    """
    found: set[str] = set()
    for path in before.keys() | after.keys():
        old, new = before.get(path, Links()), after.get(path, Links())
        if old == new:
            continue
        _of_held(old.tables, new.tables, found)
        _of_held(old.stored, new.stored, found)
        for _kind, what, subject, _where, _line in _apart(old.registered, new.registered):
            found.add(f"@{what[2]}")
            if subject is not None:
                found.update(_of_subject(subject))
        for subject, _flags, _where, _line in _apart(old.queues, new.queues):
            found.update(_of_subject(subject))
        for field, _table, _path, _nth in _apart(old.holders, new.holders):
            found.add(any_field(field))
    return found


def of_handed(old: tuple[Held, ...], new: tuple[Held, ...]) -> set[str]:
    """The names that two lists of what was handed on tell otherwise."""
    found: set[str] = set()
    _of_held(old, new, found)
    return found


def _of_held(old: tuple[Held, ...], new: tuple[Held, ...], found: set[str]) -> None:
    for subject, what, _table, _path in _apart(old, new):
        found.update((*_of_subject(subject), f"@{what[2]}"))


def _of_subject(subject: Subject) -> tuple[str, str]:
    """A field, by who knows the struct and by who does not."""
    return field_name(subject), any_field(subject[1])


def _apart(old: tuple[Any, ...], new: tuple[Any, ...]) -> set[Any]:
    """What is in one of two lists; if only their order is another one, all of it."""
    if old == new:
        return set()
    return set(old) ^ set(new) or set(old)
