"""Which bracket closes which, where the source may be wrong.

Braces outweigh parentheses: a `}` closes an open `(` along with its `{`.
"""

from __future__ import annotations

__all__ = ["pair"]

_CLOSES = {")": "(", "]": "[", "}": "{"}
_BRACKETS = frozenset("()[]{}")


def pair(tokens: list[str]) -> dict[int, int]:
    """For each opening bracket where its partner is; brackets without a partner are left out."""
    match: dict[int, int] = {}
    stack: list[tuple[str, int]] = []
    braces = 0
    for at in [at for at, token in enumerate(tokens) if token in _BRACKETS]:
        token = tokens[at]
        want = _CLOSES.get(token)
        if want is None:
            stack.append((token, at))
            braces += token == "{"
        elif stack and (stack[-1][0] == want or (want == "{" and braces)):
            while stack[-1][0] != want:
                stack.pop()
            match[stack.pop()[1]] = at
            braces -= want == "{"
    return match
