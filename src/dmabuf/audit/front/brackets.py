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
    braces = 0  # open ones: to look for one in the stack would take for ever where all is wrong
    for at in [at for at, token in enumerate(tokens) if token in _BRACKETS]:
        token = tokens[at]
        if token in _OPENS:
            stack.append(at)
            braces += token == "{"
        elif stack:
            want = _CLOSES[token]
            is_brace = want == "{"
            if is_brace and braces:
                while tokens[stack[-1]] != "{":
                    stack.pop()
            elif tokens[stack[-1]] != want:
                continue
            match[stack.pop()] = at
            braces -= is_brace
    return match
