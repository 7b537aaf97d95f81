"""Where blocks end, what loops change, which labels are jumped back to: once for each function."""

from __future__ import annotations

from dataclasses import dataclass, field

from dmabuf.audit.front.code import (
    CALL,
    END,
    GOTO,
    LABEL,
    LOOP,
    OPENS,
    SET,
    Code,
    Expr,
    Instruction,
)
from dmabuf.audit.ways.sites import Site

__all__ = ["Shape", "base_name"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a walk needs to know in advance.

    Attributes:
        code: the body, decoded.
        changed: of the index of a LOOP, and of a LABEL that is jumped back to, the names of the
            variables that are set until the end of the loop, or until the jump; and
            `variable.field` where only that is.
        sites: what is known of its calls, by the `id` of the instruction; `Sites` fills it.
    """

    code: Code
    changed: dict[int, frozenset[str]]
    sites: dict[int, Site] = field(default_factory=dict[int, Site])

    @staticmethod
    def of(code: Code) -> Shape:
        """The shape of a body."""
        changed: dict[int, frozenset[str]] = {}
        labels: dict[str, int] = {}
        opened: list[int] = []
        for index, instruction in enumerate(code):
            kind = instruction[0]
            if kind in OPENS:
                opened.append(index)
            elif kind == END and opened:
                start = opened.pop()
                if code[start][0] == LOOP:
                    changed[start] = _set_in(code, start, index)
            elif kind == LABEL:
                labels[instruction[2]] = index
            elif kind == GOTO and instruction[2] in labels:
                start = labels[instruction[2]]
                before = changed.get(start, frozenset())
                changed[start] = before | _set_in(code, start, index)
        return Shape(code, changed)


def _set_in(code: Code, start: int, end: int) -> frozenset[str]:
    found: set[str] = set()
    for index in range(start, end):
        target = _target(code[index])
        name = base_name(target) if target is not None else None
        if name is not None:
            found.add(name)
    return frozenset(found)


def _target(instruction: Instruction) -> Expr | None:
    if instruction[0] == SET:
        return instruction[2]  # type: ignore[no-any-return]
    return instruction[4] if instruction[0] == CALL else None


def base_name(target: Expr) -> str | None:
    """What an assignment changes: a variable, or `variable.field`; None for anything else."""
    if target[0] == "field" and target[1][0] == "name":
        return f"{target[1][1]}.{target[2]}"
    while target[0] in ("field", "index") and target[1][0] in ("name", "field", "index"):
        target = target[1]
    return target[1] if target[0] == "name" else None
