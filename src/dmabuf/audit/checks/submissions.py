"""Submissions: once a job is armed its fence is promised, so it must be pushed (DF109).

Between the two nothing may fail, least of all once somebody can find the fence; and what may wait
for a fence may not be done either: that part of the function is a root of ways.

Source: drivers/gpu/drm/scheduler/sched_main.c, drm_sched_job_arm and drm_sched_entity_push_job.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dmabuf.audit.checks.found import local_finding
from dmabuf.audit.checks.index import Calls
from dmabuf.audit.checks.look import calls, driver_of, ends
from dmabuf.audit.checks.numbered import numbered_at
from dmabuf.audit.front.code import CALL, GOTO, IF, LABEL, RETURN, Code
from dmabuf.audit.program.routine import Routine
from dmabuf.report.source_finding import Hop, Level, SourceFinding

__all__ = ["Tail", "find_tails", "lost_submissions"]

_ARMS = "drm_sched_job_arm"
_PUSHES = "drm_sched_entity_push_job"
_PUBLISHES_TEXT = """
dma_resv_add_fence drm_gem_attach_fence drm_syncobj_replace_fence drm_syncobj_add_point fd_install
drm_gpuvm_resv_add_fence drm_gpuvm_exec_resv_add_fence
"""
_PUBLISHES = frozenset(_PUBLISHES_TEXT.split())
"""From there on others can find a fence, and wait for it in reclaim."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The part of a function between arming and pushing.

    Attributes:
        routine: the function.
        start, end: the indices of both calls in its code.
        wrapped: a function of the driver arms, which may have failed itself.
        published: where others can find the fence from; `end` if that is not seen.
        numbered: where its own client can find it by a number from; `end` if that is not seen.
    """

    routine: Routine
    start: int
    end: int
    wrapped: bool
    published: int
    numbered: int


def find_tails(found: Calls) -> list[Tail]:
    """Every tail, also where a wrapper of the driver arms or pushes."""
    arming, pushing = found.callers([_ARMS]), found.callers([_PUSHES])
    arms = _by_driver(arming - pushing)
    pushes = _by_driver(pushing - arming)
    wrappers = {name for names in (*arms.values(), *pushes.values()) for name in names}
    publishers = _by_driver(found.callers(_PUBLISHES) - arming - pushing)
    tails: list[Tail] = []
    for routine in arming | found.callers(wrappers):
        driver = driver_of(routine.path)
        mine, theirs = arms.get(driver, set()), pushes.get(driver, set())
        if routine.name not in mine | theirs:
            publishes = publishers.get(driver, set()) | _PUBLISHES
            span = _span(routine, mine | {_ARMS}, theirs | {_PUSHES})
            tails += [_tail(routine, one, publishes, found) for one in span]
    return sorted(tails, key=lambda one: (one.routine.path, one.routine.line))


def _by_driver(routines: Iterable[Routine]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for routine in routines:
        found.setdefault(driver_of(routine.path), set()).add(routine.name)
    return found


def _span(routine: Routine, arms: set[str], pushes: set[str]) -> Iterator[tuple[int, int, str]]:
    """The indices of the calls that arm and push, and what arms."""
    named = [(index, name) for index, name, _call in calls(routine.function.code)]
    start = next(((index, name) for index, name in named if name in arms), None)
    if start is None:
        return
    end = next((index for index, name in named if name in pushes and index > start[0]), None)
    if end is not None:
        yield start[0], end, start[1]


def _tail(
    routine: Routine, span: tuple[int, int, str], publishes: frozenset[str] | set[str], found: Calls
) -> Tail:
    start, end, name = span
    code = routine.function.code
    between = [at for at, one, _call in calls(code) if one in publishes and start < at < end]
    published = min(between, default=end)
    numbered = numbered_at(routine, start, end, found)
    return Tail(routine, start, end, name != _ARMS, published, numbered)


def lost_submissions(tails: Iterable[Tail]) -> Iterator[SourceFinding]:
    """Ways out of a tail that never push the job (DF109)."""
    for tail in tails:
        code = tail.routine.function.code
        labels = {one[2]: index for index, one in enumerate(code) if one[0] == LABEL}
        for index in range(_first(tail, code), tail.end):
            if _leaves(code, index, labels, tail):
                yield _lost(tail, index)
                break


def _first(tail: Tail, code: Code) -> int:
    """Where to begin: after the test whether a wrapper has armed at all."""
    if tail.wrapped:
        for index in range(tail.start + 1, min(tail.start + 4, tail.end)):
            if code[index][0] in (RETURN, GOTO):
                return index + 1
            if code[index][0] == CALL:
                break
    return tail.start + 1


def _leaves(code: Code, index: int, labels: dict[str, int], tail: Tail) -> bool:
    instruction = code[index]
    if instruction[0] == RETURN:
        return True
    return instruction[0] == GOTO and labels.get(instruction[2], -1) > tail.end


def _lost(tail: Tail, index: int) -> SourceFinding:
    code, routine = tail.routine.function.code, tail.routine
    out = "returns" if code[index][0] == RETURN else f"goes to {code[index][2]}"
    published = next(
        ((at, name) for at, name, _call in calls(code) if _publishes(at, tail, index)), None
    )
    pushed = routine.place(code[tail.end][1]).line
    hops = [Hop(routine.place(code[tail.start][1]), "arms the job", "direct")]
    if published is not None:
        at, name = published
        hops.append(Hop(routine.place(code[at][1]), f"publishes the fence: {name}()", "direct"))
    hops.append(Hop(routine.place(code[index][1]), f"{out}, and the job is not pushed"))
    when = "its fence is published" if published else "the job is armed"
    return local_finding(
        "DF109",
        Level.ERROR if published else Level.WARNING,
        f"leaves after {when} and before the job is pushed, so the fence never signals",
        tuple(hops),
        entry=f"a submission, which pushes its job in line {pushed} only",
        detail="armed",
    )


def _publishes(at: int, tail: Tail, out: int) -> bool:
    """Is the fence given to others there, and is what leads out not the test whether it was?"""
    if at not in (tail.published, tail.numbered) or not tail.start < at < out:
        return False
    code = tail.routine.function.code
    tests = [
        index
        for index, end in ends(code).items()
        if code[index][0] == IF and at < index < out < end
    ]
    return any(one[0] == CALL for one in code[at + 1 : min(tests, default=out)])
