"""The races of an execution: which steps could have come first, and what would lead to them.

A race is an earlier step and a step that another task stands at later, and made or did not. What
is asked for, and why that is enough, is told in docs/design/0007-source-dpor.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmabuf.explore.dependence import independent
from dmabuf.explore.strategies.happens import Accesses, firsts, steps_of, unordered
from dmabuf.explore.strategies.stands import Stand
from dmabuf.explore.strategies.wakeup import Planned
from dmabuf.explore.strategies.watch import has_ways, takes_a_cpu
from dmabuf.rt.api import READ, WRITE
from dmabuf.rt.strategy import BLOCK, INTERRUPT, TIMEOUT, VARIANTS

if TYPE_CHECKING:
    from dmabuf.explore.strategies.choice import Choice
    from dmabuf.explore.strategies.watch import Watch, Watches
    from dmabuf.rt.tasks import Tasks

__all__ = ["Races"]

Footprint = tuple[int, ...]


class Races:
    """The steps of the present path that were compared with those before them.

    Attributes:
        path: the states of the execution; it grows and shrinks with the search.
        pasts: of each step compared, the steps that came before it and itself.
        preemption: tasks of one CPU may be kept waiting at any step.
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
        self._relied = Accesses()
        self.preemption = True

    def from_step(self, index: int, *, halts: bool) -> None:
        """Note a step that was made, after its races; one that halts all races with everything."""
        node = self.path[index]
        task = node.chosen // VARIANTS
        before = self._latest.get(task, -1)
        stand = self._stand(index, task, node.ordinal, node.own, node.watch)
        stand.guard, stand.decides = node.guard, node.decides
        stand.obj, stand.access = node.obj, node.access
        stand.is_plain, stand.own, stand.starts = node.is_plain, node.own, node.starts
        stand.is_bound = node.is_bound
        if node.chosen % VARIANTS != TIMEOUT:
            stand.beside = node.watch.firm
        past = self._before_it(index, node, stand, halts=halts)
        self.pasts.append(past | 1 << index)
        if self._stands.is_used:
            self._come_late(index, node, node.footprint)
            if node.opened:
                self._come_late(index, node, node.opened)
        if self._ways.is_used:
            self._open_ways(index, node)
        node.stand = None
        if node.watch.firm:
            self._come_first(stand)
            if stand.raced:
                node.stand = stand
        node.before = before
        self._latest[task] = index
        if self._relied.is_used:
            self._come_between(index, node)
        self._note(index, node)

    def _before_it(self, index: int, node: Choice, stand: Stand, *, halts: bool) -> int:
        """Have a step tried before those that it depends on; returns all that came before it."""
        known = past = covered = stand.known
        conflicting = depends = self._accesses.before(node.footprint, known)
        for earlier in conflicting:
            past |= self.pasts[earlier]
        if halts:
            conflicting = [step for step in range(index - 1, -1, -1) if not known >> step & 1]
        watched = stand.beside
        if node.chosen % VARIANTS == INTERRUPT:
            watched += node.watch.signal
        for earlier in conflicting:
            if not covered >> earlier & 1:
                covered |= self.pasts[earlier]
                before = self.path[earlier]
                if not self._closes(before, watched) and not before.opens_door_of(node.entered):
                    self._reverse(earlier, index, past, always=halts and earlier not in depends)
        return past

    def _note(self, index: int, node: Choice) -> None:
        """Add a step to the history; most have neither other ways nor doors."""
        self._accesses.add(index, node.footprint)
        if node.stand is not None:
            node.stood = node.watch.whole
            self._stands.add(index, node.stood)
        if node.ways:
            self._ways.add(index, node.ways)
        if node.shut:
            self._shut.add(index, node.shut)
        if node.relied:
            node.leaned = tuple(dict.fromkeys(n for one in node.relied for n in one[3]))
            self._relied.add(index, node.leaned)

    def _stand(self, index: int, task: int, ordinal: int, own: int, watch: Watch) -> Stand:
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

    def _openers(self, kept: int, watch: Footprint) -> list[int]:
        """Those of some steps that conflict with what is watched."""
        return [step for step in steps_of(kept) if self._opens(self.path[step], watch)]

    def _reverse(self, earlier: int, index: int, past: int, *, always: bool) -> None:
        """Have a step tried before an earlier one that it depends on and that did not enable it."""
        kept = unordered(self.pasts, earlier, index)
        later, node = self.path[index], self.path[earlier]
        touched = None if always else self._before(earlier, index, kept)
        if touched is not None and later.chosen % VARIANTS < BLOCK:
            self._have(earlier, index, kept, (later.chosen, touched))
            return
        node.soften()
        if not self._is_covered(earlier, kept, touched):
            self._ask(earlier, kept, [later.chosen], comes_first=not past & kept)

    def _have(self, earlier: int, index: int, kept: int, last: Planned) -> None:
        """Have a whole sequence tried before an earlier step; remember what stands for it.

        That has to commute with what comes later, too, and does not depend on the two steps.
        """
        used = self.path[earlier].insert([*self._planned(kept), last])
        if used and index < len(self.path):
            touched = tuple(dict.fromkeys(number for one in used for number in one))
            self.path[index].relied += ((earlier, kept, last, touched),)

    def _come_between(self, index: int, node: Choice) -> None:
        """Have sequences tried again for which something stood that this step conflicts with."""
        past = self.pasts[index]
        for made in self._relied.all_before(node.footprint, past):
            for earlier, kept, last, touched in self.path[made].relied:
                if not past >> earlier & 1 and not independent(node.footprint, touched):
                    more = past >> (earlier + 1) << (earlier + 1)
                    self._have(earlier, index, kept | more, last)

    def _planned(self, kept: int) -> list[Planned]:
        path = self.path
        return [(path[step].chosen, path[step].footprint) for step in steps_of(kept)]

    def _before(self, earlier: int, index: int, kept: int) -> Footprint | None:
        """What a later step would have touched before an earlier one, if that can be told."""
        later, node = self.path[index], self.path[earlier]
        if later.is_plain:
            return later.footprint
        task = later.chosen // VARIANTS
        near = (node.near or {}).get(task)
        if near is None or self._latest.get(task, -1) > earlier:
            return None
        changed = any(not independent(self.path[step].footprint, near) for step in steps_of(kept))
        return None if changed else near

    def _is_covered(self, earlier: int, kept: int, touched: Footprint | None) -> bool:
        """Is something explored instead of a step that commutes with all that is asked for?"""
        if touched is None:
            return False
        footprints = [self.path[step].footprint for step in steps_of(kept)]
        return self.path[earlier].covers([*footprints, touched])

    def _ask(self, earlier: int, kept: int, last: list[int], *, comes_first: bool = False) -> None:
        """Have some steps, and what they are to lead to, tried before an earlier one."""
        steps = self._planned(kept) + [(one, None) for one in last]
        first = [self.path[step].chosen for step in firsts(self.pasts, earlier, kept)]
        if comes_first:
            first += last
        self.path[earlier].add_one(first, steps)

    def _come_first(self, stand: Stand) -> None:
        """Have a step tried before each earlier one that may have closed or opened a way of it.

        A signal only opens a way, which is not there before it.
        """
        found = self._accesses.before(stand.beside, stand.known)
        if self._shut.is_used:
            more = self._shut.all_before(stand.watch.firm, stand.known)
            found = sorted({*found, *more}, reverse=True)
            if stand.starts:
                found = [step for step in found if not self._enters(step, stand)]
        for earlier in found:
            self._try_first(earlier, self.path[earlier], stand)

    def _enters(self, earlier: int, stand: Stand) -> bool:
        """Have a handler start before the step that closed a door; False if more than that races.

        It started elsewhere, or later, but not because of that step: so there it could.
        """
        node = self.path[earlier]
        if node.door < 0 or not node.shut:
            return False
        if stand.index < len(self.pasts) and self.pasts[stand.index] >> earlier & 1:
            return False
        if not independent(node.footprint, stand.watch.firm):
            return False
        start = stand.task * VARIANTS + node.ordinal + 1
        planned = (start, (stand.obj | WRITE, node.door))
        since = max(earlier, self._before_stand(stand))
        kept = unordered(self.pasts, earlier, stand.index)
        for step in range(since + 1, stand.index):
            made = self.path[step]
            if (
                kept >> step & 1
                and not independent(made.footprint, (stand.obj,))
                and stand.guard not in made.closed
            ):
                self._have(earlier, stand.index, kept & (1 << step) - 1, planned)
        if stand.is_ready:
            self._have(earlier, stand.index, kept, planned)
        return True

    def _enter_later(self, index: int, node: Choice) -> None:
        """Have handlers that started before a step start after it instead, on its CPU."""
        past = self.pasts[index]
        for earlier in self._ways.all_before(node.left_open, past):
            start = self.path[earlier]
            if start.starts:
                kept = unordered(self.pasts, earlier, index) | 1 << index
                task = start.chosen // VARIANTS
                way = (task * VARIANTS + node.ordinal + 1, (start.obj | WRITE, node.door))
                self._have(earlier, index, kept, way)

    @staticmethod
    def _before_stand(stand: Stand) -> int:
        """The step that led its task there; all before it has been made, too."""
        return stand.led.bit_length() - 1

    def _try_first(self, earlier: int, node: Choice, stand: Stand) -> None:
        """Have the way to a step tried that was perhaps possible before the earlier step."""
        if stand.led >> earlier & 1:
            node.soften()
            node.add_all()  # who makes a helper task first is not a matter of footprints
            return
        if stand.is_closed_at(node):
            return
        if not stand.is_there(earlier, node):
            self._lead_there(earlier, node, stand)
            return
        if stand.starts and self._start_first(earlier, node, stand):
            return
        turns = stand.turns_at(node)
        if independent(node.footprint, stand.watch.firm) and not node.shut:
            turns = stand.timing_at(node)
        else:
            stand.raced.append(earlier)
        kept = unordered(self.pasts, earlier, stand.index)
        openers = self._openers(kept, turns)
        if node.offers(stand.task) and (self._opens(node, turns) or self._closes(node, turns)):
            if not openers and node.may_go_on(stand.task):
                self._stay(earlier, node, stand, kept)
                return
            self._go_on(earlier, node, stand, turns, kept)
        node.soften()
        self._open(earlier, node, stand, openers)

    def _lead_there(self, earlier: int, node: Choice, stand: Stand) -> None:
        """Have a step tried that its task came to only after the earlier step."""
        if stand.is_open_at(node):
            kept = unordered(self.pasts, earlier, stand.index)
            arrived = self._before_stand(stand)
            rest = stand.watch.firm[1:]
            if all(
                independent(self.path[step].footprint, rest)
                for step in steps_of(kept)
                if step > arrived
            ):
                planned = (stand.task * VARIANTS, stand.would_touch())
                self._have(earlier, stand.index, kept, planned)
                return
        node.soften()
        self._lead(earlier, stand.led, [stand.task * VARIANTS])

    def _start_first(self, earlier: int, node: Choice, stand: Stand) -> bool:
        """Have a handler start on an idle CPU before an earlier step; False if it could not.

        Where else it may start then is asked after that start.
        """
        start = stand.task * VARIANTS
        touched = node.starts_at.get(start)
        if touched is None or node.shut or independent(node.footprint, touched):
            return False
        kept = unordered(self.pasts, earlier, stand.index)
        if self._openers(kept, touched):
            return False
        stand.raced.append(earlier)
        self._have(earlier, stand.index, kept, (start, touched))
        return True

    def _stay(self, earlier: int, node: Choice, stand: Stand, kept: int) -> None:
        """Have a step tried that was possible, and stays so whatever else is made before it."""
        near = (node.near or {})[stand.task]
        ways = [one for one in node.enabled if one // VARIANTS == stand.task]
        is_one = len(ways) == 1 and not self._openers(kept, near)  # else it may touch more by then
        planned = (ways[0], near if stand.is_plain or is_one else None)
        self._have(earlier, stand.index, kept, planned)

    def _open(self, earlier: int, node: Choice, stand: Stand, openers: list[int]) -> None:
        """Have what may have opened a way of a step tried before an earlier one, and the step."""
        if openers and not self._is_kept_back(earlier, node, stand):
            for step in openers:
                if not self._leaves_closed(earlier, step, stand):
                    self._lead(earlier, self.pasts[step], [stand.task * VARIANTS])

    def _is_kept_back(self, earlier: int, node: Choice, stand: Stand) -> bool:
        """Is a step explored from a node that all orders in question begin with, or could?

        It commutes with the node's step, with what was made until it came, and with the step that
        is stood at.
        """
        bound = stand.bound()
        if bound is None:
            return False
        path = self.path
        before: list[Footprint] = [node.footprint, bound]
        moved = {node.chosen // VARIANTS, stand.task}
        for step in range(earlier + 1, stand.index):
            made = path[step]
            task = made.chosen // VARIANTS
            if task not in moved:
                moved.add(task)
                if (
                    made.chosen in node.enabled
                    and node.explores(made.chosen)
                    and all(independent(made.footprint, one) for one in before)
                    and not (stand.starts and (made.ways or node.is_open_to_handlers(made.ordinal)))
                ):
                    return True
            before.append(made.footprint)
        return False

    def _leaves_closed(self, earlier: int, step: int, stand: Stand) -> bool:
        """Is the way that is stood at closed after a step, as what decides that shows later?"""
        if stand.guard is None or not self.preemption:  # else it gives up its CPU
            return False
        path = self.path
        decides = (stand.decides | WRITE,)
        if not independent(path[earlier].footprint, decides):
            return False
        if independent(path[step].footprint, (stand.decides,)):
            return False
        for later in range(step + 1, len(path)):
            made = path[later]
            if made.obj == stand.obj:
                return stand.guard in made.closed or (stand.guard, stand.task) in made.closed
            if not independent(made.footprint, (stand.decides,)):
                return False
        return stand.index == len(path) and stand.is_closed

    def _go_on(self, earlier: int, node: Choice, stand: Stand, turns: Footprint, kept: int) -> None:
        """Have a step tried that was possible, or one that says nothing about it."""
        for step in firsts(self.pasts, earlier, kept):
            other = self.path[step]
            if node.has(other.chosen) and not self._opens(other, turns):
                return
        if not self._is_covered(earlier, kept, (*turns, *(node.near or {}).get(stand.task, turns))):
            node.add(stand.task)

    def _lead(self, earlier: int, past: int, last: list[int]) -> None:
        """Have what came before something tried before an earlier step that did not."""
        self._ask(earlier, past >> (earlier + 1) << (earlier + 1), last)

    def _come_late(self, index: int, node: Choice, footprint: Footprint) -> None:
        """Have what came before a step tried before races that were found when it was not made.

        It does not depend on a step that ended a wait, but the wait had other ways.
        """
        past = self.pasts[index]
        for made in self._stands.all_before(footprint, past):
            stand = self.path[made].stand
            assert stand is not None
            for earlier in stand.raced:
                raced = self.path[earlier]
                raced.soften()
                if not past >> earlier & 1 and self._opens(node, stand.turns_at(raced)):
                    self._lead(earlier, past, [stand.task * VARIANTS])

    def _open_ways(self, index: int, node: Choice) -> None:
        """Have a step tried before earlier ones that could have gone another way after it."""
        past = self.pasts[index]
        if node.left_open:
            self._enter_later(index, node)
        opened = node.opened and not node.left_open
        for footprint in (node.footprint, node.opened) if opened else (node.footprint,):
            for earlier in self._ways.all_before(footprint, past):
                self.path[earlier].soften()
                kept = past >> (earlier + 1) << (earlier + 1)
                if not self._is_covered(earlier, kept, self.path[earlier].other):
                    self._ask(earlier, kept, [self.path[earlier].chosen])

    def from_waiting(self, runtime: Tasks, *, halted: bool) -> None:
        """Races of the steps that tasks are blocked in at the end, or did not come to make."""
        enabled = {transition // VARIANTS for transition in runtime.enabled()}
        for task in runtime.tasks:
            if task.op is None:
                continue
            if task.number in enabled and not halted and not has_ways(task):
                continue
            watch = self._watches.of(task, runtime)
            own = task.own | WRITE
            stand = self._stand(len(self.path), task.number, task.ordinal, own, watch)
            stand.obj = task.place
            stand.access = task.op.access if task.op.touches is None else READ
            stand.guard = self._watches.guard(task)
            stand.is_ready = task.number in enabled
            stand.is_closed = not stand.is_ready and (
                not runtime.cpus.are_shared or not task.op.guard(task.obj, task)
            )
            stand.is_plain, stand.own = task.op.touches is None, own
            stand.starts = takes_a_cpu(task)
            stand.is_bound = task.op.starts and task.cpu is not None
            stand.decides = runtime.number_of(task.op.awaited(task.obj)) << 1
            if watch.firm:
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
        if node.relied:
            self._relied.drop(node.leaned)
            node.relied = ()
        task = node.chosen // VARIANTS
        if node.before < 0:
            del self._latest[task]
        else:
            self._latest[task] = node.before
