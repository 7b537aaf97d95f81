"""Which fences others can find, and since when: what a neighbour may wait for.

A fence is public from the step on that publishes it (`core.fence_steps.PUBLISHED`). Many designs
say nothing of the kind: their body makes a fence, and their tasks use it. Such a fence is public
from the start, unless some run publishes it later on. Which ones do is learnt from a few runs.

>>> from dmabuf.core.timeline import Timeline
>>> from dmabuf.machine import design
>>> @design
... def later(machine):
...     fence = Timeline("gpu").fence()
...     machine.kthread(fence.publish)
>>> len(learnt(later).later)
1
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from dmabuf.contract.stacks import frames_here, places
from dmabuf.core.fence import Fence
from dmabuf.core.fence_array import FenceArray
from dmabuf.core.fence_chain import FenceChain, chain_contained
from dmabuf.core.fence_steps import PUBLICATIONS, PUBLISHED, State
from dmabuf.explore.portfolio import RANDOM
from dmabuf.explore.search import Budget, Search
from dmabuf.report.finding import Stack
from dmabuf.rt.api import READ, Op, Outcome, Runtime, Task
from dmabuf.rt.notes import attach, detach

if TYPE_CHECKING:
    from dmabuf.machine import Design
    from dmabuf.rt.tasks import Tasks

__all__ = ["LOOK", "Learnt", "Public", "learnt"]

_RUNS = 20


def _is_marked(fence: Fence) -> bool:
    state = fence._state
    return isinstance(state, State) and bool(state.flags & PUBLISHED)


def _inside(head: Fence) -> Iterator[Fence]:
    """What a container holds together with whoever finds it."""
    node: Fence | None = head
    while node is not None:
        contained = chain_contained(node)
        yield from contained.fences if isinstance(contained, FenceArray) else (contained,)
        node = node._prev if isinstance(node, FenceChain) else None


def _published(public: Public, _task: Task) -> list[Fence]:
    """The fences that were published by now, in an order that no schedule changes."""
    rt = cast("Tasks", public.rt)
    found = [one for one in rt.objects if isinstance(one, Fence) and _is_marked(one)]
    return sorted(found, key=rt.number_of)


LOOK = Op("neighbour.look", action=_published, access=READ, says="looks which fences are {}")


class Public:
    """What one can find in a run: made when the body has made what it makes.

    Args:
        rt: the runtime.
        later: numbers of the fences that are published later on.

    Attributes:
        start: fences that are public from the start.
    """

    __slots__ = ("__weakref__", "name", "rt", "start")

    def __init__(self, rt: Runtime, later: frozenset[int]) -> None:
        self.rt = rt
        self.name = "public"
        made = [one for one in cast("Tasks", rt).objects if isinstance(one, Fence)]
        self.start = [one for one in made if cast("Tasks", rt).number_of(one) not in later]
        rt.adopt(self, self.name)
        rt.extras[PUBLICATIONS] = self

    def fences(self) -> list[Fence]:
        """All that are public now; a step. Context: any."""
        self.rt.step(LOOK, self)
        published: list[Fence] = self.rt.current().value
        return [*self.start, *(one for one in published if one not in self.start)]


@dataclass(slots=True)
class Learnt:
    """What some runs of a design have shown.

    Attributes:
        later: numbers of the fences of its body that are published by a step.
        hidden: names of fences that tasks make and others touch, though nothing publishes them:
            neighbours do not find those.
        fences: are there any?
        begins: of each task by name, where it made its first step.
    """

    later: set[int] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    fences: bool = False
    begins: dict[str, Stack] = field(default_factory=dict)
    _touched: dict[int, set[Task]] = field(default_factory=dict)

    def note(self, rt: Tasks) -> None:
        """A run has ended."""
        for obj, creator in zip(rt.objects, rt.creators, strict=True):
            if not isinstance(obj, Fence):
                continue
            self.fences = True
            number = rt.number_of(obj)
            if _is_marked(obj):
                self.later.update(map(rt.number_of, (obj, *_inside(obj))))
            elif creator.key and self._touched.get(number, set()) - {creator}:
                self.hidden.add(rt.label(obj))
        self._touched.clear()

    def announced(self, task: Task, op: Op, obj: Any) -> None:
        """Before a step: whose fence is it, and is it the task's first one?"""
        del op
        if task.name not in self.begins:
            self.begins[task.name] = places(frames_here()[1:])
        if isinstance(obj, Fence):
            number = cast("Tasks", task.runtime).number_of(obj)
            self._touched.setdefault(number, set()).add(task)

    def stepped(self, task: Task, op: Op, obj: Any, outcome: Outcome) -> None:
        """Nothing that was not announced."""

    def blocked(self, task: Task, op: Op, obj: Any) -> None:
        """Nothing."""

    def created(self, task: Task, obj: Any) -> None:
        """Nothing: the runtime knows who made what."""

    def reported(self, code: str, message: str) -> None:
        """Nothing."""


def learnt(fn: Design, carrier: str = "") -> Learnt:
    """Learn from random runs of a design.

    Args:
        fn: the design.
        carrier: what tasks run on.
    """
    found = Learnt()

    def ended(rt: Tasks) -> None:
        detach(rt, found)
        found.note(rt)

    search = Search(
        fn,
        Budget(executions=_RUNS),
        engine=RANDOM,
        carrier=carrier,
        on_start=lambda rt: attach(rt, found),
        on_end=ended,
    )
    search.run()
    return found
