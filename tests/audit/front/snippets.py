"""Reading snippets of C, and instructions as text that a person can compare."""

from __future__ import annotations

from collections.abc import Callable

from dmabuf.audit.front import code
from dmabuf.audit.front.code import Expr
from dmabuf.audit.front.extract import extract
from dmabuf.audit.front.facts import FileFacts, Function

NAMES = {getattr(code, name): name for name in code.__all__ if isinstance(getattr(code, name), int)}


def facts(text: str) -> FileFacts:
    """The facts of a file with this text."""
    return extract("drivers/x.c", text.encode())


def function(text: str) -> Function:
    """The one function of a text."""
    (found,) = facts(text).functions
    return found


def body(text: str) -> list[str]:
    """The instructions of a function with this body, as text without lines."""
    return listing(function("void f(void)\n{\n" + text + "\n}\n").code)


def listing(instructions: code.Code) -> list[str]:
    """Instructions as text."""
    return [shown(one) for one in instructions]


def shown(instruction: code.Instruction) -> str:
    """One instruction as text: its kind in capitals, then its parts."""
    kind, _, *rest = instruction
    name = NAMES[kind]
    if kind == code.CALL:
        callee, arguments, result = rest
        text = f"CALL {spelt(callee)}({', '.join(map(spelt, arguments))})"
        return text if result is None else f"{text} -> {spelt(result)}"
    if kind == code.SET:
        return f"SET {spelt(rest[0])} = {spelt(rest[1])}"
    return " ".join(
        [name, *(spelt(one) if isinstance(one, tuple) else str(one) for one in rest)]
    ).rstrip()


def spelt(value: Expr | None) -> str:
    """An expression as C, as far as a person needs it."""
    return "None" if value is None else SPELLING[value[0]](*value[1:])


def _items(items: tuple[tuple[tuple[str, ...], Expr], ...]) -> str:
    return "{" + ", ".join("".join(path) + "=" + spelt(one) for path, one in items) + "}"


SPELLING: dict[str, Callable[..., str]] = {
    "name": str,
    "number": str,
    "string": "string<{}>".format,
    "sizeof": "sizeof<{}>".format,
    "type": "type<{}>".format,
    "?": "?<{}>".format,
    "field": lambda base, name: f"{spelt(base)}.{name}",
    "index": lambda base, index: f"{spelt(base)}[{spelt(index)}]",
    "deref": lambda inner: "*" + spelt(inner),
    "addr": lambda inner: "&" + spelt(inner),
    "call": lambda callee, given: f"{spelt(callee)}({', '.join(map(spelt, given))})",
    "op": lambda sign, left, right: f"({spelt(left)} {sign} {spelt(right)})",
    "unary": lambda sign, inner: sign + spelt(inner),
    "choice": lambda test, yes, no: f"({spelt(test)} ? {spelt(yes)} : {spelt(no)})",
    "cast": lambda kind, inner: f"({kind}){spelt(inner)}",
    "list": _items,
}
