"""One program under the naive search and under another: same ends, same findings, or not.

A generator's program derives from `Compared`: it builds a world of objects in `_make_world`, and
says in `tasks` which named operations each task makes there. Footprints are weakened by `nothing`,
`only_reads` and `only_first`, to see that the comparison notices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dmabuf import Machine
from dmabuf.explore.portfolio import DPOR, SLEEP
from dmabuf.explore.search import Budget, Search
from dmabuf.rt.api import OPS, READ, Op

__all__ = [
    "Compared",
    "compare",
    "compared",
    "ends_of",
    "main",
    "nothing",
    "only_first",
    "only_reads",
    "weaken",
]

_HAND_WRITTEN = 20_000


class Compared:
    """A design of tasks that make named operations in a world, and the ends it comes to.

    Attributes:
        operations: by name, a function of the world and of an operation's arguments.
        tasks: of each task its operations: (name, *arguments).
        kinds: of each task what starts it, a method of the machine; kernel threads if empty.
        world: of the latest execution; it has `logs`, `tasks` and `state`.
    """

    operations: dict[str, Callable[..., Any]]
    tasks: Sequence[Sequence[Any]]
    kinds: Sequence[str] = ()
    world: Any = None

    def _make_world(self, machine: Machine) -> Any:
        """The objects of one execution."""
        raise NotImplementedError

    def design(self, machine: Machine) -> None:
        """Each task makes its operations and logs what it saw."""
        world = self.world = self._make_world(machine)
        world.logs, world.tasks = [], []
        for index, operations in enumerate(self.tasks):
            log: list[Any] = []
            world.logs.append(log)
            kind = self.kinds[index] if self.kinds else "kthread"
            run = lambda o=operations, g=log: self._run(world, o, g)  # noqa: E731
            world.tasks.append(self._start(machine, kind, run, f"t{index}"))

    def _start(self, machine: Machine, kind: str, run: Callable[[], object], name: str) -> Any:
        return getattr(machine, kind)(run, name)

    def _run(self, world: Any, operations: Sequence[Any], log: list[Any]) -> None:
        for name, *arguments in operations:
            log.append((name, self._do(name, world, arguments)))

    def _do(self, name: str, world: Any, arguments: Sequence[Any]) -> Any:
        return self.operations[name](world, *arguments)

    def outcomes(
        self, *, executions: int, sleep: bool = True, engine: str = ""
    ) -> tuple[Search, set[Any], set[str]]:
        """The search, the set of final states, and the set of what went wrong."""
        final = lambda: (repr(self.world.logs), repr(self.world.state))  # noqa: E731
        return ends_of(self.design, final, executions=executions, sleep=sleep, engine=engine)


def ends_of(
    design: Any, final: Callable[[], Any], *, executions: int, sleep: bool = True, engine: str = ""
) -> tuple[Search, set[Any], set[str]]:
    """A search; what `final` says and who is blocked, at each end; what went wrong."""
    finals: set[Any] = set()

    def complete(rt: Any, _strategy: Any) -> None:
        blocked = tuple((task.name, task.op.name) for task in rt.tasks if task.op is not None)
        finals.add((final(), blocked))

    budget = Budget(seconds=None, executions=executions)
    search = Search(design, budget, sleep=sleep, engine=engine, on_complete=complete).run()
    return search, finals, {repr(key) for key in search.cases}


def compare(program: Any, executions: int, *, engine: str = "") -> str:
    """ "same", "capped", or what differs between the naive search and the other.

    Both engines that prove are compared unless one is named.
    """
    naive, finals, wrong = program.outcomes(sleep=False, executions=executions)
    if naive.limit:
        return "capped"
    for name in (engine,) if engine else (DPOR, SLEEP):
        other, our_finals, our_wrong = program.outcomes(executions=executions, engine=name)
        if other.limit:
            return f"{name} runs more executions than there are schedules"
        if finals != our_finals or wrong != our_wrong:
            outcomes = f"{len(finals)}/{len(our_finals)} outcomes"
            return f"{name}: {outcomes}, {len(wrong)}/{len(our_wrong)} findings"
    return "same"


def compared(program: Callable[[Machine, list[Any]], object], *, sleep: bool) -> Any:
    """The ends and findings of a program written by hand, which logs into the list it is given."""
    logs: list[list[Any]] = []

    def design(machine: Machine) -> None:
        logs.append([])
        program(machine, logs[-1])

    final = lambda: repr(logs[-1])  # noqa: E731
    search, finals, wrong = ends_of(design, final, executions=_HAND_WRITTEN, sleep=sleep)
    assert not search.limit
    return finals, wrong


# -- weakened footprints --------------------------------------------------------------------------


def nothing(_before: Any) -> Any:
    """The step claims to touch nothing."""
    return lambda _obj, _task: ()


def only_reads(before: Any) -> Any:
    """The step claims to change nothing."""
    return lambda obj, task: tuple((one, READ) for one, _mode in before(obj, task))


def only_first(before: Any) -> Any:
    """The step forgets all objects but the first."""
    return lambda obj, task: before(obj, task)[:1]


def weaken(monkeypatch: pytest.MonkeyPatch, op: Op | str, how: Callable[[Any], Any]) -> None:
    """Give an operation a footprint that hides something."""
    weakened = OPS[op] if isinstance(op, str) else op
    before = weakened.touches or (lambda obj, _task: ((obj, weakened.access),))
    monkeypatch.setattr(weakened, "touches", how(before))


# -- as a command ---------------------------------------------------------------------------------


def main(arguments: Sequence[str], said_of: Callable[[int], str]) -> None:
    """Compare `arguments[0]` programs, from number `arguments[1]` on, and count the answers."""
    first = int(arguments[1]) if len(arguments) > 1 else 0
    counts: dict[str, int] = {}
    for number in range(first, first + int(arguments[0])):
        said = said_of(number)
        counts[said] = counts.get(said, 0) + 1
        if said not in ("same", "capped"):
            print(f"program {number}: {said}")  # noqa: T201 - a command
    print(counts)  # noqa: T201 - a command
