"""What queues a work, on which queue, and whether that queue has a rescuer.

A queue without WQ_MEM_RECLAIM needs memory for a worker before it runs anything: work on the way to
a signal would wait for reclaim there. Source: Documentation/core-api/workqueue.rst.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dmabuf.audit.checks.index import Call, Calls, calls_in
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.program.tables import Registration
from dmabuf.audit.ways.known.acts import Queues
from dmabuf.audit.ways.known.deferred import DEFERRED
from dmabuf.report.finding import Place

__all__ = ["Queued", "Schedule"]

_RESCUED = "WQ_MEM_RECLAIM"
_IN_WORDS = {True: "WQ_MEM_RECLAIM", False: "no WQ_MEM_RECLAIM", None: "flags not known"}
_QUEUES = {
    name: queues
    for name, acts in DEFERRED.items()
    if (queues := [act for act in acts if isinstance(act, Queues)])
}
Subject = tuple[str, str]
Plain = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Queued:
    """A line that queues a work.

    Attributes:
        routine, line: where, as its instructions count lines.
        queue: the queue, as (struct, field), of the kernel's own ("", "system_wq").
        worker: it is no workqueue but a kthread worker, which is its own rescuer.
    """

    routine: Routine
    line: int
    queue: Subject
    worker: bool = False

    @property
    def place(self) -> Place:
        """Where."""
        return self.routine.place(self.line)


class Schedule:
    """All lines of a program that queue work."""

    def __init__(self, program: Program, calls: Calls) -> None:
        self._tables = program.tables
        self._queues = program.tables.queues
        self.queued: dict[Subject, list[Queued]] = defaultdict(list)
        for routine, (work, *more) in calls.told("queues", _QUEUES, self._found):
            self.queued[work].append(Queued(routine, *more))
        for lines in self.queued.values():
            lines.sort(key=lambda one: (one.place.file, one.place.line))

    def _found(self, routines: list[Routine]) -> Iterator[tuple[Routine, Plain]]:
        """The works that functions queue themselves, each with the rest of a `Queued`."""
        for name, acts in _QUEUES.items():
            for act in acts:
                for call in calls_in(routines, name):
                    found = self._queued_by(call, act)
                    if found is not None:
                        yield call[0], found

    def _queued_by(self, call: Call, act: Queues) -> Plain | None:
        routine, index = call
        tables = self._tables
        _kind, line, callee, arguments, _result = routine.function.code[index]
        if max(act.argument, act.queue or 0) >= len(arguments):
            return None
        local = tables.local(routine)
        work = tables.subject(arguments[act.argument], local, routine.path)
        queue: Subject | None = ("", act.system)
        if act.queue is not None:
            queue = tables.subject(arguments[act.queue], local, routine.path)
        if work is None or queue is None:
            return None
        return work, line, queue, str(callee[1]).startswith("kthread_")

    def rescued(self, queued: Queued) -> bool | None:
        """Has its queue a rescuer? None if that is not known."""
        if queued.worker:
            return True
        if queued.queue[1].startswith("system_") and not queued.queue[0]:
            return False
        made = self._queues.get(queued.queue)
        return all(_RESCUED in one.flags for one in made) if made else None

    def told(self, registration: Registration) -> str:
        """What runs a work, in words."""
        name = registration.subject[1] if registration.subject else ""
        lines = self.queued.get(registration.subject, []) if registration.subject else []
        if not lines:
            where = f", made in {registration.where.name}()" if registration.where else ""
            return f"work {name}{where}"
        first = lines[0]
        queue = first.queue[1] or first.queue[0]
        more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
        return (
            f"work {name} on {queue} ({_IN_WORDS[self.rescued(first)]}), queued by "
            f"{first.routine.name}() at {first.place.file}:{first.place.line}{more}"
        )
