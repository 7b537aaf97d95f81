"""What reclaim can take memory from: the shrinkers and the address spaces of a machine.

Mirrors: mm/shrinker.c (shrinker_list), include/linux/mmzone.h (the LRU lists, as far as user
pages go)

    >>> reclaimable(ambient()).shrinkers
    []
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dmabuf._names import no_kernel
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, Op, Runtime, Task

if TYPE_CHECKING:
    from dmabuf.mm.mm_struct import MmStruct
    from dmabuf.mm.shrinker import Shrinker

__all__ = ["Reclaimable", "ambient", "reclaimable"]


def _add(lists: Reclaimable, task: Task) -> None:
    which, member = task.arg
    getattr(lists, which).append(member)


def _drop(lists: Reclaimable, task: Task) -> None:
    which, member = task.arg
    getattr(lists, which).remove(member)


def _look(lists: Reclaimable, task: Task) -> tuple[Any, ...]:
    return tuple(getattr(lists, task.arg))


ADD = Op("reclaimable.add", action=_add, says="adds to {}")
DROP = Op("reclaimable.drop", action=_drop, says="takes from {}")
LOOK = Op("reclaimable.look", action=_look, access=READ, says="walks {}")


class Reclaimable:
    """The lists that reclaim walks; one of them exists in a runtime.

    Attributes:
        shrinkers: registered, in order of registration.
        mms: address spaces with mappings.
    """

    __slots__ = ("__weakref__", "mms", "name", "rt", "shrinkers")

    def __init__(self, rt: Runtime) -> None:
        self.name = "what can be reclaimed"
        self.rt = rt
        self.shrinkers: list[Shrinker] = []
        self.mms: list[MmStruct] = []
        rt.adopt(self, self.name)

    @no_kernel("list_add_tail_rcu under shrinker_mutex")
    def add(self, which: str, member: Any) -> None:
        """Put a shrinker or an address space on its list. Context: process."""
        self.rt.step(ADD, self, (which, member))

    @no_kernel("list_del_rcu under shrinker_mutex")
    def drop(self, which: str, member: Any) -> None:
        """Take it off. Context: process."""
        self.rt.step(DROP, self, (which, member))

    @no_kernel("list_for_each_entry_rcu")
    def walk(self, which: str) -> tuple[Any, ...]:
        """What is on a list now. Context: process."""
        self.rt.step(LOOK, self, which)
        found: tuple[Any, ...] = self.rt.current().value
        return found


@no_kernel("lists that are global in the kernel")
def reclaimable(rt: Runtime) -> Reclaimable:
    """The lists of a runtime. Context: any."""
    found: Reclaimable = rt.once("mm.reclaimable", lambda: Reclaimable(rt))
    return found
