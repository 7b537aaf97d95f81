"""Which names a program says something else about than the last one did.

In the words of `program.asked`: a name, `struct.field` and `*.field` of tables, `@function` for
where one stands.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dmabuf.audit.front.outline import Outline
from dmabuf.audit.front.signs import VARIABLES, variables_name
from dmabuf.audit.program.asked import any_field, of_owner
from dmabuf.audit.program.links import Held, Links, Subject
from dmabuf.audit.program.routine import Ref, owner_of
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
        for what in _otherwise(old.registered, new.registered, 1):
            found.add(_standing(what))
        for subject in _otherwise(old.registered, new.registered, 2):
            if subject is not None:
                found.update(_of_subject(subject))
        for subject in _otherwise(old.queues, new.queues, 0):
            found.update(_of_subject(subject))
        for field in _otherwise(old.holders, new.holders, 0):
            found.add(any_field(field))
    return found


def of_handed(old: tuple[Held, ...], new: tuple[Held, ...]) -> set[str]:
    """The names that two lists of what was handed on tell otherwise."""
    found: set[str] = set()
    _of_held(old, new, found)
    return found


def _of_held(old: tuple[Held, ...], new: tuple[Held, ...], found: set[str]) -> None:
    for subject in _otherwise(old, new, 0):
        found.update(_of_subject(subject))
    for what in _otherwise(old, new, 1):
        found.add(_standing(what))


def _standing(what: Ref) -> str:
    return f"@{what[2]}"


def _of_subject(subject: Subject) -> tuple[str, str]:
    """A field, by who knows the struct and by who does not."""
    return field_name(subject), any_field(subject[1])


def _otherwise(old: tuple[Any, ...], new: tuple[Any, ...], at: int) -> set[Any]:
    """The keys, which are in each item at `at`, whose items are not the same in the same order."""
    if old == new:
        return set()
    before, after = _by(old, at), _by(new, at)
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def _by(items: tuple[Any, ...], at: int) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = defaultdict(list)
    for one in items:
        found[one[at]].append(one)
    return found
