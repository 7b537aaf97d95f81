"""How large an array on the stack is: `char small[64]` decides `if (size > sizeof(small))`."""

from __future__ import annotations

import re
from typing import Final

from dmabuf.audit.front.code import Expr

__all__ = ["count_of", "size_of", "sizes"]

_ARRAY = re.compile(r"(.*?) ?\[(\w+)\]\Z").match
_BYTES: Final = {
    **dict.fromkeys(("char", "signed char", "unsigned char", "u8", "s8", "uint8_t", "__u8"), 1),
    **dict.fromkeys(("short", "unsigned short", "u16", "s16", "uint16_t", "__u16"), 2),
    **dict.fromkeys(("int", "unsigned int", "unsigned", "u32", "s32", "uint32_t", "__u32"), 4),
    **dict.fromkeys(("long", "unsigned long", "u64", "s64", "uint64_t", "__u64", "size_t"), 8),
}
_POINTER: Final = 8


def size_of(name: str) -> str:
    """The variable that stands for `sizeof(name)`."""
    return f"sizeof {name}"


def count_of(name: str) -> str:
    """The variable that stands for `ARRAY_SIZE(name)`."""
    return f"ARRAY_SIZE {name}"


def sizes(name: str, kind: str) -> tuple[tuple[str, Expr], ...]:
    """What the declaration of an array says, as variables and what they are worth.

    >>> sizes("small", "struct toy [4]")
    (('ARRAY_SIZE small', ('number', 4)),)
    """
    found = _ARRAY(kind)
    if found is None:
        return ()
    element, text = found.groups()
    if text.isdigit():
        length: Expr = ("number", int(text))
    elif text.isidentifier():
        length = ("name", text)
    else:
        return ()
    each = _POINTER if element.endswith("*") else _BYTES.get(element)
    if each is None:
        return ((count_of(name), length),)
    return (count_of(name), length), (size_of(name), ("op", "*", length, ("number", each)))
