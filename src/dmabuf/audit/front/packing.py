"""Facts as bytes and back: what crosses the border of a process, and what is kept.

Written by `marshal`, which is quick and knows plain values only; its format belongs to a version of
Python. The outline stands before the facts, so that it can be read alone; bodies of functions stay
bytes in bytes, so reading facts touches no body.
"""

from __future__ import annotations

import marshal
import struct
from itertools import starmap
from typing import Any, Final

from dmabuf.audit.front.facts import FileFacts, Function, Macro, Parameter, Struct, Variable
from dmabuf.audit.front.outline import FunctionLine, MacroLine, Outline, outline_of
from dmabuf.audit.front.signs import signs_of

__all__ = ["DEEPEST", "is_deep", "pack", "signs_in", "unpack", "unpack_outline", "unpack_signs"]

_HEAD: Final = struct.Struct("<II")

# How deep an expression may be, so that who reads it may recurse.
DEEPEST: Final = 200
# So few tokens cannot make it deeper: of a pair of braces come three tuples.
_SHALLOW: Final = DEEPEST // 2


def is_deep(value: object, tokens: int = DEEPEST) -> bool:
    """Whether tuples lie deeper in each other than anybody should recurse.

    Args:
        value: the outermost.
        tokens: that it was made of, where that is known.
    """
    if tokens <= _SHALLOW:
        return False
    level: list[tuple[Any, ...]] = [value] if isinstance(value, tuple) else []
    for _ in range(DEEPEST):
        if not level:
            return False
        level = [one for each in level for one in each if isinstance(one, tuple)]
    return True


def pack(facts: FileFacts, before: Outline | None = None) -> bytes:
    """The bytes of a file's facts, after those of its outline and of its signs.

    Args:
        facts: of the file.
        before: the outline of facts whose functions are the first ones of these.
    """
    content = _content(facts)
    outline = outline_of(facts, before)
    head = _plain(outline)
    signs = marshal.dumps(signs_of(facts, content[2:6], outline.sets))
    return _HEAD.pack(len(head), len(signs)) + head + signs + marshal.dumps(content)


def signs_in(data: bytes | memoryview) -> bytes:
    """The bytes of the signs, for `unpack_signs`."""
    outline, signs = _HEAD.unpack_from(data)
    start = _HEAD.size + outline
    return bytes(data[start : start + signs])


def unpack_signs(data: bytes) -> dict[str, bytes]:
    """The signs alone; raises what `marshal` raises for other bytes."""
    found: dict[str, bytes] = marshal.loads(data)
    return found


def _plain(outline: Outline) -> bytes:
    """Named tuples as the plain ones that marshal knows."""
    plain = outline._replace(
        functions=tuple(map(tuple, outline.functions)),  # type: ignore[arg-type]
        calling=tuple(map(tuple, outline.calling)),  # type: ignore[arg-type]
    )
    return marshal.dumps(tuple(plain))


def unpack_outline(data: bytes | memoryview) -> Outline:
    """The outline alone; raises what `marshal` raises for other bytes."""
    size, _signs = _HEAD.unpack_from(data)
    found = Outline(*marshal.loads(data[_HEAD.size : _HEAD.size + size]))
    return found._replace(
        functions=tuple(starmap(FunctionLine, found.functions)),
        calling=tuple(starmap(MacroLine, found.calling)),
    )


def _content(facts: FileFacts) -> Any:
    return (
        facts.path,
        facts.size,
        tuple(map(_function, facts.functions)),
        tuple(map(tuple, facts.macros)),
        tuple((one.name, one.line, tuple(map(tuple, one.fields))) for one in facts.structs),
        tuple(map(tuple, facts.variables)),
        facts.prototypes,
        facts.typedefs,
        facts.top,
        facts.includes,
        facts.flaws,
        facts.trouble,
        facts.makers,
        facts.wants,
    )


def _function(one: Function) -> tuple[Any, ...]:
    return (
        one.name,
        one.line,
        one.end,
        one.returns,
        tuple(map(tuple, one.parameters)),
        one.body,
        one.static,
        one.conditions,
        one.flaws,
    )


def unpack(data: bytes | memoryview) -> FileFacts:
    """The facts that `pack` wrote; raises what `marshal` raises for other bytes."""
    outline, signs = _HEAD.unpack_from(data)
    path, size, functions, macros, structs, variables, *rest = marshal.loads(
        data[_HEAD.size + outline + signs :]
    )
    return FileFacts(
        path,
        size,
        tuple(
            Function(name, line, end, returns, tuple(starmap(Parameter, given)), *more)
            for name, line, end, returns, given, *more in functions
        ),
        tuple(starmap(Macro, macros)),
        tuple(
            Struct(name, line, tuple(starmap(Parameter, fields))) for name, line, fields in structs
        ),
        tuple(starmap(Variable, variables)),
        *rest,
    )
