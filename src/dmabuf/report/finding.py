"""A finding as a value: the rule, who waits for whom, the schedule, and how to see it again.

>>> finding = Finding(code="DF001", message="A and B wait for each other")
>>> Finding.from_data(finding.to_data()) == finding
True
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dmabuf.report.timeline import Timeline

__all__ = ["Finding", "Place", "Stack", "Step", "Taken", "Wait"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where in somebody's source: file, line (from 1) and function."""

    file: str
    line: int
    function: str = ""

    @staticmethod
    def from_data(data: dict[str, Any] | None) -> Place | None:
        """The place that `asdict` wrote."""
        return None if data is None else Place(**data)


Stack = tuple[Place, ...]
"""Frames of the design, the innermost first."""


def _stack(data: list[dict[str, Any]]) -> Stack:
    return tuple(Place(**one) for one in data)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a schedule.

    Attributes:
        task: whose step it is.
        text: what the task does, for example "locks A".
        op: the operation's name, for machines.
        place: the source line that asked for it.
        blocked: the task gets no further than this: the step is awaited, not made.
        note: what happened besides (timed out, option 1 of 2, stops for ever).
        stack: the frames of the design, the innermost (which is `place`) first.
    """

    task: str
    text: str
    op: str
    place: Place | None = None
    blocked: bool = False
    note: str = ""
    stack: Stack = ()

    @staticmethod
    def from_data(data: dict[str, Any]) -> Step:
        """The step that `asdict` wrote."""
        fields: dict[str, Any] = {
            **data,
            "place": Place.from_data(data["place"]),
            "stack": _stack(data["stack"]),
        }
        return Step(**fields)


@dataclass(frozen=True, slots=True)
class Taken:
    """A lock that is held, and the frames of the step that took it."""

    lock: str
    stack: Stack = ()

    @staticmethod
    def from_data(data: dict[str, Any]) -> Taken:
        """The lock that `asdict` wrote."""
        return Taken(data["lock"], _stack(data["stack"]))


@dataclass(frozen=True, slots=True)
class Wait:
    """One edge of the wait graph: a task, what it waits for, and who could end that.

    Attributes:
        task: who waits, or who will do nothing more.
        state: "waits for", "stopped", "ended", "interrupted by" ...
        target: the object or task waited for; empty if none.
        wakers: tasks that could end the wait.
        definite: only these can (a lock's owner); else they are those seen to do it in some run.
        holds: locks held meanwhile.
        place: the source line of the wait.
        via: what kind of thing is waited for: "lock", "fence", "event" or "irq" (a handler that
            has its CPU); empty if it does not wait.
        leads: it is part of the chain that the finding's sentence tells.
        stack: the frames of the wait, the innermost (which is `place`) first.
        taken: the locks of `holds`, each with the frames that took it.
    """

    task: str
    state: str
    target: str = ""
    wakers: tuple[str, ...] = ()
    definite: bool = False
    holds: tuple[str, ...] = ()
    place: Place | None = None
    via: str = ""
    leads: bool = False
    stack: Stack = ()
    taken: tuple[Taken, ...] = ()

    @staticmethod
    def from_data(data: dict[str, Any]) -> Wait:
        """The wait that `asdict` wrote (lists become tuples again)."""
        fields: dict[str, Any] = {
            **data,
            "wakers": tuple(data["wakers"]),
            "holds": tuple(data["holds"]),
            "place": Place.from_data(data["place"]),
            "stack": _stack(data["stack"]),
            "taken": tuple(Taken.from_data(one) for one in data["taken"]),
        }
        return Wait(**fields)


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule, explained.

    Attributes:
        code: the leading rule.
        implied: rules that are broken as a consequence.
        message: one sentence about this case.
        place: the line to look at first.
        waits: who waits for whom, the leading chain first.
        tasks: the tasks of the schedule, a column each.
        steps: the schedule.
        switches: context switches in it.
        fewest: no schedule with this finding has fewer (proved by exhausting them).
        token: what `--replay` takes.
        left_out: steps that other tasks make besides, and that change nothing about it.
        turn: so many of the last steps made are repeated for ever; 0 if nothing is.
        stack: where a broken rule was noticed, the innermost frame first; empty at rest.
        taken: the locks that the task held there, each with the frames that took it.
        timeline: the same schedule as spans: locks held, fences pending, waits.
    """

    code: str
    message: str
    implied: tuple[str, ...] = ()
    place: Place | None = None
    waits: tuple[Wait, ...] = ()
    tasks: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    switches: int = 0
    fewest: bool = False
    token: str = ""
    left_out: int = 0
    turn: int = 0
    stack: Stack = ()
    taken: tuple[Taken, ...] = ()
    timeline: Timeline | None = None

    def to_data(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return asdict(self)

    def _repr_svg_(self) -> str | None:
        """The timeline, for notebooks; None where there is none."""
        from dmabuf.report.draw_timeline import draw_alone

        return draw_alone(self)

    @staticmethod
    def from_data(data: dict[str, Any]) -> Finding:
        """The finding that `to_data` wrote."""
        fields: dict[str, Any] = {
            **data,
            "implied": tuple(data["implied"]),
            "place": Place.from_data(data["place"]),
            "waits": tuple(Wait.from_data(one) for one in data["waits"]),
            "tasks": tuple(data["tasks"]),
            "steps": tuple(Step.from_data(one) for one in data["steps"]),
            "stack": _stack(data["stack"]),
            "taken": tuple(Taken.from_data(one) for one in data["taken"]),
            "timeline": Timeline.from_data(data["timeline"]),
        }
        return Finding(**fields)
