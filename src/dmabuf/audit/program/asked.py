"""What is asked of a program, by name, for whoever keeps an answer until the next run.

Every question about a program names something: a function, a macro, a struct, a field. Who answers
takes the name down, so who computes from answers need not think of it. What was computed while
names were taken down is as it was as long as nothing that the program says about one of them has
changed. A name is told as it is; what tables hold in a field as `struct ops.run`, or as `*.run` by
who does not know the struct; where a function stands in tables, and who registered it, as
`@function`; the variables of a type as `~type`, those in one driver as `~type:driver`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

__all__ = ["EVERYTHING", "Answers", "Asked", "Lookup", "Memo", "any_field", "of_owner"]

EVERYTHING = "*"
"""Asked by who looks at all there is; any change is one of that."""


def any_field(field: str) -> str:
    """How it is told that a field of any struct was asked for."""
    return f"*.{field}"


def of_owner(name: str, owner: str) -> str:
    """How it is told that of `~type` only what one driver has was asked for."""
    return f"{name}:{owner}"


Key = TypeVar("Key")
Value = TypeVar("Value")
Source = TypeVar("Source")


class Asked:
    """The names that were asked since `begin`; within, those of an inner `begin` count as well.

    Attributes:
        now: those of the innermost one.
    """

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now: set[str] = set()

    def begin(self) -> set[str]:
        """Take names down for somebody; hand what this returns to `end`."""
        before, self.now = self.now, set()
        return before

    def end(self, before: set[str]) -> tuple[str, ...]:
        """The names since `begin`; who asked for the answer has asked for them, too."""
        mine, self.now = self.now, before
        before |= mine
        return tuple(mine)

    def again(self, names: Iterable[str]) -> None:
        """Take down what was asked for an answer that is given again."""
        self.now.update(names)


class Answers(Mapping[Key, Value]):
    """A mapping that takes down what is asked of it."""

    def __init__(
        self, held: Mapping[Key, Value], asked: Asked, name_of: Callable[[Key], str]
    ) -> None:
        self._held, self._asked, self._name_of = held, asked, name_of

    def __getitem__(self, key: Key) -> Value:
        self._asked.now.add(self._name_of(key))
        return self._held[key]

    def __contains__(self, key: object) -> bool:
        self._asked.now.add(self._name_of(key))  # type: ignore[arg-type]
        return key in self._held

    def __iter__(self) -> Iterator[Key]:
        self._asked.now.add(EVERYTHING)
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


class Lookup(Mapping[str, Value], Generic[Source, Value]):
    """What is known by a name, made when it is asked for, and taken down as asked.

    Args:
        made_of: what an answer is made of, by name.
        make: makes it.
        asked: where names are taken down.
    """

    def __init__(
        self, made_of: Mapping[str, Source], make: Callable[[Source], Value], asked: Asked
    ) -> None:
        self._made_of, self._make, self._asked = made_of, make, asked
        self._made: dict[str, Value] = {}

    def __getitem__(self, key: str) -> Value:
        self._asked.now.add(key)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = self._make(self._made_of[key])
        return found

    def __contains__(self, key: object) -> bool:
        self._asked.now.add(str(key))
        return key in self._made_of

    def __iter__(self) -> Iterator[str]:
        self._asked.now.add(EVERYTHING)
        return iter(self._made_of)

    def __len__(self) -> int:
        return len(self._made_of)


class Memo(Generic[Key, Value]):
    """Answers that were computed, each with what was asked for it.

    An answer that depends on itself is computed anew for each who asks: it would be another one by
    where the circle was entered, and so by who asked before.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._known: dict[Key, tuple[Value, tuple[str, ...]]] = {}
        self._open: dict[Key, int] = {}
        self._lowest = 0

    def get(self, key: Key, compute: Callable[[], Value], inside: Value) -> Value:
        """The answer for a key.

        Args:
            key: what is asked.
            compute: finds it out.
            inside: what it is taken for while it is being found out.
        """
        found = self._known.get(key)
        if found is not None:
            self._asked.now.update(found[1])
            return found[0]
        level = len(self._open) + 1
        if key in self._open or level > _DEEPEST:
            self._lowest = min(self._lowest, self._open.get(key, 0))
            return inside
        return self._find(key, compute, level)

    def _find(self, key: Key, compute: Callable[[], Value], level: int) -> Value:
        if level == 1:
            self._lowest = _DEEPEST + 1
        before_lowest, self._lowest = self._lowest, _DEEPEST + 1
        self._open[key] = level
        before = self._asked.begin()
        try:
            value = compute()
        finally:
            names = self._asked.end(before)
            del self._open[key]
        if self._lowest >= level:  # nothing further out was taken for something
            self._known[key] = (value, names)
            self._lowest = before_lowest
        else:
            self._lowest = min(self._lowest, before_lowest)
        return value


_DEEPEST = 40
"""Answers within answers; deeper ones are taken for `inside`."""
