"""A schedule as a short text: which task moves, how often, and which way a choice went.

`1.k7qa.ab3a` reads: format 1, check `k7qa`, then one step of the first task, three of the
second, one of the first. `~` after a letter marks a timeout, `!` an interrupted wait, `:n` the
n-th way of a choice. Steps are counted in operations, so the token outlives edits that leave
the operations alone, and the check tells when they changed; that of a longer schedule has more
letters, which tell where (`divergence`).

A schedule for which that gets long is packed instead (`packed`): its token begins with `2.`.

    >>> decode(encode([(0, 0), (1, 0), (1, 0), (0, 2)], "k7qa"))
    ([(0, 0), (1, 0), (1, 0), (0, 2)], 'k7qa')
"""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Sequence

from dmabuf.errors import DmabufError
from dmabuf.explore.explanations.divergence import check_of, seal
from dmabuf.explore.explanations.packed import MAX_PACKED, pack, unpack
from dmabuf.rt.strategy import INTERRUPT, TIMEOUT

__all__ = ["TokenError", "decode", "encode", "token_of"]

RUNS, PACKED = "1", "2"
LONGEST = 64
"""A token of format 1 that is longer is packed where that makes it shorter."""

_LETTERS = string.ascii_lowercase + string.ascii_uppercase
_ITEM = re.compile(r"(\+*[A-Za-z])(~|!|:\d{1,3}(?:\.)?)?(\d{0,5})")
_MAX_STEPS = 100_000

_CHECK = 4
"""Letters of the check without those of groups, which never decide how a token is written."""

Moves = Sequence[tuple[int, int]]


class TokenError(DmabufError):
    """A replay token that cannot be read, or does not fit the design."""


def token_of(moves: Moves, steps: Sequence[str]) -> str:
    """The token of (task ordinal, variant) pairs, with as much of a check of the steps as fits."""
    shortest = encode(moves, check_of(steps))
    return encode(moves, seal(steps, max(LONGEST - len(shortest), 0) + _CHECK))


def encode(moves: Moves, check: str) -> str:
    """The token of (task ordinal, variant) pairs."""
    items = [_item(move, len(list(run))) for move, run in itertools.groupby(moves)]
    token = f"{RUNS}.{check}.{''.join(items)}"
    if len(token) > LONGEST + len(check) - _CHECK and len(moves) <= MAX_PACKED:
        return min(f"{PACKED}.{check}.{pack(moves)}", token, key=len)
    return token


def _item(move: tuple[int, int], count: int) -> str:
    ordinal, variant = move
    letter = "+" * (ordinal // len(_LETTERS)) + _LETTERS[ordinal % len(_LETTERS)]
    way = {0: "", TIMEOUT: "~", INTERRUPT: "!"}.get(variant, f":{variant}")
    times = str(count) if count > 1 else ""
    separator = "." if times and way.startswith(":") else ""
    return letter + way + separator + times


def decode(token: str) -> tuple[list[tuple[int, int]], str]:
    """The pairs and the check of a token. Raises TokenError."""
    parts = token.strip().split(".", 2)
    if len(parts) != 3:
        raise TokenError(f"{token!r} is no replay token: it looks like 1.abcd.ab3a")
    version, check, body = parts
    if version == PACKED:
        return _unpacked(token, body), check
    if version != RUNS:
        known = f"{RUNS} and {PACKED}"
        raise TokenError(f"token format {version} is not known here; this version reads {known}")
    moves: list[tuple[int, int]] = []
    position = 0
    while position < len(body):
        found = _ITEM.match(body, position)
        if found is None:
            raise TokenError(f"{token!r} cannot be read at {body[position:][:8]!r}")
        position = found.end()
        moves += [_move(found[1], found[2] or "")] * int(found[3] or 1)
        if len(moves) > _MAX_STEPS:
            raise TokenError(f"the token asks for more than {_MAX_STEPS} steps")
    return moves, check


def _unpacked(token: str, body: str) -> list[tuple[int, int]]:
    try:
        return unpack(body)
    except ValueError as error:
        raise TokenError(f"{token!r} cannot be read: {error}") from None


def _move(letter: str, way: str) -> tuple[int, int]:
    ordinal = (len(letter) - 1) * len(_LETTERS) + _LETTERS.index(letter[-1])
    if way.startswith(":"):
        return ordinal, int(way.strip(":."))
    return ordinal, {"": 0, "~": TIMEOUT, "!": INTERRUPT}[way]
