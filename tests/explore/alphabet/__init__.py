"""Small programs made by machine from what can be done to the objects of each family."""

from __future__ import annotations

from tests.explore.alphabet import buffers, deferred, fences, machine, memory, sync

__all__ = ["FAMILIES"]

FAMILIES = tuple(
    family
    for room in (sync, deferred, machine, fences, buffers, memory)
    for family in room.FAMILIES
)
"""Each family once."""
