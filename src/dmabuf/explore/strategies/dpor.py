"""Source-DPOR: only such branches as a race in an execution that was run calls for.

After each execution its races are looked for: two steps of different tasks that touch a common
object, one of them changing it, with nothing between that orders them. Each asks that the later
step, or something that leads to it, be tried before the earlier one (P. Abdulla, S. Aronis,
B. Jonsson, K. Sagonas, "Source Sets: A Foundation for Optimal Dynamic Partial Order Reduction",
2017). Sleep sets see to it that no class of executions is completed twice.

Unlike `DepthFirst` it does not visit every state. What follows from that, and why blocked steps
take part in races, is told in docs/design/0007-source-dpor.md.
"""

from __future__ import annotations

import dis
import functools
from typing import TYPE_CHECKING, Any

from dmabuf.explore.dependence import independent
from dmabuf.explore.strategies.dfs import DepthFirst, Node
from dmabuf.explore.strategies.happens import Accesses, initials
from dmabuf.explore.strategies.stops import rests
from dmabuf.rt.api import READ, WRITE

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
        watch: what decides whether the step that was made is possible.
        guard: the operation, if that is a matter of its object's state alone.
        obj: the object of the step that was made, as read.
        closed: operations that were not possible on it just before, whoever asked.
        extra: what could open other ways out of the wait that this step left.
        may_stop: its task could have stopped for ever instead.
        before: the index of the same task's step before; -1 if there is none.
        ordinal: of the task that made the step.
        own: what the spawning of that task has changed, as in footprints.
    """

    __slots__ = (
        "before",
        "closed",
        "enabled",
        "extra",
        "guard",
        "may_stop",
        "obj",
        "ordinal",
        "own",
        "tasks",
        "tried",
        "watch",
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
        self.extra: Footprint = ()
        self.guard: Op | None = None
        self.obj = -1
        self.closed: list[Op] = []
        self.may_stop = False
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


class _Late:
    """A step whose races are looked for: one that was made, or that a task is blocked in."""

    __slots__ = (
        "footprint",
        "guard",
        "index",
        "ordinal",
        "own",
        "past",
        "task",
        "transition",
        "watch",
        "wide",
    )

    def __init__(
        self, index: int, task: int, ordinal: int, own: int, transition: int, watch: Footprint
    ) -> None:
        self.own = own
        self.index = index
        self.task = task
        self.ordinal = ordinal
        self.transition = transition
        self.watch = watch
        self.footprint: Footprint = ()
        self.guard: Op | None = None
        self.past = 0
        self.wide = 0


class SourceSets(DepthFirst):
    """The strategy; see `DepthFirst` for its arguments and attributes.

    `ended` has to be called at the end of each execution, before its tasks are unwound.

    Attributes:
        rests: steps that lead to states in which tasks may have stopped, still to be visited.
    """

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self._accesses = Accesses()
        self._watches = Accesses()
        self._pasts: list[int] = []
        self._latest: dict[int, int] = {}
        self._timed: set[int] = set()
        self._guards: dict[int, dict[Op, None]] = {}
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
        """As `DepthFirst`; also note what the step's object does not allow just now."""
        chosen = super().pick(runtime)
        if chosen >= 0 and self._depth >= self.replayed - 1:
            node = self._node(self._depth)
            task = runtime.by_number[chosen // _PER_TASK]
            node.obj = runtime.number_of(task.obj) << 1 | READ
            guards = self._guards.get(node.obj)
            node.closed = (
                [] if guards is None else [g for g in guards if not g.guard(task.obj, task)]
            )
        return chosen

    def executed(self, transition: int, task: ExploredTask, footprint: Footprint) -> None:
        """Remember what the transition touched, or compare with what it did before."""
        node = self.path[self._depth]
        if self._depth >= self.replayed - 1:
            assert isinstance(node, _Choice)
            node.ordinal = task.ordinal
            runtime: Any = task.runtime
            node.own = runtime.number_of(task) << 1 | WRITE
            node.watch = self._watched(task)
            node.guard = self._guard_of(task, node.watch, node.obj)
            if _has_ways(task):
                node.extra = (
                    (*node.watch, *self._timed) if task.deadline is not None else node.watch
                )
            node.may_stop = task.may_stop
        super().executed(transition, task, footprint)

    def _guard_of(self, task: ExploredTask, watch: Footprint, obj: int) -> Op | None:
        """The operation it stands at, if its object alone decides whether it is possible."""
        op = task.op
        assert op is not None
        if watch != (obj,) or not _asks_object_only(op):
            return None
        self._guards.setdefault(obj, {})[op] = None
        return op

    def _watched(self, task: ExploredTask) -> Footprint:
        """What decides whether the step that a task stands at is possible, and in which ways."""
        op = task.op
        assert op is not None
        runtime: Any = task.runtime
        if not op.is_guarded and not runtime.cpus.depends(task):
            return ()
        number_of = runtime.number_of
        watched = [number_of(task.obj) << 1 | READ]
        if op.waits_on is not None:
            watched.append(number_of(op.awaited(task.obj)) << 1 | READ)
        if task.interruptible:
            watched.append(number_of(task) << 1 | READ)
        if task.deadline is not None:
            watched.append(number_of(runtime.clock) << 1 | WRITE)
            self._timed.add(number_of(op.awaited(task.obj)) << 1 | READ)
        if runtime.cpus.depends(task):
            watched.append(runtime.cpus.number(runtime.cpus.of(task)) << 1 | READ)
        return tuple(watched)

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
        self._look_back_from_waiting(runtime, halted=halted)
        self._find_rests(new)

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

    def _node(self, index: int) -> _Choice:
        node = self.path[index]
        assert isinstance(node, _Choice)
        return node

    def _look_back(self, index: int, *, halts: bool) -> None:
        """Note a step that was made, after its races; one that halts all races with everything."""
        node = self._node(index)
        task = node.chosen // _PER_TASK
        node.before = self._latest.get(task, -1)
        known = self._pasts[node.before] if node.before >= 0 else 0
        conflicting = self._accesses.before(node.footprint, known)
        past, direct = known, known
        for earlier in conflicting:
            direct |= 1 << earlier
            past |= self._pasts[earlier]
        if conflicting or halts or self._watches.is_used:
            late = _Late(index, task, node.ordinal, node.own, node.chosen, node.watch)
            late.footprint = node.footprint
            late.guard = node.guard
            late.past = direct
            self._reverse_races(late, known, halts=halts)
        self._pasts.append(past | 1 << index)
        self._latest[task] = index
        self._accesses.add(index, node.footprint)
        if node.extra:
            self._watches.add(index, node.extra)

    def _look_back_from_waiting(self, runtime: Tasks, *, halted: bool) -> None:
        """Races of the steps that tasks are blocked in at the end, or did not come to make."""
        enabled = {transition // _PER_TASK for transition in runtime.enabled()}
        for task in runtime.tasks:
            could = task.number in enabled
            if task.op is None or (could and not halted and not _has_ways(task)):
                continue
            before = self._latest.get(task.number, -1)
            known = self._pasts[before] if before >= 0 else 0
            watch = self._watched(task)
            if task.fresh:
                watch += (runtime.number_of(task) << 1 | READ,)
            own = runtime.number_of(task) << 1 | WRITE
            late = _Late(
                len(self.path), task.number, task.ordinal, own, task.number * _PER_TASK, watch
            )
            late.footprint = watch
            late.guard = self._guard_of(task, watch, runtime.number_of(task.obj) << 1 | READ)
            late.past = known
            for earlier in self._accesses.before(watch, known):
                late.past |= 1 << earlier
            self._reverse_races(late, known, halts=could and halted)

    def _reverse_races(self, late: _Late, known: int, *, halts: bool) -> None:
        """Have everything explored in which the step comes before one that it races with."""
        watch = late.watch
        if watch and self._timed and any(number & 1 for number in watch):
            watch += tuple(self._timed)
        touched = late.footprint
        late.wide = late.past
        if watch:
            for earlier in self._accesses.before(watch, known):
                late.wide |= 1 << earlier
        candidates = self._candidates(late, known, watch, halts=halts)
        covered = known
        for earlier in candidates:
            if covered >> earlier & 1:
                continue
            node = self._node(earlier)
            same = halts or not independent(node.footprint, touched)
            if not same and independent(node.extra, touched):
                continue
            started_it = node.tasks <= late.ordinal and late.own in node.footprint
            if started_it or self._try_before(node, earlier, late, same=same):
                covered |= self._pasts[earlier]
            else:
                touched = watch

    def _candidates(self, late: _Late, known: int, watch: Footprint, *, halts: bool) -> list[int]:
        """Earlier steps that it may race with, the latest first."""
        if halts:
            return [i for i in range(late.index - 1, -1, -1) if not known >> i & 1]
        touched = (*late.footprint, *watch)
        found = self._accesses.before(touched, known)
        watching = self._watches.all_before(touched, known) if self._watches.is_used else ()
        return sorted({*found, *watching}, reverse=True) if watching else found

    def _try_before(self, node: _Choice, earlier: int, late: _Late, *, same: bool) -> bool:
        """Add a branch in which the late step comes before the earlier one; False if none can.

        Where nothing in between leads to the late step, its task stood at it before the earlier
        step already, and was blocked there if it had no transition.
        """
        if (
            late.guard in node.closed
            and node.obj | WRITE in node.footprint
            and late.watch == (node.obj,)
        ):
            return False
        first, free, itself = initials(self._pasts, earlier, late.past, late.wide)
        possible = late.transition in node.enabled
        if free and node.tasks > late.ordinal and not possible:
            if node.offers(late.task):
                node.add(late.task)
            return False
        transitions = [self.path[index].chosen for index in first]
        if itself and same and possible and late.index < len(self.path):
            transitions.append(late.transition)
        tasks = [transition // _PER_TASK for transition in transitions]
        if itself and node.offers(late.task):
            tasks.append(late.task)
        if any(task in node.tried for task in tasks) or any(t in node.sleep for t in transitions):
            return True
        for task in tasks:
            if node.offers(task):
                node.add(task)
                return True
        for transition in node.enabled:
            node.add(transition // _PER_TASK)
        return True

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
        self._watches.drop(node.extra)
        task = node.chosen // _PER_TASK
        if node.before < 0:
            del self._latest[task]
        else:
            self._latest[task] = node.before


def _has_ways(task: ExploredTask) -> bool:
    """May the step it stands at be made in several ways, not all of which are always possible?"""
    return task.deadline is not None or task.interruptible


def _copy(node: Node) -> Node:
    """A step as it was made; the node itself goes on to others."""
    copy = Node(node.chosen, [], {})
    copy.footprint = node.footprint
    copy.step = node.step
    return copy


@functools.cache
def _asks_object_only(op: Op) -> bool:
    """Does its guard ignore which task asks?"""
    code = getattr(op.guard, "__code__", None)
    if code is None or not op.is_guarded or code.co_argcount < 2:
        return False
    return all(one.argval != code.co_varnames[1] for one in dis.get_instructions(code))
