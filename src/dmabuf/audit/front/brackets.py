"""Which bracket closes which, where the source may be wrong.

Braces outweigh parentheses: a `}` closes an open `(` along with its `{`.
"""

from __future__ import annotations

__all__ = ["pair"]

_CLOSES = {")": "(", "]": "[", "}": "{"}
_OPENS = frozenset("([{")
_BRACKETS = _OPENS.union(_CLOSES)


def pair(tokens: list[str]) -> dict[int, int]:
    """For each opening bracket where its partner is; brackets without a partner are left out."""
    match: dict[int, int] = {}
    stack: list[int] = []
    for at in [at for at, token in enumerate(tokens) if token in _BRACKETS]:
        token = tokens[at]
        if token in _OPENS:
            stack.append(at)
        elif stack:
            want = _CLOSES[token]
            if tokens[stack[-1]] == want:
                match[stack.pop()] = at
            elif want == "{" and any(tokens[one] == "{" for one in stack):
                while tokens[stack[-1]] != "{":
                    stack.pop()
                match[stack.pop()] = at
    return match
