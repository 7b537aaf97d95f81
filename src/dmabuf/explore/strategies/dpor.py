"""Source-DPOR: only such branches as a race in an execution that was run calls for.

After each execution its races are looked for: two steps of different tasks of which the later
could have come first, and it matters. Each race asks that the later step, or something that leads
to it, be tried before the earlier one (P. Abdulla, S. Aronis, B. Jonsson, K. Sagonas, "Source
Sets: A Foundation for Optimal Dynamic Partial Order Reduction", 2017). Sleep sets see to it that
no class of executions is completed twice.

Unlike `DepthFirst` it does not visit every state. What follows from that, and why steps that are
blocked take part in races, is told in docs/design/0007-source-dpor.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dmabuf.explore.dependence import independent
from dmabuf.explore.strategies.dfs import DepthFirst, Node
from dmabuf.explore.strategies.happens import Accesses, firsts, unordered
from dmabuf.explore.strategies.stops import rests
from dmabuf.explore.strategies.watch import Watches, has_ways
from dmabuf.rt.api import WRITE

if TYPE_CHECKING:
    from dmabuf.rt.api import Op
    from dmabuf.rt.explored_task import ExploredTask
    from dmabuf.rt.tasks import Tasks

__all__ = ["SourceSets"]

_PER_TASK = 256
Footprint = tuple[int, ...]


class _Choice(Node):
    """A state on the present path, and what races need to know of it.

    Attributes:
        enabled: the transitions that were possible.
        tasks: how many tasks there were.
        tried: the tasks whose transitions are explored from here.
        watch: what decides in which ways the step that was made is possible.
        guard: the operation, if that is a matter of its object's state alone.
        near: what guarded steps of other tasks would have touched, where they were possible.
        obj: the object of the step that was made, as read.
        closed: operations that were not possible on it just before, whoever asked.
        ways: the watch of a step that could have gone another way later on.
        doors: where handlers could start.
        turned: what the step changed of that.
        may_stop: its task could have stopped for ever instead.
        before: the index of the same task's step before; -1 if there is none.
        ordinal: of the task that made the step.
        own: that task, as it is changed by being spawned.
    """

    __slots__ = (
        "before",
        "closed",
        "doors",
        "enabled",
        "guard",
        "may_stop",
        "near",
        "obj",
        "ordinal",
        "own",
        "tasks",
        "tried",
        "turned",
        "watch",
        "ways",
    )

    def __init__(
        self,
        chosen: int,
        todo: list[int],
        sleep: dict[int, Footprint],
        enabled: list[int],
        tasks: int,
    ) -> None:
        super().__init__(chosen, todo, sleep)
        self.enabled = enabled
        self.tasks = tasks
        self.tried = {chosen // _PER_TASK}
        self.watch: Footprint = ()
        self.ways: Footprint = ()
        self.doors: frozenset[int] = frozenset()
        self.turned: Footprint = ()
        self.guard: Op | None = None
        self.obj = -1
        self.closed: list[Op] = []
        self.may_stop = False
        self.near: dict[int, Footprint] = {}
        self.before = -1
        self.ordinal = -1
        self.own = -1

    def offers(self, task: int) -> bool:
        """Could that task move?"""
        return any(transition // _PER_TASK == task for transition in self.enabled)

    def add(self, task: int) -> None:
        """Explore whatever that task could do from here, unless it sleeps."""
        if task not in self.tried:
            self.tried.add(task)
            self.todo += [t for t in self.enabled if t // _PER_TASK == task and t not in self.sleep]

    def add_all(self) -> None:
        """Explore whatever was possible here."""
        for transition in self.enabled:
            self.add(transition // _PER_TASK)


class _Stand:
    """A task that stands at a step: one that it makes at last, or is left in at the end.

    Attributes:
        index: of the step; the number of steps made if it is not made.
        task: whose step it is.
        ordinal: of that task.
        known: the steps that the task's arrival there depends on.
        led: these, or what came before the task was there at all.
        watch: what its ways depend on.
        guard: the operation, if its ways are a matter of its object's state alone.
        obj: that object, as read.
    """

    __slots__ = ("guard", "index", "known", "led", "obj", "ordinal", "task", "watch")

    def __init__(self, index: int, task: int, ordinal: int, watch: Footprint) -> None:
        self.index = index
        self.task = task
        self.ordinal = ordinal
        self.watch = watch
        self.known = 0
        self.led = 0
        self.guard: Op | None = None
        self.obj = -1


class SourceSets(DepthFirst):
    """The strategy; see `DepthFirst` for its arguments and attributes.

    `ended` has to be called at the end of each execution, before its tasks are unwound.

    Attributes:
        rests: steps that lead to states in which tasks may have stopped, still to be visited.
    """

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self._accesses = Accesses()
        self._ways = Accesses()
        self._turned = Accesses()
        self._watches = Watches()
        self._pasts: list[int] = []
        self._latest: dict[int, int] = {}
        self.rests: list[list[Node]] = []
        self._rests_seen: set[frozenset[int]] = set()
        self._step_names: dict[tuple[int, Footprint, frozenset[int]], int] = {}

    def _extend(self, enabled: list[int], runtime: Tasks) -> int:
        previous = self.path[-1] if self.path else None
        sleep = self._inherited(previous) if previous is not None else {}
        awake = [transition for transition in enabled if transition not in sleep]
        if not awake:
            self.fell_asleep = True
            return -1
        self._order(awake, previous)
        task = awake[0] // _PER_TASK
        todo = [transition for transition in awake if transition // _PER_TASK == task]
        chosen = todo.pop(0)
        self.path.append(_Choice(chosen, todo, sleep, enabled, len(runtime.tasks)))
        return chosen

    def pick(self, runtime: Tasks) -> int:
        """As `DepthFirst`; also note what decides whether the step is possible."""
        chosen = super().pick(runtime)
        if self._depth >= self.replayed - 1:
            if chosen >= 0:
                self._note_watch(runtime, chosen)
            if runtime.cpus.interrupts:
                self._note_doors(runtime, chosen)
        return chosen

    def _note_watch(self, runtime: Tasks, chosen: int) -> None:
        node = self._node(self._depth)
        task = runtime.by_number[chosen // _PER_TASK]
        node.obj = obj = runtime.number_of(task.obj) << 1
        node.closed = self._watches.closed(task, obj)
        node.watch = self._watches.of(task, runtime)
        node.guard = self._watches.guard(task, obj)
        node.ways = self._watches.other_ways(task, runtime, chosen % _PER_TASK)
        node.turned = ()
        node.ordinal = task.ordinal
        node.own = runtime.number_of(task) << 1 | WRITE
        node.may_stop = task.may_stop
        node.near = self._watches.near(runtime, node.enabled, task)

    def _note_doors(self, runtime: Tasks, chosen: int) -> None:
        """Note where handlers may start, and that the last new step changed that."""
        doors = runtime.cpus.doors(runtime.tasks)
        if self._depth > max(self.replayed - 1, 0):
            last = self._node(self._depth - 1)
            last.turned = (runtime.cpus.doors_number << 1 | WRITE,) if doors != last.doors else ()
        if chosen >= 0:
            self._node(self._depth).doors = doors

    # -- races -------------------------------------------------------------------------------------

    def ended(self, runtime: Tasks) -> None:
        """The execution has ended: look for the races of its new steps and blocked tasks."""
        if self.diverged is not None or self._depth < self.replayed or not self.path:
            return
        halted = self.was_cut or bool(runtime.reports) or runtime.failure is not None
        last = len(self.path) - 1
        new = len(self._pasts)
        for index in range(new, last + 1):
            self._look_back(index, halts=halted and index == last)
        if halted:
            self._node(last).add_all()
        self._look_back_from_waiting(runtime, halted=halted)
        self._find_rests(new)

    def _look_back(self, index: int, *, halts: bool) -> None:
        """Note a step that was made, after its races; one that halts all races with everything."""
        node = self._node(index)
        task = node.chosen // _PER_TASK
        stand = self._stand(index, task, node.ordinal, node.own, node.watch)
        stand.guard, stand.obj = node.guard, node.obj
        known = stand.known
        past = known
        conflicting = self._accesses.before(node.footprint, known)
        for earlier in conflicting:
            past |= self._pasts[earlier]
        candidates = conflicting
        if halts:
            candidates = [step for step in range(index - 1, -1, -1) if not known >> step & 1]
        covered = known
        for earlier in candidates:
            if not covered >> earlier & 1:
                covered |= self._pasts[earlier]
                if self._may_follow(earlier, stand, node.chosen):
                    self._reverse(earlier, index, past)
        self._pasts.append(past | 1 << index)
        self._come_first(stand)
        self._open_ways(index, node)
        node.before = self._latest.get(task, -1)
        self._latest[task] = index
        self._accesses.add(index, node.footprint)
        self._ways.add(index, node.ways)
        self._turned.add(index, node.turned)

    def _stand(
        self, index: int, task: int, ordinal: int, own: int, watch: Footprint
    ) -> _Stand:
        """Where a task stood, and what had led it there."""
        stand = _Stand(index, task, ordinal, watch)
        before = self._latest.get(task, -1)
        if before >= 0:
            stand.known = stand.led = self._pasts[before]
        elif ordinal >= self._node(0).tasks:
            made = max(i for i in range(index) if self._node(i).tasks <= ordinal)
            stand.led = self._pasts[made]
            if own in self._node(made).footprint:
                stand.known = stand.led
        return stand

    def _conflicts(self, node: _Choice, watch: Footprint) -> bool:
        """Could the node's step have changed in which ways a step is possible?"""
        return bool(watch) and not (
            independent(node.footprint, watch) and independent(node.turned, watch)
        )

    def _may_follow(self, earlier: int, stand: _Stand, transition: int) -> bool:
        """May a step that was made have been possible before one that it depends on, and after?

        Asked before the step is noted.
        """
        node = self._node(earlier)
        if not self._conflicts(node, stand.watch):
            return True
        if not self._is_there(earlier, node, stand):
            return not self._is_closed(node, stand)
        if self._openers(earlier, stand, stand.watch):
            return True
        after = self._node(earlier + 1) if earlier + 1 < len(self.path) else None
        return transition in node.enabled and (after is None or transition in after.enabled)

    def _is_there(self, earlier: int, node: _Choice, stand: _Stand) -> bool:
        """Did the task stand at its step already before the earlier step?"""
        return stand.ordinal < node.tasks and not stand.led >> earlier

    def _is_closed(self, node: _Choice, stand: _Stand) -> bool:
        """Was its step impossible there, wherever the task was?"""
        return (
            stand.guard in node.closed
            and stand.obj == node.obj
            and node.obj | WRITE in node.footprint
        )

    def _openers(self, earlier: int, stand: _Stand, watch: Footprint) -> list[int]:
        """Steps that do not depend on the earlier one, and conflict with what is watched."""
        kept = unordered(self._pasts, earlier, stand.index)
        return [
            step
            for step in range(earlier + 1, stand.index)
            if kept >> step & 1 and self._conflicts(self._node(step), watch)
        ]

    def _reverse(self, earlier: int, index: int, past: int) -> None:
        """Have a step tried before an earlier one that it depends on and that did not enable it."""
        node = self._node(earlier)
        kept = unordered(self._pasts, earlier, index)
        first = [self.path[step].chosen for step in firsts(self._pasts, earlier, kept)]
        if not past & kept:
            first.append(self.path[index].chosen)
        _explore_one(node, first)

    def _come_first(self, stand: _Stand) -> None:
        """Have a step tried before each earlier one that may have closed or opened a way of it."""
        if not stand.watch:
            return
        found = set(self._accesses.before(stand.watch, stand.known))
        found |= self._turned.all_before(stand.watch, stand.known)
        for earlier in sorted(found, reverse=True):
            self._try_first(earlier, self._node(earlier), stand)

    def _try_first(self, earlier: int, node: _Choice, stand: _Stand) -> None:
        """Have the way to a step tried that was perhaps possible before the earlier step."""
        if stand.led >> earlier & 1:
            node.add_all()  # who makes a helper task first is not a matter of footprints
            return
        if not self._is_there(earlier, node, stand):
            if not self._is_closed(node, stand):
                self._lead(earlier, node, stand.led)
            return
        watch = stand.watch
        if node.offers(stand.task):
            node.add(stand.task)
            watch += node.near.get(stand.task, ())
        for step in self._openers(earlier, stand, watch):
            self._lead(earlier, node, self._pasts[step])

    def _lead(self, earlier: int, node: _Choice, past: int) -> None:
        """Have what came before something tried before an earlier step that did not."""
        kept = past >> (earlier + 1) << (earlier + 1)
        first = firsts(self._pasts, earlier, kept)
        _explore_one(node, [self.path[step].chosen for step in first])

    def _open_ways(self, index: int, node: _Choice) -> None:
        """Have a step tried before earlier ones that could have gone another way after it."""
        past = self._pasts[index]
        for footprint in (node.footprint, node.turned):
            for earlier in sorted(self._ways.all_before(footprint, past), reverse=True):
                self._lead(earlier, self._node(earlier), past)

    def _look_back_from_waiting(self, runtime: Tasks, *, halted: bool) -> None:
        """Races of the steps that tasks are blocked in at the end, or did not come to make."""
        enabled = {transition // _PER_TASK for transition in runtime.enabled()}
        for task in runtime.tasks:
            if task.op is None:
                continue
            if task.number in enabled and not halted and not has_ways(task):
                continue
            watch = self._watches.of(task, runtime)
            own = runtime.number_of(task) << 1 | WRITE
            stand = self._stand(len(self.path), task.number, task.ordinal, own, watch)
            stand.obj = runtime.number_of(task.obj) << 1
            stand.guard = self._watches.guard(task, stand.obj)
            self._come_first(stand)

    # -- the path ----------------------------------------------------------------------------------

    def backtrack(self) -> bool:
        """Move to the next execution; False when all have been run."""
        path = self.path
        while path:
            node = self._node(len(path) - 1)
            self._forget(node)
            node.done[node.chosen] = node.footprint
            if node.todo:
                node.chosen = node.todo.pop(0)
                return True
            path.pop()
        return False

    def _forget(self, node: _Choice) -> None:
        """Take the last step out of the history."""
        if len(self._pasts) < len(self.path):
            return
        self._pasts.pop()
        self._accesses.drop(node.footprint)
        self._ways.drop(node.ways)
        self._turned.drop(node.turned)
        task = node.chosen // _PER_TASK
        if node.before < 0:
            del self._latest[task]
        else:
            self._latest[task] = node.before

    def _node(self, index: int) -> _Choice:
        node = self.path[index]
        assert isinstance(node, _Choice)
        return node

    # -- states of rest ----------------------------------------------------------------------------

    def _find_rests(self, new: int) -> None:
        """Note the states of rest that this execution stands for and none before it did."""
        stops: dict[int, list[int]] = {}
        for index in range(len(self.path)):
            node = self._node(index)
            if node.may_stop:
                stops.setdefault(node.chosen // _PER_TASK, []).append(index)
        if not stops:
            return
        names = self._names_of_steps()
        for made in rests(self._pasts, stops, new):
            steps = [index for index in range(len(self.path)) if made >> index & 1]
            key = frozenset(names[index] for index in steps)
            if key not in self._rests_seen:
                self._rests_seen.add(key)
                if made & (made + 1):  # else it was passed on the way
                    self.rests.append([_copy(self.path[index]) for index in steps])

    def _names_of_steps(self) -> list[int]:
        """A number for each step of the path: equal where the step and all before it are."""
        names: list[int] = []
        for index, node in enumerate(self.path):
            before = self._pasts[index]
            past = frozenset(names[i] for i in range(index) if before >> i & 1)
            key = (node.chosen, node.footprint, past)
            names.append(self._step_names.setdefault(key, len(self._step_names)))
        return names


def _explore_one(node: _Choice, transitions: list[int]) -> None:
    """Have one of some transitions explored from there, or everything if none is possible."""
    for transition in transitions:
        if transition // _PER_TASK in node.tried or transition in node.sleep:
            return
    for transition in transitions:
        if node.offers(transition // _PER_TASK):
            node.add(transition // _PER_TASK)
            return
    node.add_all()


def _copy(node: Node) -> Node:
    """A step as it was made; the node itself goes on to others."""
    copy = Node(node.chosen, [], {})
    copy.footprint = node.footprint
    copy.step = node.step
    return copy
