"""The races of an execution: which steps could have come first, and what would lead to them.

A race is an earlier step and a step that another task stands at later, and made or did not. What
is asked for, and why that is enough, is told in docs/design/0007-source-dpor.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmabuf.explore.dependence import independent
from dmabuf.explore.strategies.happens import Accesses, firsts, unordered
from dmabuf.explore.strategies.watch import has_ways
from dmabuf.rt.api import READ, WRITE
from dmabuf.rt.strategy import VARIANTS

if TYPE_CHECKING:
    from dmabuf.explore.strategies.choice import Choice
    from dmabuf.explore.strategies.watch import Watches
    from dmabuf.rt.api import Op
    from dmabuf.rt.tasks import Tasks

__all__ = ["Races"]

Footprint = tuple[int, ...]


class Stand:
    """A task that stands at a step: one that it makes at last, or is left in at the end.

    Attributes:
        index: of the step; the number of steps made if it is not made.
        task: whose step it is.
        ordinal: of that task.
        known: the steps that the task's arrival there depends on.
        led: these, or what came before the task was there at all.
        watch: what its ways depend on.
        guard: the operation, if its ways are a matter of its object's state alone.
        obj: its object, as read.
        access: how it touches that if it touches nothing else; as read if it may.
        raced: earlier steps that it stood beside, and races with.
        touched: what it would have touched before those.
    """

    __slots__ = (
        "access",
        "guard",
        "index",
        "known",
        "led",
        "obj",
        "ordinal",
        "raced",
        "task",
        "touched",
        "watch",
    )

    def __init__(self, index: int, task: int, ordinal: int, watch: Footprint) -> None:
        self.index = index
        self.task = task
        self.ordinal = ordinal
        self.watch = watch
        self.known = 0
        self.led = 0
        self.guard: Op | None = None
        self.obj = -1
        self.access = READ
        self.raced: list[int] = []
        self.touched: set[int] = set()

    def near_to(self, node: Choice) -> Footprint:
        """What the step would have touched at a node from which its task could have moved."""
        return (self.obj | self.access, *(node.near or {}).get(self.task, ()))


class Races:
    """The steps of the present path that were compared with those before them.

    Attributes:
        path: the states of the execution; it grows and shrinks with the search.
        pasts: of each step compared, the steps that came before it and itself.
    """

    def __init__(self, path: list[Choice], watches: Watches) -> None:
        self.path = path
        self.pasts: list[int] = []
        self._watches = watches
        self._accesses = Accesses()
        self._ways = Accesses()
        self._stands = Accesses()
        self._shut = Accesses()
        self._latest: dict[int, int] = {}

    def from_step(self, index: int, *, halts: bool) -> None:
        """Note a step that was made, after its races; one that halts all races with everything."""
        node = self.path[index]
        task = node.chosen // VARIANTS
        before = self._latest.get(task, -1)
        stand = self._stand(index, task, node.ordinal, node.own, node.watch)
        stand.guard, stand.obj, stand.access = node.guard, node.obj, node.access
        known = past = stand.known
        conflicting = self._accesses.before(node.footprint, known)
        for earlier in conflicting:
            past |= self.pasts[earlier]
        if halts:
            conflicting = [step for step in range(index - 1, -1, -1) if not known >> step & 1]
        covered = known
        for earlier in conflicting:
            if not covered >> earlier & 1:
                covered |= self.pasts[earlier]
                if not self._closes(self.path[earlier], node.watch):
                    self._reverse(earlier, index, past)
        self.pasts.append(past | 1 << index)
        if self._stands.is_used:
            self._come_late(index, node)
        if self._ways.is_used:
            self._open_ways(index, node)
        node.stand = None
        if node.watch:
            self._come_first(stand)
            if stand.raced:
                node.stand = stand
        node.before = before
        self._latest[task] = index
        self._note(index, node)

    def _note(self, index: int, node: Choice) -> None:
        """Add a step to the history; most have neither other ways nor doors."""
        self._accesses.add(index, node.footprint)
        if node.stand is not None:
            node.stood = (*node.watch, *node.stand.touched)
            self._stands.add(index, node.stood)
        if node.ways:
            self._ways.add(index, node.ways)
        if node.shut:
            self._shut.add(index, node.shut)

    def _stand(self, index: int, task: int, ordinal: int, own: int, watch: Footprint) -> Stand:
        """Where a task stood, and what had led it there."""
        stand = Stand(index, task, ordinal, watch)
        before = self._latest.get(task, -1)
        if before >= 0:
            stand.known = stand.led = self.pasts[before]
        elif ordinal >= self.path[0].tasks:
            made = max(i for i in range(index) if self.path[i].tasks <= ordinal)
            stand.led = self.pasts[made]
            if own in self.path[made].footprint:
                stand.known = stand.led
        return stand

    def _closes(self, node: Choice, watch: Footprint) -> bool:
        """Could the node's step have closed a way of a step? Or opened, but for a handler's."""
        return bool(watch) and not (
            independent(node.footprint, watch) and independent(node.shut, watch)
        )

    def _opens(self, node: Choice, watch: Footprint) -> bool:
        """Could the node's step have opened a way of a step, or conflict with what it touches?"""
        return not (independent(node.footprint, watch) and independent(node.opened, watch))

    def _is_there(self, earlier: int, node: Choice, stand: Stand) -> bool:
        """Did the task stand at its step already before the earlier step?"""
        return stand.ordinal < node.tasks and not stand.led >> earlier

    def _is_closed(self, node: Choice, stand: Stand) -> bool:
        """Was its step impossible there, wherever the task was?"""
        return (
            stand.guard in node.closed
            and stand.obj == node.obj
            and not independent(node.footprint, (node.obj | WRITE,))
        )

    def _openers(self, earlier: int, stand: Stand, watch: Footprint) -> list[int]:
        """Steps that do not depend on the earlier one, and conflict with what is watched."""
        kept = unordered(self.pasts, earlier, stand.index)
        return [
            step
            for step in range(earlier + 1, stand.index)
            if kept >> step & 1 and self._opens(self.path[step], watch)
        ]

    def _reverse(self, earlier: int, index: int, past: int) -> None:
        """Have a step tried before an earlier one that it depends on and that did not enable it."""
        node = self.path[earlier]
        kept = unordered(self.pasts, earlier, index)
        first = [self.path[step].chosen for step in firsts(self.pasts, earlier, kept)]
        if not past & kept:
            first.append(self.path[index].chosen)
        node.add_one(first)

    def _come_first(self, stand: Stand) -> None:
        """Have a step tried before each earlier one that may have closed or opened a way of it."""
        found = self._accesses.before(stand.watch, stand.known)
        if self._shut.is_used:
            more = self._shut.all_before(stand.watch, stand.known)
            found = sorted({*found, *more}, reverse=True)
        for earlier in found:
            self._try_first(earlier, self.path[earlier], stand)

    def _try_first(self, earlier: int, node: Choice, stand: Stand) -> None:
        """Have the way to a step tried that was perhaps possible before the earlier step."""
        if stand.led >> earlier & 1:
            node.add_all()  # who makes a helper task first is not a matter of footprints
            return
        if not self._is_there(earlier, node, stand):
            if not self._is_closed(node, stand):
                self._lead(earlier, node, stand.led)
            return
        stand.raced.append(earlier)
        watch = stand.watch
        if node.offers(stand.task):
            node.add(stand.task)
            near = stand.near_to(node)
            stand.touched.update(near)
            watch += near
        for step in self._openers(earlier, stand, watch):
            self._lead(earlier, node, self.pasts[step])

    def _lead(self, earlier: int, node: Choice, past: int) -> None:
        """Have what came before something tried before an earlier step that did not."""
        kept = past >> (earlier + 1) << (earlier + 1)
        first = firsts(self.pasts, earlier, kept)
        node.add_one([self.path[step].chosen for step in first])

    def _come_late(self, index: int, node: Choice) -> None:
        """Have what came before a step tried before races that were found when it was not made.

        It does not depend on a step that ended a wait, but the wait had other ways.
        """
        past = self.pasts[index]
        for footprint in (node.footprint, node.opened):
            for made in sorted(self._stands.all_before(footprint, past), reverse=True):
                stand = self.path[made].stand
                assert stand is not None
                for earlier in stand.raced:
                    raced = self.path[earlier]
                    if not past >> earlier & 1 and self._opens(
                        node, (*stand.watch, *stand.near_to(raced))
                    ):
                        self._lead(earlier, raced, past)

    def _open_ways(self, index: int, node: Choice) -> None:
        """Have a step tried before earlier ones that could have gone another way after it."""
        past = self.pasts[index]
        for footprint in (node.footprint, node.opened):
            for earlier in sorted(self._ways.all_before(footprint, past), reverse=True):
                self._lead(earlier, self.path[earlier], past)

    def from_waiting(self, runtime: Tasks, *, halted: bool) -> None:
        """Races of the steps that tasks are blocked in at the end, or did not come to make."""
        enabled = {transition // VARIANTS for transition in runtime.enabled()}
        for task in runtime.tasks:
            if task.op is None:
                continue
            if task.number in enabled and not halted and not has_ways(task):
                continue
            watch = self._watches.of(task, runtime)
            own = runtime.number_of(task) << 1 | WRITE
            stand = self._stand(len(self.path), task.number, task.ordinal, own, watch)
            stand.obj = runtime.number_of(task.obj) << 1
            stand.access = task.op.access if task.op.touches is None else READ
            stand.guard = self._watches.guard(task)
            if watch:
                self._come_first(stand)

    def forget(self, node: Choice) -> None:
        """Take the last step out of the history."""
        if len(self.pasts) < len(self.path):
            return
        self.pasts.pop()
        self._accesses.drop(node.footprint)
        if node.stand is not None:
            self._stands.drop(node.stood)
        if node.ways:
            self._ways.drop(node.ways)
        if node.shut:
            self._shut.drop(node.shut)
        task = node.chosen // VARIANTS
        if node.before < 0:
            del self._latest[task]
        else:
            self._latest[task] = node.before
