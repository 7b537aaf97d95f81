"""Which rule a way breaks, by where it begins and what it ends in.

The same act is forbidden in one place and allowed in another: a shrinker may wait for fences, and
what it may not do is wait for a reservation lock. One table row a kind of effect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dmabuf.audit.checks.beyond import gravest, through
from dmabuf.audit.checks.roots import Grade
from dmabuf.audit.ways.effect import Effect, Kind, Way
from dmabuf.report.source_finding import Level
from dmabuf.sync.gfp import Gfp

__all__ = ["KINDS", "Judgement", "judge", "lock_name", "mildest"]

_AFTER_WAITS = (Grade.TAIL, Grade.POWER)
"""Where fences are waited for by design, and events that hardware owes."""
_SURE = 0.9
"""From here on a finding may be an error. Set after samples had been read by hand (docs/audits):
of thirteen that were less sure than 0.85 one was true, and of those since then that were less sure
than this none."""
_LIKELY = 0.25


@dataclass(frozen=True, slots=True)
class Judgement:
    """A rule, how grave, and the words for what is done.

    Attributes:
        family: ways of one family beyond one choke point are one finding.
    """

    code: str
    level: Level
    text: str
    family: str


def judge(grade: Grade, way: Way, path: str) -> Judgement | None:
    """What is wrong with a way; None if nothing is.

    Args:
        grade: of the root.
        way: from it.
        path: the file of the root.
    """
    row = _ROWS.get(way.effect.kind)
    found = row(grade, way.effect, path) if row is not None else None
    if found is None:
        return None
    level = mildest(found.level, grade.level, _of(way.sure), gravest(way))
    there = through(way)
    # Of the many locks that one call takes out there a report needs one.
    family = f"lock {there}()" if there and way.effect.kind is Kind.LOCK else found.family
    return Judgement(found.code, level, found.text, family)


def mildest(*levels: Level) -> Level:
    """The least grave of them."""
    return max(levels, key=lambda one: one.rank)


def _of(sure: float) -> Level:
    if sure >= _SURE:
        return Level.ERROR
    return Level.WARNING if sure >= _LIKELY else Level.INFO


def _where(grade: Grade) -> str:
    return "in reclaim" if grade.in_reclaim else "on the way to a signal"


def _reclaims(grade: Grade, effect: Effect, _path: str) -> Judgement | None:
    if grade is Grade.SHRINKER:
        return None  # who reclaims does not reclaim again: PF_MEMALLOC
    gfp = Gfp(effect.gfp) if effect.gfp is not None else None
    if gfp is None:
        text = f"{effect.name}() with flags that are not known {_where(grade)}"
        return Judgement("DF301", Level.INFO, text, "allocation")
    filesystem = bool(gfp & Gfp.FS)
    name = "GFP_KERNEL" if filesystem else "GFP_NOFS" if gfp & Gfp.IO else "GFP_NOIO"
    text = f"{effect.name}() with {name} {_where(grade)}"
    return Judgement("DF301" if filesystem else "DF302", Level.ERROR, text, "allocation")


def _locks(grade: Grade, effect: Effect, _path: str) -> Judgement | None:
    if effect.attempt or effect.subject is None or not effect.subject[1]:
        return None
    name = lock_name(effect)
    text = f"takes {name} {_where(grade)}"
    return Judgement("DF202", Level.ERROR, text, f"lock {name}")


def lock_name(effect: Effect) -> str:
    """A lock in words: `toy_device.lock`, or the name of a variable."""
    assert effect.subject is not None
    struct, field = effect.subject
    if struct.startswith("struct "):
        return f"{struct.removeprefix('struct ')}.{field}"
    return field


def _resv(grade: Grade, effect: Effect, _path: str) -> Judgement | None:
    if effect.attempt:
        return None
    code = "DF304" if grade.in_reclaim else "DF201"
    text = f"{effect.name}() waits for a reservation lock {_where(grade)}"
    return Judgement(code, Level.ERROR, text, "reservation lock")


def _mmap_lock(grade: Grade, effect: Effect, _path: str) -> Judgement | None:
    if effect.attempt:
        return None
    text = f"{effect.name}() takes mmap_lock {_where(grade)}"
    return Judgement("DF203", Level.ERROR, text, "user memory")


def _user_memory(grade: Grade, effect: Effect, _path: str) -> Judgement | None:
    text = f"{effect.name}() touches user memory {_where(grade)}"
    return Judgement("DF203", Level.ERROR, text, "user memory")


def _fence_wait(grade: Grade, effect: Effect, path: str) -> Judgement | None:
    if grade.in_reclaim:
        if path.startswith("drivers/gpu/"):
            return None
        text = f"{effect.name}() waits for a fence in reclaim, outside drivers/gpu"
        return Judgement("DF303", Level.WARNING, text, "fence wait")
    if effect.bounded or grade in _AFTER_WAITS:
        return None
    text = f"{effect.name}() waits for a fence without a limit {_where(grade)}"
    return Judgement("DF108", Level.ERROR, text, "fence wait")


def _wait(grade: Grade, effect: Effect, _path: str) -> Judgement | None:
    if effect.bounded or grade in _AFTER_WAITS or grade.in_reclaim:
        return None
    text = f"{effect.name}() waits without a limit {_where(grade)}"
    return Judgement("DF108", Level.WARNING, text, "wait")


_ROWS: dict[Kind, Callable[[Grade, Effect, str], Judgement | None]] = {
    Kind.RECLAIM: _reclaims,
    Kind.LOCK: _locks,
    Kind.RESV: _resv,
    Kind.MMAP_LOCK: _mmap_lock,
    Kind.USER_MEMORY: _user_memory,
    Kind.FENCE_WAIT: _fence_wait,
    Kind.WAIT: _wait,
}

KINDS = frozenset(_ROWS)
"""The effects that any rule speaks of."""
