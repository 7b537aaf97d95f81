"""What a file says about each name, as short sums: two of these tell which names have changed.

Where something stands in its file does not count. Of functions of one name in a file it does which
is which, and how far they are from the first one, as lines in what is kept are told from its begin.
The variables of a type have a name as well, as some ask for all of these. Typedefs are not among
them: who compares two programs compares all of these.
"""

from __future__ import annotations

import hashlib
import marshal
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from dmabuf.audit.front.facts import FileFacts

__all__ = ["VARIABLES", "changed", "signs_of", "variables_name"]

VARIABLES = "~"
"""What the names begin with that stand for the variables of a type."""

_PLAIN = 2
"""A version of marshal that writes equal values as equal bytes."""


def signs_of(
    facts: FileFacts, packed: tuple[tuple[Any, ...], ...], sets: Iterable[str]
) -> dict[str, bytes]:
    """By name the sum of what a file says about it.

    Args:
        facts: of the file.
        packed: its functions, macros, structs and variables as plain tuples that begin with a name
            and a line.
        sets: fields that its functions set; that they do is told as `=field`.
    """
    said: dict[str, list[bytes]] = defaultdict(list)
    functions, *others = packed
    first: dict[str, int] = {}
    for name, line, _end, *rest in functions:
        apart = line - first.setdefault(name, line)
        said[name].append(marshal.dumps((apart, rest), _PLAIN))
    for items in others:
        for name, _line, *rest in items:
            said[name].append(marshal.dumps(rest, _PLAIN))
    for name, returns, parameters in facts.prototypes:
        said[name].append(marshal.dumps((returns, parameters), _PLAIN))
    for variable in facts.variables:
        if variable.value is not None:
            sum_of_it = said[variable.name][-1]
            for kind in {variable.type, variable.type.partition("[")[0].rstrip(" *")}:
                said[variables_name(kind)].append(sum_of_it)
    for name in sets:
        said[f"={name}"].append(b"")
    return {name: _sum(parts) for name, parts in said.items()}


def variables_name(kind: str) -> str:
    """How it is told that the variables of a type were asked for."""
    return VARIABLES + kind


def _sum(parts: list[bytes]) -> bytes:
    return hashlib.blake2b(b"\0".join(parts), digest_size=8).digest()


def changed(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> set[str]:
    """The names of which two contents of a file do not say the same."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
