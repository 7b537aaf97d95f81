"""The other side of a lock: where it is held over something that may wait for a fence.

Reclaim, a reservation lock, mmap_lock, user memory and a fence wait all may; a lock held over one
of these may not be taken on the way to a signal (DF202). In reclaim a fence wait does not count:
who reclaims may wait for fences himself, and nothing on the way to their signals waits for him.
Asked for one lock at a time, as a tree has thousands and a way takes few.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from dmabuf.audit.checks.above import Above
from dmabuf.audit.checks.axioms import taken_in_reclaim
from dmabuf.audit.checks.beginnings import Beginnings
from dmabuf.audit.checks.devices import meet
from dmabuf.audit.checks.doubts import AXIOMS, allowed
from dmabuf.audit.checks.excuses.just_made import is_just_made
from dmabuf.audit.checks.excuses.restarts import is_stopped
from dmabuf.audit.checks.index import Calls, calls_in
from dmabuf.audit.checks.job_runners import job_runners
from dmabuf.audit.checks.look import driver_of
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.effect import Kind, LockClass, Way
from dmabuf.audit.ways.event import Context, Event
from dmabuf.audit.ways.keeping import remembered
from dmabuf.audit.ways.known.acts import Takes
from dmabuf.audit.ways.known.locks import LOCKS
from dmabuf.audit.ways.plain import digest_of
from dmabuf.audit.ways.ways import Ways
from dmabuf.sync.gfp import Gfp

__all__ = ["Taint"]

_KINDS = frozenset({Kind.RECLAIM, Kind.RESV, Kind.MMAP_LOCK, Kind.USER_MEMORY, Kind.FENCE_WAIT})
_IN_RECLAIM = _KINDS - {Kind.FENCE_WAIT}
_MOST_HOLDERS = 60
"""More functions than this are not asked about one lock."""
_SURE = 0.5
_ENOUGH = 0.85
_PRIMED = 0.5
"""Of a lock that its driver tells lockdep to be taken in reclaim: who allocates under it?"""
_DEBUGGING = 0.8
"""What is only done where a developer asks for it by debugfs."""
_BEGINNING = 0.3
"""Of the lock of a device that only comes up: nobody waits yet."""
_JUST_MADE = 0.3
"""Over the lock of a buffer that nobody else knows: it is never waited for."""
_NODES = 300
"""Evidence behind more functions than this is not looked for."""


_TAKES = (
    *(
        name
        for name, acts in LOCKS.items()
        if any(isinstance(act, Takes) and not act.spins and not act.attempt for act in acts)
    ),
    "guard",
    "scoped_guard",
)
"""What takes a lock that is held over sleep."""
_Question = tuple[LockClass, frozenset[Kind]]


@dataclass(frozen=True, slots=True)
class _Holds:
    """Where a lock is held; a value, so that answers about it can be kept."""

    lock: LockClass

    def __call__(self, event: Event) -> bool:
        return any(one.lock == self.lock for one in event.held)


class Taint:
    """Answers for the locks of a program; answers are kept."""

    def __init__(self, program: Program, ways: Ways, calls: Calls) -> None:
        self._ways = ways
        self._known: dict[_Question, list[Way]] = {}
        self._more: dict[_Question, Iterator[Way]] = {}
        self._takers: dict[str, list[tuple[Routine, str]]] = {}
        self._program = program
        self._calls = calls
        self._runners: dict[str, frozenset[str]] = {}
        self._above = Above(program, ways)
        self._beginnings = Beginnings(program)
        self._primed = taken_in_reclaim(program, calls)
        for routine, (struct, field) in calls.told("takes", _TAKES, self._taken):
            self._takers.setdefault(field, []).append((routine, struct))

    def _taken(self, routines: list[Routine]) -> Iterator[tuple[Routine, LockClass]]:
        """The locks that functions take themselves."""
        tables = self._program.tables
        for routine in routines:
            code, local = routine.function.code, tables.local(routine)
            calls = calls_in([routine], *_TAKES)
            given = {argument for _routine, index in calls for argument in code[index][3]}
            subjects = {tables.subject(one, local, routine.path) for one in given}
            found = sorted(one for one in subjects if one is not None and one[1])
            yield from ((routine, one) for one in found)

    def of(
        self, lock: LockClass, way: Way | None = None, *, in_reclaim: bool = False
    ) -> Way | None:
        """A way from a function that holds the lock to what taints it: a sure one, or the surest.

        Args:
            lock: the class.
            way: that the lock was met on, if it was; what its functions do is no evidence against
                themselves, and another driver's device has another lock.
            in_reclaim: it is a notifier or a shrinker that takes the lock.
        """
        question = (lock, _IN_RECLAIM if in_reclaim else _KINDS)
        known = self._known.setdefault(question, [])
        more = self._more.get(question)
        if more is None:
            more = self._more[question] = self._holding(*question)
        apart = self._apart(way)
        best: Way | None = None
        for other in _then(known, more):
            if f"{other.root.file}:{other.root.function}" in apart:
                continue
            if way is not None and not meet(lock, way, other):
                continue
            if best is None or other.sure > best.sure:
                best = other
            if best.sure >= _ENOUGH:
                break
        return best

    def _holding(self, lock: LockClass, kinds: frozenset[Kind]) -> Iterator[Way]:
        for routine in self._holders(lock):
            way = self._held(routine, lock, kinds)
            if way is not None:
                yield replace(way, sure=way.sure * self._weight(way, routine, lock))

    def _weight(self, way: Way, routine: Routine, lock: LockClass) -> float:
        """How much it counts that a function holds a lock there."""
        if way.effect.kind is Kind.RECLAIM and lock in self._primed:
            return _PRIMED
        if way.effect.name not in AXIOMS and self._beginnings.owns(routine, lock):
            return _BEGINNING
        if is_just_made(way, self._program):
            return _JUST_MADE
        return _DEBUGGING if "debugfs" in way.root.file else 1.0

    def _apart(self, way: Way | None) -> frozenset[str]:
        """Functions (`file:name`) that are no evidence against a way."""
        if way is None:
            return frozenset()
        on_the_way = frozenset(f"{hop.place.file}:{hop.place.function}" for hop in way.hops)
        return on_the_way | self._standing(way)

    def _standing(self, way: Way) -> frozenset[str]:
        """The functions that cannot run where a way is, as its driver has stopped the scheduler."""
        (stopped,) = remembered(
            self._ways.keeper,
            ("stopped", digest_of(way, self._program.names.begin)),
            lambda: (is_stopped(way, self._program),),
            self._program.asked,
        )
        if not stopped:
            return frozenset()
        driver = driver_of(way.root.file)
        if driver not in self._runners:
            self._runners[driver] = job_runners(self._program, self._calls, driver)
        return self._runners[driver]

    def _holders(self, lock: LockClass) -> list[Routine]:
        """The functions that may hold a lock: that take one of its name, or call a wrapper.

        Many locks have one name. Those who take one of this struct are asked first.
        """
        takers = self._takers.get(lock[1], [])
        exact = {routine for routine, struct in takers if struct == lock[0]}
        found = dict.fromkeys(routine for routine, _struct in takers)
        for routine in tuple(exact):
            if lock in self._wrapped(routine):
                wrapped = self._calls.callers([routine.name])
                exact |= wrapped
                found.update(dict.fromkeys(wrapped))
        ordered = sorted(found, key=lambda one: (one not in exact, one.path, one.nth))
        return ordered[:_MOST_HOLDERS]

    def _wrapped(self, routine: Routine) -> tuple[LockClass, ...]:
        """The locks that a function takes and leaves to its caller."""

        def find() -> tuple[LockClass, ...]:
            bracket = self._ways.brackets.of(routine)
            return tuple(sorted({one for one, _kind in bracket.takes})) if bracket else ()

        question = ("wraps", *routine.ref)
        return remembered(self._ways.keeper, question, find, self._program.asked)

    def _held(self, routine: Routine, lock: LockClass, kinds: frozenset[Kind]) -> Way | None:
        way = self._held_in(routine, lock, kinds, None)
        if way is None or way.effect.kind is not Kind.RECLAIM:
            return way
        scopes = self._above.scopes(routine)
        if not scopes:
            return way
        context = self._ways.context(routine)._replace(scopes=scopes)
        return self._held_in(routine, lock, kinds, context)

    def _held_in(
        self, routine: Routine, lock: LockClass, kinds: frozenset[Kind], context: Context | None
    ) -> Way | None:
        ways = self._ways.each(routine, _Holds(lock), kinds, context, _NODES)
        return next((way for way in ways if _taints(way)), None)


def _then(known: list[Way], more: Iterator[Way]) -> Iterator[Way]:
    """What is known, then what comes, which is known from then on."""
    yield from tuple(known)
    for way in more:
        known.append(way)
        yield way


def _taints(way: Way) -> bool:
    effect = way.effect
    if effect.attempt or way.sure < _SURE or allowed(way):
        return False
    if effect.kind is Kind.RECLAIM:
        return effect.gfp is not None and bool(Gfp(effect.gfp) & Gfp.FS)
    return True
