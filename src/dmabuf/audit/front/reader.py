"""The parser's place in a line of tokens, and what its parts share."""

from __future__ import annotations

from typing import Final

from dmabuf.audit.front.code import UNKNOWN, Expr, Instruction

__all__ = ["DEPTH", "Lost", "Reader"]

# How deep brackets, prefixes and statements may lie inside each other; what is deeper is lost.
DEPTH: Final = 80
_PAD = ("",) * 4


class Lost(Exception):
    """The parser does not understand what stands here."""


class Reader:
    """A position in tokens, and the instructions that have been found so far.

    Attributes:
        tokens: the whole of it, with empty ones behind the end.
        lines: the line of each.
        match: where the partner of an opening bracket is.
        at: the position.
        code: instructions of the function at hand.
        flaws: bytes that were not understood.
        types: names that are known to be types.
        leaves: names and numbers that were read before, as expressions.
        forks: for each open conditional of the block at hand, how many IFs it is.
    """

    __slots__ = (
        "at",
        "code",
        "depth",
        "flaws",
        "forks",
        "leaves",
        "lines",
        "match",
        "tokens",
        "types",
    )

    def __init__(
        self, tokens: list[str], lines: list[int], match: dict[int, int], types: set[str]
    ) -> None:
        self.tokens = [*tokens, *_PAD]
        self.lines = [*lines, *((lines[-1] if lines else 0,) * len(_PAD))]
        self.match = match
        self.types = types
        self.at: int = 0
        self.depth: int = 0
        self.flaws: int = 0
        self.code: list[Instruction] = []
        self.leaves: dict[str, Expr] = {}
        self.forks: list[int] = []

    def expect(self, token: str) -> None:
        """Step over `token`; raises Lost if another one stands here."""
        if self.tokens[self.at] != token:
            raise Lost
        self.at += 1

    def closing(self, at: int) -> int:
        """Where the bracket at `at` is closed; raises Lost if it is not."""
        found = self.match.get(at)
        if found is None:
            raise Lost
        return found

    def text(self, start: int, end: int) -> str:
        """The tokens from `start` up to `end`, with a blank where two words would touch."""
        return join(self.tokens[start:end])

    def unknown(self, start: int, end: int) -> None:
        """Note that the tokens from `start` up to `end` were not understood."""
        size = sum(map(len, self.tokens[start:end])) + end - start
        self.flaws += size
        self.code.append((UNKNOWN, self.lines[start], self.text(start, min(end, start + 40))))


def join(tokens: list[str]) -> str:
    """One text out of tokens."""
    out: list[str] = []
    word = False
    for token in tokens:
        begins = token[0].isalnum() or token[0] in "_\"'"
        if begins and word:
            out.append(" ")
        out.append(token)
        word = token[-1].isalnum() or token[-1] in "_\"'"
    return "".join(out)
