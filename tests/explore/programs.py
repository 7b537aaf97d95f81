"""Random straight-line designs over all primitives, and what came of their executions.

`Program(seed).design` is a design; every task logs what it saw. `outcomes` collects, for a whole
search, the set of (logs, values, who is blocked where) at the end of complete executions, and
the set of what came to rest badly or was reported.
"""

from __future__ import annotations

import random
from typing import Any

from dmabuf import Completion, IrqWork, Mutex, Shared, SpinLock, Timeline, WaitQueue, wait_any
from dmabuf.explore.search import Budget, Search
from dmabuf.machine import Machine

_KINDS = ("kthread", "kthread", "kthread", "userspace", "hardware")


class _World:
    """The objects of one execution."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.mutexes = [Mutex("A"), Mutex("B")]
        self.spins = [SpinLock("s"), SpinLock("t")]
        self.completions = [Completion("c"), Completion("d")]
        self.queues = [WaitQueue("q"), WaitQueue("r")]
        self.cells = [Shared(0, "v"), Shared(0, "w")]
        self.fences = [Timeline("f").fence(), Timeline("g").fence()]
        self.work = IrqWork(lambda: self.cells[0].add(1), "work")
        self.line: Any = None
        self.logs: list[list[Any]] = []


def _locked(world, x, y, _name):
    with world.mutexes[x]:
        return world.cells[y].add(1)


def _trylocked(world, x, y, _name):
    if not world.mutexes[x].trylock():
        return False
    seen = world.cells[y].read()
    world.mutexes[x].unlock()
    return seen


def _spinning(world, x, y, _name):
    with world.spins[x]:
        return world.cells[y].add(1)


def _irqs_off(world, x, y, _name):
    with world.spins[x].irqsave():
        return world.cells[y].add(1)


def _sleep_by_hand(world, x, y, _name):
    queue = world.queues[x]
    queue.prepare_to_wait()
    if not world.cells[y].read():
        queue.schedule()
    queue.finish_wait()


def _adds_callback(world, x, y, _name):
    return world.fences[x].add_callback(lambda _fence: world.cells[y].add(3)) is not None


def _callback_and_back(world, x, y, _name):
    callback = world.fences[x].add_callback(lambda _fence: world.cells[y].write(9))
    return callback is not None and world.fences[x].remove_callback(callback)


def _signals_the_other(world, x, _y, _name):
    other = world.fences[1 - x]
    return world.fences[x].add_callback(lambda _fence: other.signal()) is not None


def _spawns(world, x, _y, name):
    log: list[Any] = []
    world.logs.append(log)
    world.machine.kthread(lambda: log.append(world.cells[x].add(5)), f"{name}'s child")


def _raises_irq(world, _x, _y, _name):
    if world.line is not None:
        world.line.raise_irq()


OPERATIONS = {
    "lock": _locked,
    "trylock": _trylocked,
    "spin": _spinning,
    "irqsave": _irqs_off,
    "complete": lambda w, x, y, n: w.completions[x].complete(),
    "complete_all": lambda w, x, y, n: w.completions[x].complete_all(),
    "wait": lambda w, x, y, n: w.completions[x].wait(),
    "try_wait": lambda w, x, y, n: w.completions[x].try_wait(),
    "wait_event": lambda w, x, y, n: w.queues[x].wait_event(lambda: w.cells[y].read() > 0),
    "wake_up": lambda w, x, y, n: w.queues[x].wake_up(),
    "by hand": _sleep_by_hand,
    "write": lambda w, x, y, n: w.cells[x].write(len(n)),
    "read": lambda w, x, y, n: w.cells[x].read(),
    "add": lambda w, x, y, n: w.cells[x].add(1),
    "exchange": lambda w, x, y, n: w.cells[x].exchange(2),
    "signal": lambda w, x, y, n: w.fences[x].signal(),
    "check_and_signal": lambda w, x, y, n: w.fences[x].check_and_signal(),
    "fence wait": lambda w, x, y, n: w.fences[x].wait(),
    "timed wait": lambda w, x, y, n: w.fences[x].wait(1.0 + y),
    "is_signaled": lambda w, x, y, n: w.fences[x].is_signaled(),
    "status": lambda w, x, y, n: w.fences[x].status,
    "add_callback": lambda w, x, y, n: (
        w.fences[x].add_callback(lambda f: w.cells[y].add(3)) is None
    ),
    "remove_callback": _callback_and_back,
    "chained signal": _signals_the_other,
    "wait_any": lambda w, x, y, n: wait_any(w.fences),
    "choose": lambda w, x, y, n: w.machine.choose(2),
    "now": lambda w, x, y, n: w.machine.rt.now(),
    "irq": _raises_irq,
    "irq_work": lambda w, x, y, n: w.work.queue(),
    "spawn": _spawns,
}

_HANDLERS = (_spinning, OPERATIONS["signal"], OPERATIONS["add"])


class Program:
    """One random design; the same seed gives the same one."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        names = sorted(OPERATIONS)
        self.tasks = [
            [
                (rng.choice(names), rng.randrange(2), rng.randrange(2))
                for _ in range(rng.randint(1, 3))
            ]
            for _ in range(rng.randint(2, 3))
        ]
        self.kinds = [rng.choice(_KINDS) for _ in self.tasks]
        self.cpus = [rng.choice((None, None, None, 0)) for _ in self.tasks]
        self.handler = rng.choice(_HANDLERS) if rng.random() < 0.4 else None
        self.world: Any = None
        self.design = lambda machine: self._body(machine)

    def _body(self, machine: Machine) -> None:
        world = self.world = _World(machine)
        if self.handler is not None:
            handler = self.handler
            world.line = machine.irq(lambda: handler(world, 0, 1, "irq"), "line")
        for index, operations in enumerate(self.tasks):
            log: list[Any] = []
            world.logs.append(log)
            self._start(machine, index, lambda o=operations, g=log: _run(world, o, g))

    def _start(self, machine: Machine, index: int, fn: Any) -> None:
        name, kind = f"t{index}", self.kinds[index]
        if kind == "userspace":
            machine.userspace(fn, name, cpu=self.cpus[index])
        elif kind == "hardware":
            machine.hardware(fn, name)
        else:
            machine.kthread(fn, name, cpu=self.cpus[index])

    def outcomes(self, *, sleep: bool, executions: int, **how: Any) -> tuple[Search, Any, Any]:
        """The search, the set of final states, and the set of what went wrong."""
        finals: set[Any] = set()

        def complete(rt: Any, _strategy: Any) -> None:
            values = tuple(cell._value for cell in self.world.cells)
            blocked = tuple((t.name, t.op.name) for t in rt.tasks if t.op is not None)
            finals.add((repr(sorted(map(repr, self.world.logs))), values, blocked))

        budget = Budget(seconds=None, executions=executions)
        search = Search(self.design, budget, sleep=sleep, on_complete=complete, **how).run()
        return search, finals, {repr(key) for key in search.cases}


def _run(world: Any, operations: list[tuple[str, int, int]], log: list[Any]) -> None:
    for name, x, y in operations:
        log.append((name, OPERATIONS[name](world, x, y, name)))
