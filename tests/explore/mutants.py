"""Weaken the footprint of every operation and every rule of the search: is each one noticed?

    python -m tests.explore.mutants [PATTERN] [--tries PROGRAMS] [--seeds SEEDS]

The operations are those of the alphabet, whatever they are: each claims in turn to change nothing,
to touch nothing, to touch only the first of its objects, or all but that; if that hides nothing in
any program, as there is but one object, it is no mutant. A mutant is killed by a program on which
source-DPOR or sleep sets then come to other ends than naive search. The rules are `rule_mutants`.
Prints who kills whom; exits 1 if less than 95 % are killed.

Left out are the mutants of `EQUIVALENT`, with the reason why no program can tell.
"""

from __future__ import annotations

import argparse
import fnmatch
import gc
import importlib
import itertools
import pkgutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

import dmabuf
from dmabuf.explore.portfolio import DPOR, SLEEP
from dmabuf.explore.search import Budget, Search
from dmabuf.rt.api import OPS, READ, WRITE, Op
from tests.explore.equivalent_mutants import EQUIVALENT
from tests.explore.fuzz import compare
from tests.explore.nightly import GENERATORS
from tests.explore.random_programs import FAMILIES, generate
from tests.explore.rule_mutants import RULE_MUTANTS
from tests.explore.small_scope import GROUPS, programs

__all__ = ["ENOUGH", "Entry", "Pool", "fill_alphabet", "kills", "weakenings"]

ENOUGH = 0.95
CAP = 250
"""Programs with more schedules are left out."""
_APART = ("__main__", "pytest_plugin", "_fused")
_LOOKS = 2

Touches = Callable[[Any, Any], tuple[tuple[Any, int], ...]]
Ends = tuple[frozenset[Any], frozenset[str]]


def fill_alphabet() -> None:
    """Import every module, so that all operations are known."""
    for module in pkgutil.walk_packages(dmabuf.__path__, "dmabuf."):
        if not module.name.endswith(_APART):
            importlib.import_module(module.name)


def weakenings(op: Op) -> Iterator[tuple[str, Touches]]:
    """Each way in which an operation could hide something of what it touches."""
    honest: Touches = op.touches or (lambda obj, _task: ((obj, op.access),))
    if op.touches is not None or op.access == WRITE:
        yield "reads", lambda obj, task: tuple((one, READ) for one, _mode in honest(obj, task))
    yield "sees nothing", lambda _obj, _task: ()
    if op.touches is not None:
        yield "sees the first", lambda obj, task: honest(obj, task)[:1]
        yield "not the first", lambda obj, task: honest(obj, task)[1:]


@dataclass
class Entry:
    """A program, the operations and steps of some executions, and what naive search came to."""

    label: str
    make: Callable[[], Any]
    ops: frozenset[str]
    size: int = 0
    naive: Ends | None = None
    is_known: bool = False


def _ends(program: Any, engine: str, *, sleep: bool = True) -> Ends | None:
    """What a search of a program comes to; None if that takes too many executions."""
    found: set[Any] = set()
    body = getattr(program, "design", program)
    worlds: list[Any] = []

    def design(machine: Any) -> None:
        worlds[:] = [body(machine) or program.world]

    def complete(rt: Any, _strategy: Any) -> None:
        world = worlds[0]
        blocked = tuple((task.name, task.op.name) for task in rt.tasks if task.op is not None)
        state = world.final(rt) if hasattr(world, "final") else (world.logs, world.state)
        seen = world.observed() if hasattr(world, "observed") else ()
        found.add((repr(seen), repr(state), blocked))

    budget = Budget(seconds=None, executions=CAP)
    search = Search(design, budget, sleep=sleep, engine=engine, on_complete=complete).run()
    if search.limit:
        return None
    return frozenset(found), frozenset(repr(key) for key in search.cases)


def _used(program: Any) -> tuple[frozenset[str], int]:
    """The operations of some executions, and how many steps they take."""
    names: list[str] = []
    for seed in range(_LOOKS):
        search = Search(getattr(program, "design", program), Budget(None, 1), seed=seed)
        search._verified = True
        search.run()
        names += [node.step[0] for node in search.strategy.path]
    return frozenset(names), len(names)


@dataclass
class Pool:
    """Programs of all generators, found by the operations that they make.

    Attributes:
        seeds: so many of each generator.
    """

    seeds: int
    _by_op: dict[str, list[Entry]] = field(default_factory=dict)

    def fill(self) -> None:
        """Make them."""
        for label, make in self._makers():
            entry = Entry(label, make, *_used(make()))
            for op in entry.ops:
                self._by_op.setdefault(op, []).append(entry)
        for entries in self._by_op.values():
            entries.sort(key=lambda entry: entry.size)
        gc.collect()

    def _makers(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        for group in GROUPS:
            for number, program in enumerate(itertools.islice(programs(group), 0, None, 11)):
                yield f"{group} {11 * number}", lambda p=program: p
        for seed in range(self.seeds):
            for name, generator in GENERATORS.items():
                yield f"{name} {seed}", lambda g=generator, s=seed: g(s)
            family = sorted(FAMILIES)[seed % len(FAMILIES)]
            yield f"{family} {seed}", lambda f=family, s=seed: generate(s, (f,))
            yield f"random {seed}", lambda s=seed: generate(s)

    def of(self, op: str) -> list[Entry]:
        """Those that make an operation, the shortest first."""
        return self._by_op.get(op, [])


def _naive(entry: Entry) -> Ends | None:
    if not entry.is_known:
        entry.is_known = True
        entry.naive = _ends(entry.make(), "", sleep=False)
    return entry.naive


def hides(entry: Entry, op: Op, touches: Touches) -> bool:
    """Does an operation hide anything in some execution of a program, or is all as it was?"""
    honest: Touches = op.touches or (lambda obj, _task: ((obj, op.access),))
    found: list[bool] = []

    def look(obj: Any, task: Any) -> tuple[tuple[Any, int], ...]:
        before = honest(obj, task)
        found.append(before != touches(obj, task))
        return before

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(op, "touches", look)
        _used(entry.make())
    return any(found)


def kills(entry: Entry, op: Op, touches: Touches) -> bool:
    """Does a program notice that an operation hides something?"""
    naive = _naive(entry)
    if naive is None:
        return False
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(op, "touches", touches)
        for engine in (DPOR, SLEEP):
            try:
                found = _ends(entry.make(), engine)
            except Exception:  # noqa: BLE001 - an assertion of the search notices, too
                return True
            if found is not None and found != naive:
                return True
    return False


def _killer(pool: Pool, op: Op, touches: Touches, tries: int) -> str:
    for entry in itertools.islice(pool.of(op.name), tries):
        if kills(entry, op, touches):
            return entry.label
    return ""


def _footprints(pool: Pool, pattern: str, tries: int) -> Iterator[tuple[str, str]]:
    """Each mutant of a footprint and its killer."""
    for op in sorted(OPS.values(), key=lambda op: op.name):
        if not fnmatch.fnmatch(op.name, pattern) or op.name.startswith("test"):
            continue
        for how, touches in weakenings(op):
            name = f"{op.name} {how}"
            used = pool.of(op.name)[:tries]
            if name in EQUIVALENT or (used and not any(hides(e, op, touches) for e in used)):
                continue
            yield name, _killer(pool, op, touches, tries)


def _rules(pattern: str) -> Iterator[tuple[str, str]]:
    """Each mutant of a rule and its killer."""
    for mutant in RULE_MUTANTS:
        if fnmatch.fnmatch(f"rule: {mutant.name}", pattern):
            with pytest.MonkeyPatch.context() as patch:
                mutant.apply(patch)
                said = compare(mutant.program, engine=DPOR).said
            yield f"rule: {mutant.name}", str(mutant.where) if said else ""


def main() -> int:
    """Print each mutant with its killer, then the survivors and how many there are."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pattern", nargs="?", default="*", help="operations, or 'rule: ...' (all)")
    parser.add_argument("--tries", type=int, default=40, help="programs for each mutant (40)")
    parser.add_argument("--seeds", type=int, default=100, help="programs of each generator (100)")
    args = parser.parse_args()
    fill_alphabet()
    pool = Pool(args.seeds)
    pool.fill()
    gc.disable()
    killed, survived = 0, []
    found = itertools.chain(_footprints(pool, args.pattern, args.tries), _rules(args.pattern))
    for number, (name, killer) in enumerate(found):
        killed += bool(killer)
        if not killer:
            tried = min(len(pool.of(name.partition(" ")[0])), args.tries)
            survived.append(f"{name} (of {tried} programs that could)")
        print(f"{name:50} {killer or 'SURVIVES'}", flush=True)  # noqa: T201 - a command
        if number % 20 == 0:
            gc.collect()
    print("\nsurvivors:", *survived, sep="\n    ")  # noqa: T201
    total = killed + len(survived)
    print(f"{killed} of {total} killed, {len(EQUIVALENT)} equivalent left out")  # noqa: T201
    return int(not total or killed / total < ENOUGH)


if __name__ == "__main__":
    sys.exit(main())
