"""Long schedules in few characters: arithmetic coding with exact integers.

Where tasks take turns often, runs are no shorter than steps. What a schedule then still has is
regularity: it goes on with the task that ran last, or the one before that, so a step is written as
how recently its task ran, with probabilities that are learnt on the way (I. Witten, R. Neal and
J. Cleary, "Arithmetic Coding for Data Compression", 1987; the ranks are those of J. Bentley et al.,
"A Locally Adaptive Data Compression Scheme", 1986). A schedule without any regularity is written
as one number to the base of its tasks. All integers are exact, so it is the same everywhere.

>>> text = pack([(0, 0), (1, 0)] * 100)
>>> len(text) < 16, unpack(text) == [(0, 0), (1, 0)] * 100
(True, True)
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence

from dmabuf.rt.strategy import INTERRUPT, TIMEOUT

__all__ = ["MAX_PACKED", "pack", "unpack"]

MAX_PACKED = 600
"""Steps; the work grows with their square."""

_DIGITS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
_BITS = 6
_LEARNT, _LEARNT_BY_LAST, _PLAIN = "l", "m", "p"
_ORDINALS = 4096
_VARIANTS = 256
_LIKELY = (1, TIMEOUT, INTERRUPT, 2)
"""Ways of a step that take few bits: the second option, a timeout, an interrupt, the third."""

_STEP_WEIGHT = 2

Moves = Sequence[tuple[int, int]]


def pack(moves: Moves) -> str:
    """The shortest of the ways to write (task ordinal, variant) pairs.

    Raises ValueError for more than `MAX_PACKED`, and for ordinals of 4096 or more.
    """
    if len(moves) > MAX_PACKED or any(who >= _ORDINALS for who, _variant in moves):
        raise ValueError("this schedule is too large to be packed")
    ways = [_learnt(moves, _LEARNT), _learnt(moves, _LEARNT_BY_LAST)]
    tasks = max((who for who, _variant in moves), default=0) + 1
    if tasks < len(_DIGITS) and not any(variant for _who, variant in moves):
        ways.append(_plain(moves, max(tasks, 2)))
    return min(ways, key=len)


def unpack(text: str) -> list[tuple[int, int]]:
    """The pairs that were packed. Raises ValueError for a text that is none."""
    if not text or set(text) - set(_DIGITS):
        raise ValueError("this is no packed schedule")
    kind, body = text[0], text[1:]
    if kind == _PLAIN:
        return _from_plain(body)
    if kind not in (_LEARNT, _LEARNT_BY_LAST) or len(body) < 2:
        raise ValueError("this is no packed schedule")
    count = _value(body[:2])
    if count > MAX_PACKED:
        raise ValueError("this packed schedule has too many steps")
    decoder = _Decoder(_value(body[2:]), _BITS * len(body[2:]))
    model = _Model(by_last=kind == _LEARNT_BY_LAST)
    return [model.step(decoder.take, None) for _ in range(count)]


# -- without regularity ----------------------------------------------------------------------------


def _plain(moves: Moves, base: int) -> str:
    """One number, with a 1 in front so that leading zeros count."""
    value = 1
    for who, _variant in moves:
        value = value * base + who
    return _PLAIN + _DIGITS[base] + _written(value)


def _from_plain(body: str) -> list[tuple[int, int]]:
    if len(body) < 2:
        raise ValueError("this is no packed schedule")
    base, value = _DIGITS.index(body[0]), _value(body[1:])
    if base < 2 or not value or value.bit_length() > 6 * MAX_PACKED:
        raise ValueError("this is no packed schedule")
    found: list[tuple[int, int]] = []
    while value > 1:
        value, who = divmod(value, base)
        found.append((who, 0))
    if value != 1:
        raise ValueError("this is no packed schedule")
    return found[::-1]


def _written(value: int) -> str:
    digits: list[str] = []
    while value:
        value, digit = divmod(value, 1 << _BITS)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


def _value(text: str) -> int:
    value = 0
    for char in text:
        value = (value << _BITS) | _DIGITS.index(char)
    return value


# -- with regularity -------------------------------------------------------------------------------

Code = Callable[[Sequence[int], int | None], int]
"""Codes one symbol: frequencies, and which (None when decoding); returns which."""


class _Model:
    """What is likely next: how recently the task of a step ran, and whether its way is ordinary."""

    def __init__(self, *, by_last: bool) -> None:
        self.by_last = by_last
        self.recent: list[int] = []
        self.ranks: dict[int, list[int]] = {}
        self.odd = [8, 1]
        self.ways = [2] * len(_LIKELY) + [1]
        self.last = 0

    def step(self, code: Code, move: tuple[int, int] | None) -> tuple[int, int]:
        """One step through the coder; `move` is None when decoding."""
        who = self._task(code, None if move is None else move[0])
        variant = None if move is None else move[1]
        odd = code(self.odd, None if variant is None else int(variant != 0))
        self.odd[odd] += _STEP_WEIGHT
        return who, self._way(code, variant) if odd else 0

    def _way(self, code: Code, variant: int | None) -> int:
        """Which way a step went that is not ordinary; a few are much likelier than others."""
        kind = None
        if variant is not None:
            kind = _LIKELY.index(variant) if variant in _LIKELY else len(_LIKELY)
        kind = code(self.ways, kind)
        self.ways[kind] += _STEP_WEIGHT
        return _LIKELY[kind] if kind < len(_LIKELY) else code((1,) * _VARIANTS, variant)

    def _task(self, code: Code, who: int | None) -> int:
        """By rank among those that ran; the rank after the last one announces a new task."""
        context = self.last if self.by_last else 0
        known = len(self.recent)
        counts = self.ranks.setdefault(context, [])
        counts += [1] * (known + 1 - len(counts))
        rank = None
        if who is not None:
            rank = self.recent.index(who) if who in self.recent else known
        rank = code(counts[: known + 1], rank)
        counts[rank] += _STEP_WEIGHT
        self.last = min(rank, 8)
        if rank == known:
            small = code((8, 1), None if who is None else int(who >= 16))
            table = (1,) * (_ORDINALS if small else 16)
            who = code(table, who)
            if who in self.recent:
                raise ValueError("this is no packed schedule")
        else:
            who = self.recent.pop(rank)
        self.recent.insert(0, who)
        return who


class _Encoder:
    """An interval of exact fractions that each symbol makes smaller."""

    def __init__(self) -> None:
        self.low, self.width, self.whole = 0, 1, 1

    def put(self, frequencies: Sequence[int], symbol: int | None) -> int:
        """Code a symbol."""
        assert symbol is not None
        total = sum(frequencies)
        self.low = self.low * total + self.width * sum(frequencies[:symbol])
        self.width *= frequencies[symbol]
        self.whole *= total
        return symbol

    def written(self) -> str:
        """The shortest text whose fraction, whatever follows, lies in the interval."""
        count = 0
        while True:
            bits = _BITS * count
            value = -((-self.low << bits) // self.whole)
            if (value + 1) * self.whole <= (self.low + self.width) << bits:
                return "".join(
                    _DIGITS[(value >> shift) & 63] for shift in range(bits - _BITS, -1, -_BITS)
                )
            count += max(1, (self.whole.bit_length() - self.width.bit_length() - bits) // _BITS - 1)


class _Decoder:
    """Finds the symbols whose intervals hold a fraction."""

    def __init__(self, value: int, bits: int) -> None:
        self.value, self.bits = value, bits
        self.low, self.width, self.whole = 0, 1, 1

    def take(self, frequencies: Sequence[int], symbol: int | None) -> int:
        """The next symbol."""
        del symbol
        total = sum(frequencies)
        at = ((self.value * self.whole - (self.low << self.bits)) * total) // (
            self.width << self.bits
        )
        if not 0 <= at < total:
            raise ValueError("this is no packed schedule")
        symbol = below = 0
        while below + frequencies[symbol] <= at:
            below += frequencies[symbol]
            symbol += 1
        self.low = self.low * total + self.width * below
        self.width *= frequencies[symbol]
        self.whole *= total
        return symbol


def _learnt(moves: Moves, kind: str) -> str:
    encoder = _Encoder()
    model = _Model(by_last=kind == _LEARNT_BY_LAST)
    for move in moves:
        model.step(encoder.put, move)
    count = len(moves)
    return kind + _DIGITS[count >> _BITS] + _DIGITS[count & 63] + encoder.written()
