"""What a design states about itself: true always, true in the end, a fence that must signal.

`machine.always` is looked at in every state, by whatever strategy picks the steps; `eventually` and
`finite` where a run comes to rest, and in runs that never end. Predicates only read.

A room above may add judges of its own, looked at as `always` is: memory that a device may still
use (sentence M) is judged by one that `mm` registers in `JUDGES`.

    >>> unmet_in({}, evaluate=lambda predicate: bool(predicate()))
    ()
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dmabuf.core.fence import Fence
from dmabuf.errors import ContractViolation, DesignError
from dmabuf.machine import PROPERTIES, Design, Machine, Property

if TYPE_CHECKING:
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.tasks import Tasks

__all__ = ["JUDGES", "Judge", "Judged", "build", "finite_in", "is_judged", "unmet", "unmet_in"]

Judge = Callable[["Tasks"], "tuple[str, str] | None"]
"""Says what is wrong in the present state: a rule and a sentence; None if nothing is."""

JUDGES: list[Judge] = []
"""Looked at in every state of every design; filled at import by who has something to judge."""


def build(design: Design, rt: Tasks) -> None:
    """Construct the design, and have every state judged by what it states."""
    design(Machine(rt))
    if is_judged(rt):
        rt.strategy = Judged(rt.strategy)


def is_judged(rt: Tasks) -> bool:
    """Is there anything to look at in every state?"""
    if JUDGES:
        return True
    return PROPERTIES in rt.extras and any(one.kind == "always" for one in _of(rt.extras))


def _of(extras: dict[str, Any]) -> list[Property]:
    stated: list[Property] = extras.get(PROPERTIES, [])
    return stated


def unmet(rt: Tasks) -> tuple[str, ...]:
    """The names of the properties that are to become true and are not, now."""
    return unmet_in(rt.extras, evaluate=rt.evaluate)


def unmet_in(
    extras: dict[str, Any], *, evaluate: Callable[[Callable[[], object]], bool]
) -> tuple[str, ...]:
    """The same, given how a predicate is evaluated."""
    stated = [one for one in _of(extras) if one.kind == "eventually"]
    return tuple(one.name for one in stated if not evaluate(one.predicate))


def finite_in(extras: dict[str, Any]) -> list[Fence]:
    """The fences that are to signal whether or not others know them."""
    return [one.fence for one in _of(extras) if one.fence is not None]


class Judged:
    """A strategy whose every state is judged before it picks the next step."""

    def __init__(self, strategy: Any) -> None:
        self._strategy = strategy

    def __getattr__(self, name: str) -> Any:
        return getattr(self._strategy, name)

    def pick(self, runtime: Tasks) -> int:
        """What the strategy picks; -1 where something is wrong, which is recorded."""
        found = _wrong(runtime)
        if found is None:
            step: int = self._strategy.pick(runtime)
            return step
        try:
            runtime.report(*found)
        except ContractViolation:
            return -1
        return -1

    def executed(self, transition: int, task: ExploredTask, footprint: tuple[int, ...]) -> None:
        """For the strategy."""
        self._strategy.executed(transition, task, footprint)


def _wrong(rt: Tasks) -> tuple[str, str] | None:
    for judge in JUDGES:
        found = judge(rt)
        if found is not None:
            return found
    for one in _of(rt.extras):
        if one.kind == "always":
            complaint = _complaint(rt, one)
            if complaint:
                return "DF005", complaint
    return None


def _complaint(rt: Tasks, one: Property) -> str:
    """What is wrong with a property that is to hold always; empty if nothing is."""
    said: list[str] = []

    def asks() -> bool:
        try:
            return bool(one.predicate())
        except (DesignError, ContractViolation) as error:
            said.append(f"{one.name} cannot be evaluated: {error}")
        except Exception as error:  # noqa: BLE001 - whatever a design raises is its outcome
            said.append(f"{one.name} raised {type(error).__name__}: {error}")
        return False

    return "" if rt.evaluate(asks) else (said[0] if said else f"{one.name} is not always true")
