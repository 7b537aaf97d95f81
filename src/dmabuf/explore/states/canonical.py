"""The canonical form of whatever can be reached from some roots: equal where the states are.

Plain data is told by its value, everything else by the order in which it is first met on a walk
from the roots (R. Iosif, "Exploiting Heap Symmetries in Explicit-State Model Checking of
Software", 2001). So neither addresses nor the history of a run show. What cannot be looked into
makes the state unusable (`Opaque`); nothing is guessed.

Numbers that only grow and are only compared with each other (seqnos, tickets) are told by their
rank among those that are there, points in time by their distance from now.

    >>> one, other = Walk(0), Walk(0)
    >>> one.put([[], 1]); other.put([[], 1])
    >>> one.digest() == other.digest()
    True
"""

from __future__ import annotations

import hashlib
import itertools
import marshal
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from dmabuf.explore.states.kinds import class_of, form_of
from dmabuf.explore.states.opaque import Opaque
from dmabuf.rt.explored_task import ExploredTask

__all__ = ["MAX_OBJECTS", "Walk"]

MAX_OBJECTS = 200_000
"""A state with more objects is taken as one that grows without end."""

_PLAIN = frozenset({int, str, bool, float, bytes, complex, type(None), type(...)})
_MARSHAL_VERSION = 2  # later ones mark values that are referred to more than once


class Walk:
    """One walk.

    Args:
        now: the time, in ns.
        numbers: by `id`, numbers that give the members of a set an order.
        is_known: is a pending fence known to others than its maker, as far as this run tells?

    Attributes:
        reads: what the code that was met can ask for besides: "time", "seqno", "context".
    """

    __slots__ = (
        "_asked",
        "_deadlines",
        "_done",
        "_kept",
        "_now",
        "_numbers",
        "_ranks",
        "_seen",
        "_tokens",
        "is_known",
        "reads",
    )

    def __init__(
        self,
        now: int,
        numbers: Mapping[int, int] | None = None,
        is_known: Callable[[Any], bool] = bool,
    ) -> None:
        self.is_known = is_known
        self._now = now
        self._numbers = numbers or {}
        self._tokens: list[Any] = []
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []
        self._done = 0
        self._ranks: dict[Hashable, list[tuple[int, int]]] = {}
        self._deadlines: list[tuple[int, int]] = []
        self._asked: dict[str, list[int]] = {}
        self.reads: set[str] = set()

    # -- what a form says ------------------------------------------------------------------------

    def say(self, *plain: Any) -> None:
        """Plain data of the form itself."""
        self._tokens.extend(plain)

    def put(self, value: Any) -> None:
        """A value: by itself if it is plain, else by when it was met."""
        kind = class_of(value)
        if kind in _PLAIN:
            self._tokens.append(value)
        elif kind is ExploredTask:
            self._tokens.append(("task", value.number))
        else:
            key = id(value)
            number = self._seen.get(key)
            if number is None:
                number = self._seen[key] = len(self._kept)
                self._kept.append(value)
            self._tokens.append((number,))

    def put_all(self, values: Iterable[Any]) -> None:
        """Several values, in their order; their number is for the caller to say.

        The same as `put` for each: half of all that is put comes this way.
        """
        tokens, seen, kept = self._tokens, self._seen, self._kept
        for value in values:
            kind = class_of(value)
            if kind in _PLAIN:
                tokens.append(value)
            elif kind is ExploredTask:
                tokens.append(("task", value.number))
            else:
                key = id(value)
                number = seen.get(key)
                if number is None:
                    number = seen[key] = len(kept)
                    kept.append(value)
                tokens.append((number,))

    def put_set(self, values: Iterable[Any]) -> None:
        """Values without an order of their own."""
        ordered = sorted(values, key=self._set_key)
        for one, other in itertools.pairwise(ordered):
            if self._set_key(one) == self._set_key(other):
                raise Opaque(f"a set of several objects of class {type(one).__qualname__}")
        self.say("set", len(ordered))
        self.put_all(ordered)

    def _set_key(self, value: Any) -> tuple[Any, ...]:
        if type(value) in _PLAIN:
            return 0, type(value).__name__, repr(value)
        if isinstance(value, ExploredTask):
            return 1, "", value.number
        known = self._numbers.get(id(value))
        if known is not None:
            return 2, "", known
        known = self._seen.get(id(value))
        return (3, "", known) if known is not None else (4, type(value).__qualname__, 0)

    def rank(self, group: Hashable, value: int) -> None:
        """A number that is only ever compared with others of its group."""
        self._ranks.setdefault(group, []).append((len(self._tokens), value))
        self._tokens.append(None)

    def if_read(self, what: str, value: int) -> None:
        """A number that matters only if some code asks for that ("time", "seqno", "context")."""
        self._asked.setdefault(what, []).append(value)

    def put_by_task(self, values: Mapping[Any, Any]) -> None:
        """What is kept for each task, in no order."""
        self.say("by task", len(values))
        for task in sorted(values, key=lambda task: task.number):
            self.put(task)
            self.put(values[task])

    def time(self, point: int | None) -> None:
        """A point in time that something is to happen at."""
        if point is None:
            self._tokens.append(None)
        else:
            self._deadlines.append((len(self._tokens), point))
            self._tokens.append(None)

    @property
    def met(self) -> Sequence[Any]:
        """All that was met so far and is not plain, in that order."""
        return self._kept

    # -- the walk --------------------------------------------------------------------------------

    def finish(self) -> None:
        """Look into everything that has been met, and at what is met then."""
        kept = self._kept
        done = self._done
        while done < len(kept):
            if done > MAX_OBJECTS:
                raise Opaque(f"more than {MAX_OBJECTS} objects")
            value = kept[done]
            kind = class_of(value)
            form = form_of(kind)
            if form is None:
                raise Opaque(f"an object of class {kind.__module__}.{kind.__qualname__}")
            form(self, value)
            done += 1
        self._done = done

    def digest(self) -> bytes:
        """16 bytes: two different states having the same is no more likely than a broken disk."""
        self.finish()
        self._settle()
        self._tokens += [(what, *self._asked.get(what, ())) for what in sorted(self.reads)]
        if "time" in self.reads:
            self._tokens.append(self._now)
        raw = marshal.dumps(self._tokens, _MARSHAL_VERSION)
        return hashlib.blake2b(raw, digest_size=16).digest()

    def _settle(self) -> None:
        """Put ranks and distances where they belong."""
        tokens = self._tokens
        for members in self._ranks.values():
            rank = {v: n for n, v in enumerate(sorted({value for _at, value in members}))}
            for at, value in members:
                tokens[at] = ("rank", rank[value])
        now = self._now
        late = sorted({point for _at, point in self._deadlines if point <= now})
        overdue = {point: index - len(late) for index, point in enumerate(late)}
        for at, point in self._deadlines:
            tokens[at] = ("in", point - now if point > now else overdue[point])
