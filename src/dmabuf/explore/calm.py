"""Rest where surely nothing is owed: told without a snapshot, which costs as much as ten steps.

>>> from dmabuf.rt.strategy import FirstEnabled
>>> from dmabuf.rt.tasks import Tasks
>>> is_calm(Tasks(FirstEnabled()))
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from dmabuf.core.access import Accesses
from dmabuf.core.fence import Fence
from dmabuf.core.fence_steps import is_flagged
from dmabuf.explore.snapshot import is_owed
from dmabuf.machine import PROPERTIES

if TYPE_CHECKING:
    from dmabuf.rt.tasks import Tasks

__all__ = ["is_calm"]


def is_calm(rt: Tasks) -> bool:
    """Does no task owe an end, is no lock left behind, and is there nothing that could be open?

    False says nothing: a snapshot has to tell. True says that no snapshot here is bad.
    """
    for task in rt.tasks:
        if task.held or (not task.finished and is_owed(task)):
            return False
    if PROPERTIES in rt.extras:
        return False
    harmless: Any = None  # the class of the object before, mostly: to ask takes long
    for obj in rt.objects:
        if type(obj) is harmless:
            continue
        if isinstance(obj, Fence):
            if not is_flagged(obj):
                return False
        elif isinstance(obj, Accesses):
            return False
        else:
            harmless = cast("object", type(obj))
    return True
