"""What drivers themselves tell lockdep of their locks: that one may be taken in reclaim.

    fs_reclaim_acquire(GFP_KERNEL);
    might_lock(&gpu->lock);
    fs_reclaim_release(GFP_KERNEL);

From then on lockdep complains of the first allocation under that lock that may reclaim, so such an
allocation, seen from outside, is more likely a mistake of who looks than of who wrote it.

Sources: include/linux/{sched/mm,lockdep}.h; i915_gem_shrinker_taints_mutex, xe_ggtt_init.
"""

from __future__ import annotations

from collections.abc import Iterator

from dmabuf.audit.checks.index import Calls
from dmabuf.audit.checks.look import calls
from dmabuf.audit.front.code import Expr, Instruction
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.effect import LockClass
from dmabuf.audit.ways.known.acts import Takes
from dmabuf.audit.ways.known.locks import LOCKS

__all__ = ["taken_in_reclaim"]

_BEGINS, _ENDS = "fs_reclaim_acquire", "fs_reclaim_release"
_TELLS = frozenset({
    "might_lock", "might_lock_nested", "might_lock_read", "mutex_acquire", "mutex_acquire_nest",
    "rwsem_acquire", "rwsem_acquire_read", "lock_map_acquire",
})  # fmt: skip


def taken_in_reclaim(program: Program, found: Calls) -> frozenset[LockClass]:
    """The locks of which a driver says that it takes them in reclaim.

    Args:
        program: the tree.
        found: all its calls.
    """
    locks: set[LockClass] = set()
    for routine, index in found.of(_BEGINS):
        for lock in _told(routine, index):
            locks.update(_classes(program, found, routine, lock))
    return frozenset(locks)


def _told(routine: Routine, start: int) -> Iterator[Expr]:
    """The locks between the begin of a made-up reclaim and its end."""
    for index, name, call in calls(routine.function.code):
        if index > start and name == _ENDS:
            return
        if index > start and call[3] and _takes(name):
            yield _lock_of(call)


def _takes(name: str) -> bool:
    acts = LOCKS.get(name, ())
    sleeps = any(isinstance(one, Takes) and not one.spins and not one.attempt for one in acts)
    return sleeps or name in _TELLS


def _lock_of(call: Instruction) -> Expr:
    """`&gpu->lock`, of `&gpu->lock.dep_map` as well."""
    value: Expr = call[3][0]
    inner = value[1] if value[0] == "addr" else value
    return inner[1] if inner[0] == "field" and inner[2] == "dep_map" else value


def _classes(program: Program, found: Calls, routine: Routine, lock: Expr) -> Iterator[LockClass]:
    """The class of a lock; of a parameter, the classes of what callers give."""
    names = [one.name for one in routine.function.parameters]
    givers = [(routine, lock)]
    if lock[0] == "name" and lock[1] in names:
        at = names.index(lock[1])
        given = ((one, one.function.code[index][3]) for one, index in found.of(routine.name))
        givers = [(one, values[at]) for one, values in given if at < len(values)]
    for one, value in givers:
        subject = program.tables.subject(value, program.tables.local(one), one.path)
        if subject is not None and subject[1]:
            yield subject
