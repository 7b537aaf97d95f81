"""An expression as C text, for people: short, and never longer than a line."""

from __future__ import annotations

from dmabuf.audit.front.code import Expr

__all__ = ["spell"]


def spell(expression: Expr | None, room: int = 80) -> str:
    """The text of an expression.

    >>> spell(("unary", "!", ("field", ("name", "job"), "fence")))
    '!job->fence'
    >>> spell(("op", "|", ("name", "GFP_KERNEL"), ("name", "__GFP_NOWARN")))
    'GFP_KERNEL | __GFP_NOWARN'
    """
    text = "" if expression is None else _spell(expression, 12)
    return text if len(text) <= room else text[: room - 3] + "..."


def _spell(e: Expr, depth: int) -> str:
    if depth == 0:
        return "..."
    kind = e[0]
    if kind in ("name", "number", "type", "?"):
        return str(e[1])
    if kind == "string":
        return f'"{e[1]}"'
    if kind == "sizeof":
        return f"sizeof({e[1]})"
    if kind == "list":
        return "{...}"
    if kind == "call":
        inner = ", ".join(_spell(one, depth - 1) for one in e[2])
        return f"{_spell(e[1], depth - 1)}({inner})"
    return _spell_operator(e, depth)


def _spell_operator(e: Expr, depth: int) -> str:
    kind, below = e[0], depth - 1
    if kind == "field":
        return f"{_spell(e[1], below)}->{e[2]}"
    if kind == "index":
        return f"{_spell(e[1], below)}[{_spell(e[2], below)}]"
    if kind in ("addr", "deref"):
        return f"{'&' if kind == 'addr' else '*'}{_spell(e[1], below)}"
    if kind == "op":
        return f"{_spell(e[2], below)} {e[1]} {_spell(e[3], below)}"
    if kind == "unary":
        inner = _spell(e[2], below)
        return f"{e[1]}({inner})" if e[2][0] in ("op", "choice") else f"{e[1]}{inner}"
    if kind == "choice":
        return f"{_spell(e[1], below)} ? {_spell(e[2], below)} : {_spell(e[3], below)}"
    if kind == "cast":
        return _spell(e[2], below)
    return "..."
