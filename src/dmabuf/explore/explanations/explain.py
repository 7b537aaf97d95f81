"""From a retold schedule to a finding: who waits for whom, with both stacks, and the timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmabuf.explore.explanations.frames import place_of_error
from dmabuf.explore.explanations.shrink import switches_of
from dmabuf.explore.explanations.spans import via_of
from dmabuf.explore.explanations.telling import Telling, tell
from dmabuf.explore.explanations.token import token_of
from dmabuf.report.finding import Finding, Taken, Wait

if TYPE_CHECKING:
    from dmabuf.explore.cases import Case
    from dmabuf.explore.diagnose import Diagnosis, Wakers
    from dmabuf.explore.snapshot import Blocked, Snapshot
    from dmabuf.report.finding import Stack
    from dmabuf.rt.tasks import Tasks

__all__ = ["Telling", "finding_of", "place_of_error", "tell"]


def finding_of(
    case: Case, diagnosis: Diagnosis, telling: Telling, rt: Tasks, wakers: Wakers, *, fewest: bool
) -> Finding:
    """The finding that a case's retold schedule shows."""
    waits = _waits(case.snapshot, diagnosis, telling, rt, wakers) if case.snapshot else ()
    place = telling.reported_at[0] if telling.reported_at else None
    place = place or next((wait.place for wait in waits if wait.place), None)
    if case.failure is not None:
        place = place_of_error(rt.failure[1] if rt.failure else case.failure[1])
    steps = (*telling.steps, *telling.pending) if case.snapshot else tuple(telling.steps)
    used = {step.task for step in steps}
    would_end = {wait.task: wait.wakers for wait in waits}
    return Finding(
        code=diagnosis.code,
        message=diagnosis.message,
        implied=diagnosis.implied,
        place=place,
        waits=waits,
        tasks=tuple(task.name for task in rt.tasks if task.name in used),
        steps=steps,
        switches=switches_of(telling.events),
        fewest=fewest,
        token=token_of(case.moves, telling.checks),
        turn=case.snapshot.turn if case.snapshot else 0,
        left_out=telling.left_out if telling.rested else 0,
        stack=telling.reported_at,
        taken=telling.held,
        timeline=telling.spans.timeline(rt, would_end),
    )


def _waits(
    snapshot: Snapshot, diagnosis: Diagnosis, telling: Telling, rt: Tasks, wakers: Wakers
) -> tuple[Wait, ...]:
    """The wait graph's edges, the diagnosis' chain first; idle tasks are left out."""
    chain = [number for number in diagnosis.chain if number in rt.by_number]
    idle = {task.number for task in rt.tasks if task.idle}
    rest = [n for n in (*snapshot.blocked, *snapshot.stopped) if n not in chain]
    order = (*chain, *(number for number in rest if number not in idle))
    tell_one = _Waits(snapshot, telling, rt, wakers)
    return tuple(tell_one.of(number, leads=number in chain) for number in order)


def _not_waiting(number: int, snapshot: Snapshot) -> str:
    if number in snapshot.loops:
        return "repeats its steps for ever"
    why = next((why for job, why, _starter in snapshot.dead if job == number), "")
    if why and number not in snapshot.stopped:
        return f"goes on no more, as {why}"
    return "may stop for ever" if number in snapshot.stopped else "has ended"


class _Waits:
    """Puts one task's wait into words and frames."""

    def __init__(self, snapshot: Snapshot, telling: Telling, rt: Tasks, wakers: Wakers) -> None:
        self.snapshot = snapshot
        self.telling = telling
        self.rt = rt
        self.wakers = wakers

    def of(self, number: int, *, leads: bool) -> Wait:
        """The wait of a task, or what became of one that does not wait."""
        snapshot = self.snapshot
        task = self.rt.by_number[number]
        stack = self.telling.stacks.get(self.rt.number_of(task), ())
        entry = snapshot.blocked.get(number)
        target, via = "", ""
        wakers: tuple[str, ...] = ()
        if entry is None:
            state = _not_waiting(number, snapshot)
            stack = () if state == "has ended" else stack
        elif entry.interrupted_by is not None:
            state, target, via = "is interrupted by", snapshot.names[entry.interrupted_by], "irq"
            wakers = (target,)
        else:
            state = "sleeps on" if entry.lost else "waits for"
            if any(number == task for task, _obj in snapshot.timers):
                state = "has armed" if entry.label == task.name else "waits with a timeout for"
            target, via, wakers = entry.label, via_of(entry), self._wakers(entry)
        return Wait(
            task.name,
            state,
            target,
            wakers,
            definite=via == "irq" or (entry is not None and bool(entry.owners)),
            holds=tuple(snapshot.labels[lock] for lock in snapshot.holds.get(number, ())),
            place=stack[0] if stack else None,
            via=via,
            leads=leads,
            stack=stack,
            taken=self._taken(number),
        )

    def _taken(self, number: int) -> tuple[Taken, ...]:
        """The locks that a task holds, with the frames that took each."""
        found: list[Taken] = []
        for lock in self.snapshot.holds.get(number, ()):
            stack: Stack = self.telling.taken.get((number, lock), ())
            found.append(Taken(self.snapshot.labels[lock], stack))
        return tuple(found)

    def _wakers(self, entry: Blocked) -> tuple[str, ...]:
        names = self.snapshot.names
        if entry.owners:
            return tuple(names[owner] for owner in entry.owners)
        objects = entry.fences or (entry.obj,)
        numbers = {waker for obj in objects for waker in self.wakers.get(obj, ())}
        return tuple(sorted(names.get(number, "?") for number in numbers))
