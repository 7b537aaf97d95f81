"""Lock classes: what the validator knows locks by.

Mirrors: include/linux/lockdep_types.h (struct lock_class), facts only

Locks made at one place in the source share a class: an order kept by two of them is kept by all.
A key can be given instead of the place; a subclass tells levels of one class apart.

    >>> classes = Classes(Reached(Limits()))
    >>> bo = classes.of("bo.c:12", "bo.lock")
    >>> classes.of("bo.c:12", "another bo.lock") is bo, bo.name
    (True, 'bo.lock')
    >>> classes.of("bo.c:12", "bo.lock", subclass=1).name
    'bo.lock/1'
"""

from __future__ import annotations

from collections.abc import Hashable

from dmabuf.contract.limits import Limits, Reached
from dmabuf.report.finding import Place

__all__ = ["Classes", "Limits", "LockClass", "Reached"]


class LockClass:
    """All locks of one key and subclass.

    Attributes:
        number: 0, 1, 2 ... in order of first use.
        key: what its locks have in common.
        name: for people.
        place: where its locks are made, if known.
        role: what it stands for in the contract ("resv", "fence" ...); empty for a plain lock.
        is_event: nobody holds it; what is waited for is an end (of work, of a handler).
    """

    __slots__ = ("is_event", "key", "name", "number", "place", "role")

    def __init__(
        self,
        number: int,
        key: Hashable,
        name: str,
        *,
        place: Place | None = None,
        role: str = "",
        is_event: bool = False,
    ) -> None:
        self.number = number
        self.key = key
        self.name = name
        self.place = place
        self.role = role
        self.is_event = is_event

    def __repr__(self) -> str:
        return f"<LockClass {self.name}>"


class Classes:
    """The table of classes.

    Args:
        reached: told of classes that do not fit any more.
    """

    def __init__(self, reached: Reached) -> None:
        self.reached = reached
        self.all: list[LockClass] = []
        self._by_key: dict[tuple[Hashable, int], LockClass] = {}

    def of(
        self,
        key: Hashable,
        name: str,
        *,
        subclass: int = 0,
        place: Place | None = None,
        role: str = "",
        is_event: bool = False,
    ) -> LockClass | None:
        """The class of that key and subclass, made when first asked for; None if none fits."""
        found = self._by_key.get((key, subclass))
        if found is not None:
            return found
        if len(self.all) >= self.reached.limits.classes:
            self.reached.note("classes")
            return None
        full = f"{name}/{subclass}" if subclass else name
        made = LockClass(len(self.all), key, full, place=place, role=role, is_event=is_event)
        self.all.append(made)
        self._by_key[key, subclass] = made
        return made
