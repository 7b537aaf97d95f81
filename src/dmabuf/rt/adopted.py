"""The objects of an explored run, with numbers that are the same in all of its schedules.

An object's number comes from its creator and a counter. What exists once in a runtime and is
made by whoever needs it first (the irq work line, a helper task) would so be named after chance;
it has a creator of its own, named after itself.

    >>> from dmabuf.rt.explored_task import Names
    >>> Adopted(Names()).root_key("irq_work") == Adopted(Names()).root_key("irq_work")
    True
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final

from dmabuf.rt.explored_task import COUNT_BITS

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask, Names

__all__ = ["Adopted"]

_ROOT: Final = -1


class Adopted:
    """Objects by number and label; they stay alive until the execution has ended.

    Attributes:
        objects: in order of adoption.
        creators: of each, the task that made it.
        numbers: by `id`, the number.
    """

    __slots__ = ("_known", "_labels", "_names", "_places", "creators", "numbers", "objects")

    def __init__(self, names: Names) -> None:
        self._names = names
        self._known = names.objects
        self._labels: list[str | int] = []
        self._places: dict[int, int] = {}
        self.objects: list[Any] = []
        self.creators: list[ExploredTask] = []
        self.numbers: dict[int, int] = {}

    @staticmethod
    def root_key(name: str) -> tuple[int, ...]:
        """The key of the creator of what exists once under that name."""
        return (_ROOT, zlib.crc32(name.encode()))

    def add(self, creator: ExploredTask, obj: Any, label: Any) -> None:
        """Give an object its number and its name in reports."""
        count = creator.created = creator.created + 1
        number = self._known.get(creator.number << COUNT_BITS | count)
        if number is None:
            number = self._names.object(creator.number, count)
        self.numbers[id(obj)] = number
        self.objects.append(obj)
        self.creators.append(creator)
        self._labels.append(label or count)

    def let_go(self) -> None:
        """Nobody asks any more."""
        self.objects.clear()
        self.creators.clear()
        self.numbers.clear()

    def label(self, obj: Any) -> str:
        """The name of an object in reports."""
        kind = type(obj).__name__.lower()
        places = self._places
        for place in range(len(places), len(self.objects)):
            places[id(self.objects[place])] = place
        place = places.get(id(obj), -1)
        if place < 0:
            return kind
        label = self._labels[place]
        return label if isinstance(label, str) else f"{kind} {self.creators[place].name}#{label}"
