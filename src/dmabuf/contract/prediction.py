"""What the validator found: findings, and what a directed search needs to confirm or refute them.

A prediction says what *can* happen, from what did happen in one run. So it keeps the conflict
itself beside the report: the classes and locks, and the places that have to meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dmabuf.codes import CODES
from dmabuf.contract.judge import code_of, message_of, own_link
from dmabuf.contract.limits import Reached
from dmabuf.contract.order import Conflict, Cycle, Link
from dmabuf.contract.stacks import Frames, places
from dmabuf.report.finding import Finding, Place, Stack, Taken, Wait

__all__ = ["Found", "Prediction"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """A finding, with what it rests on.

    Attributes:
        finding: for people and for every checker alike.
        conflict: the cycle or nesting; None if the run itself broke the rule.
        is_suspicion: it rests on a guess, and is reported as a finding only once a search has
            confirmed it.
        who: the task that is suspected.
        about: the object with which.
    """

    finding: Finding
    conflict: Conflict | None = None
    is_suspicion: bool = False
    who: str = ""
    about: str = ""

    @property
    def links(self) -> tuple[Link, ...]:
        """The dependencies that have to come together."""
        if self.conflict is None:
            return ()
        return self.conflict.links if isinstance(self.conflict, Cycle) else (self.conflict.link,)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the lock classes, in the order of the cycle."""
        return tuple(link.before.name for link in self.links)

    @property
    def instances(self) -> tuple[tuple[str, str], ...]:
        """Of each link the lock that was held and the one asked for."""
        return tuple((link.held, link.taken) for link in self.links)

    @property
    def places(self) -> tuple[Place, ...]:
        """The lines that a schedule has to bring together."""
        if self.conflict is None:
            return () if self.finding.place is None else (self.finding.place,)
        asked = (link.taken_at for link in self.links if not link.is_stated)
        return tuple(stack[0] for stack in asked if stack)


class Found:
    """All that one validator found, each thing once.

    Args:
        reached: told of findings that do not fit any more.
    """

    def __init__(self, reached: Reached) -> None:
        self.reached = reached
        self.predictions: list[Prediction] = []
        self._seen: set[object] = set()
        self._told: set[tuple[str, Place | None]] = set()
        self._reported: set[tuple[str, Place | None]] = set()

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.predictions)

    def conflict(self, conflict: Conflict) -> None:
        """A conflict of the order of locks."""
        code = code_of(conflict)
        links = conflict.links if isinstance(conflict, Cycle) else (conflict.link,)
        own = _leading(conflict)
        interrupted = isinstance(conflict, Cycle) and bool(conflict.context)
        stack = own.held_at if interrupted else own.taken_at
        place = stack[0] if stack else None
        classes = (own.before.number, own.after.number)
        suspected = isinstance(conflict, Cycle) and conflict.is_guess
        if (code, place) in self._reported or not self._is_new((code, classes, place)):
            return
        self._told.add((code, place))
        finding = Finding(
            code=code,
            message=message_of(conflict),
            implied=_implied(code),
            place=place,
            waits=tuple(_wait(link) for link in links if not link.is_stated),
            stack=stack,
            taken=(Taken(own.held, own.held_at),) if own.held_at else (),
        )
        self._add(Prediction(finding, conflict, suspected))

    def violation(
        self,
        code: str,
        message: str,
        frames: Frames,
        *,
        key: object = None,
        suspected: bool = False,
        who: str = "",
        about: str = "",
    ) -> None:
        """Something that the run itself did; the same once for each place, or once for `key`.

        What the runtime reports and a conflict says as well is told once.
        """
        stack: Stack = places(frames)
        place = stack[0] if stack else None
        if place is not None and (code, place) in self._told:
            return
        self._reported.add((code, place))
        if self._is_new((code, suspected, key or place, None if key else message)):
            finding = Finding(
                code=code, message=message, implied=_implied(code), place=place, stack=stack
            )
            self._add(Prediction(finding, None, suspected, who, about))

    def _is_new(self, key: object) -> bool:
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def _add(self, prediction: Prediction) -> None:
        if len(self.predictions) >= self.reached.limits.findings:
            self.reached.note("findings")
        else:
            self.predictions.append(prediction)


def _leading(conflict: Conflict) -> Link:
    """The link to look at first: what a signalling section does, else what contradicts."""
    if not isinstance(conflict, Cycle):
        return conflict.link
    return next(
        (link for link in conflict.links if link.before.role == "fence"), own_link(conflict)
    )


def _implied(code: str) -> tuple[str, ...]:
    known = CODES.get(code)
    return known.entails if known is not None else ()


def _wait(link: Link) -> Wait:
    stack = link.taken_at
    return Wait(
        task=link.who,
        state="waits for",
        target=link.taken or link.after.name,
        holds=(link.held or link.before.name,),
        place=stack[0] if stack else None,
        via="fence" if link.after.role == "fence" else "lock",
        definite=True,
        leads=True,
        stack=stack,
        taken=(Taken(link.held or link.before.name, link.held_at),),
    )
