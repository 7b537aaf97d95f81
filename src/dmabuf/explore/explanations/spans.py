"""Watch one execution from step to step: locks held, fences pending and waits become spans.

The spans are for people: a fence counts as pending from the step after which others know it to the
one that signals it, a task waits while it stands at a step that is not possible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dmabuf.core.fence import Fence
from dmabuf.core.fence_container import is_container
from dmabuf.core.fence_steps import PUBLISHED, State, is_flagged
from dmabuf.core.fence_unwrap import pending_inside
from dmabuf.explore.snapshot import Blocked, blocked_in
from dmabuf.report.timeline import Lane, Span, Timeline
from dmabuf.rt.strategy import INTERRUPT, TIMEOUT, task_of, variant_of

if TYPE_CHECKING:
    from dmabuf.rt.api import Task
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.tasks import Tasks

__all__ = ["Spans", "via_of"]

MAX_SPANS = 5000
"""A schedule with more is drawn up to there."""


def via_of(entry: Blocked) -> str:
    """What kind of thing it is that a task waits for."""
    if entry.interrupted_by is not None:
        return "irq"
    if entry.owners:
        return "lock"
    return "fence" if entry.fences else "event"


class Spans:
    """Collects the spans of one execution; `look` is called before each step and at the end."""

    def __init__(self) -> None:
        self._done: list[Span] = []
        self._open: dict[tuple[Any, ...], Span] = {}
        self._fences: list[tuple[Fence, int]] = []
        self._movers: list[str] = []

    def created(self, creator: Task, obj: object) -> None:
        """An object came into being."""
        if isinstance(obj, Fence):
            self._fences.append((obj, getattr(creator, "number", -1)))

    def stepped(self, task: ExploredTask) -> None:
        """A step was made."""
        self._movers.append(task.name)

    def look(self, rt: Tasks, enabled: list[int], touched: Mapping[int, set[int]]) -> None:
        """Compare the present state with the one before the last step.

        Args:
            rt: the runtime.
            enabled: the transitions that are possible.
            touched: by object number, the tasks that made steps on it.
        """
        now = {**self._held(rt), **self._waiting(rt, enabled), **self._pending(rt, touched)}
        last = len(self._movers) - 1
        for key in [key for key in self._open if key not in now]:
            self._close(key, last)
        for key, span in now.items():
            if key not in self._open and len(self._open) + len(self._done) < MAX_SPANS:
                self._open[key] = replace(span, start=last)

    def _close(self, key: tuple[Any, ...], last: int) -> None:
        span = self._open.pop(key)
        by = (self._movers[last],) if last >= 0 else ()
        if span.kind == "fence":
            span = replace(span, task=by[0] if by else "")
        self._done.append(replace(span, end=last, by=by if span.kind == "wait" else ()))

    def _held(self, rt: Tasks) -> dict[tuple[Any, ...], Span]:
        return {
            ("lock", task.number, rt.number_of(lock)): Span("lock", rt.label(lock), task.name)
            for task in rt.tasks
            for lock in task.held
        }

    def _waiting(self, rt: Tasks, enabled: list[int]) -> dict[tuple[Any, ...], Span]:
        ways_out = (TIMEOUT, INTERRUPT)
        can_move = {task_of(one) for one in enabled if variant_of(one) not in ways_out}
        found: dict[tuple[Any, ...], Span] = {}
        for task in rt.tasks:
            if task.op is None or task.number in can_move:
                continue
            entry = blocked_in(rt, task)
            found["wait", task.number, entry.op, entry.obj] = Span(
                "wait", entry.label, task.name, via=via_of(entry), idle=task.idle
            )
        return found

    def _pending(self, rt: Tasks, touched: Mapping[int, set[int]]) -> dict[tuple[Any, ...], Span]:
        stands_at = {rt.number_of(task.obj): task.number for task in rt.tasks if task.op}
        found: dict[tuple[Any, ...], Span] = {}
        for fence, creator in self._fences:
            number = rt.number_of(fence)
            if is_flagged(fence) or (is_container(fence) and not any(pending_inside(fence))):
                continue
            state = fence._state
            known = touched.get(number, set()) | {stands_at.get(number, creator)}
            if (isinstance(state, State) and state.flags & PUBLISHED) or known - {creator}:
                found["fence", number] = Span("fence", rt.label(fence))
        return found

    def timeline(self, rt: Tasks, would_end: Mapping[str, tuple[str, ...]]) -> Timeline:
        """What was seen.

        Args:
            rt: the runtime, for its tasks.
            would_end: by task, who could end the wait in which it stands at the end.
        """
        lanes = {task.name: Lane(task.name, task.kind.value, task.cpu) for task in rt.tasks}
        open_ones = [
            replace(span, by=would_end.get(span.task, ())) if span.kind == "wait" else span
            for span in self._open.values()
        ]
        spans = sorted((*self._done, *open_ones), key=lambda span: span.start)
        return Timeline(tuple(lanes.values()), tuple(spans))
