"""SPIN as a judge: many designs in one model, every state of rest compared with ours.

A compile costs SPIN 0.7 s, so the processes of many designs stand in one file, and the first
step chooses the design. A process `rest` prints each state in which nothing can move any more:
how far each task is, which fences are known and signalled, what the cells hold.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dmabuf.explore.export.promela import Model, model_of
from dmabuf.explore.export.refusal import NotExportable
from dmabuf.explore.search import Budget, Search
from dmabuf.explore.snapshot import Snapshot
from dmabuf.rt.tasks import Tasks

__all__ = ["Ours", "Rest", "Theirs", "judge", "missing", "prepare", "unlike"]

_CFLAGS = ("-O0", "-w", "-DSAFETY", "-DNOREDUCE", "-DPRINTF", "-DNOFAIR", "-DVECTORSZ=16384")


def missing() -> str:
    """What is not here that SPIN needs; empty if nothing is."""
    absent = [tool for tool in ("spin", "gcc") if shutil.which(tool) is None]
    return f"no {' and no '.join(absent)} (apt-get install spin gcc)" if absent else ""


@dataclass(frozen=True)
class Rest:
    """A state of rest, in terms of object and task numbers.

    Attributes:
        blocked: (task, object) of who waits.
        stopped: who could go on, but has stopped for ever.
        finished: who has ended.
        pending: known fences that are not signalled.
        kept: who has ended with a lock held.
    """

    blocked: frozenset[tuple[int, int]]
    stopped: frozenset[int]
    finished: frozenset[int]
    pending: frozenset[int]
    kept: frozenset[int]


End = tuple[frozenset[tuple[int, int]], frozenset[tuple[int, int]]]
"""Who is blocked on what where nobody could move, and (object, value) of cells and fences."""


@dataclass
class Ours:
    """What our search says of a design."""

    model: Model
    bad: set[Rest]
    ends: set[End]
    breaks: bool

    def has(self, op: str) -> bool:
        """Does some task announce this operation?"""
        lines = self.model.recording.lines
        return any(entry.op == op for line in lines for entry in line.entries)


@dataclass
class Theirs:
    """What SPIN says of it."""

    bad: set[Rest] = field(default_factory=set)
    ends: set[End] = field(default_factory=set)
    breaks: bool = False


def prepare(design: Any, number: int, *, engine: str = "", executions: int = 4000) -> Ours | None:
    """Search a design and export it; None if it takes more than so many executions."""
    ends: set[tuple[frozenset[tuple[int, int]], Any]] = set()
    last: list[tuple[frozenset[tuple[int, int]], Any]] = []
    searches: list[Search] = []

    def at_end(rt: Tasks) -> None:
        blocked = {
            (task.number, rt.number_of(task.op.awaited(task.obj)))
            for task in rt.tasks
            if task.op is not None
        }
        last[:] = [(frozenset(blocked), tuple((rt.number_of(o), _value(o)) for o in rt.objects))]

    def complete(_rt: Tasks, _strategy: Any) -> None:
        ends.update(last)

    def search(recorded: Any, budget: Budget) -> Search:
        searches.append(Search(recorded, budget, engine=engine, on_complete=complete))
        return searches[-1]

    wrong = f'printf("WRONG {number}\\n")'
    budget = Budget(seconds=None, executions=executions)
    try:
        model = model_of(
            design,
            budget=budget,
            prefix=f"p{number}_",
            wrong=wrong,
            places=True,
            search=search,
            at_end=at_end,
        )
    except NotExportable as refused:
        if refused.limit:
            return None
        raise
    shown = {*model.cells, *model.fences}
    snapshots = [case.snapshot for case in searches[0].cases.values()]
    return Ours(
        model,
        {_rest_of(snapshot) for snapshot in snapshots if snapshot is not None},
        {(b, frozenset(pair for pair in values if pair[0] in shown)) for b, values in ends},
        None in snapshots,
    )


def _value(obj: Any) -> int:
    """What is compared of an object's state."""
    if hasattr(obj, "done"):
        return min(obj.done, 10_000)
    if hasattr(obj, "_value"):
        return int(obj._value)
    if hasattr(obj, "seqno"):
        from dmabuf.core.fence_steps import is_flagged

        return int(is_flagged(obj))
    return int(getattr(obj, "count", 0))


def _rest_of(snapshot: Snapshot) -> Rest:
    return Rest(
        frozenset((task, blocked.obj) for task, blocked in snapshot.blocked.items()),
        frozenset(snapshot.stopped),
        frozenset(snapshot.finished),
        frozenset(snapshot.pending),
        frozenset(snapshot.kept),
    )


# -- SPIN's side ---------------------------------------------------------------------------------


def judge(designs: Sequence[Ours], folder: Path) -> list[Theirs]:
    """Have SPIN explore all designs in one run."""
    source = folder / "designs.pml"
    source.write_text(_together(designs))
    _run(["spin", "-o2", "-a", source.name], folder)  # -o2: what is only printed counts
    _run(["gcc", *_CFLAGS, "-o", "pan", "pan.c"], folder)
    said = _run(["./pan", "-A", "-E", "-m100000", "-w20"], folder)
    if "max search depth too small" in said or "errors: 0" not in said:
        raise RuntimeError(f"SPIN did not finish: {said[-2000:]}")
    theirs = [Theirs() for _ in designs]
    for line in said.splitlines():
        words = line.split()
        if words[:1] == ["WRONG"]:
            theirs[int(words[1])].breaks = True
        elif words[:1] == ["REST"]:
            number = int(words[1])
            _read(designs[number].model, [int(word) for word in words[2:]], theirs[number])
    return theirs


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
    return done.stdout


def _together(designs: Sequence[Ours]) -> str:
    variables = [text for design in designs for text in design.model.variables]
    parts = ["\n".join(["hidden byte who;", *(v for v in variables if v != "hidden byte who;")])]
    starts = []
    for number, design in enumerate(designs):
        for process in design.model.processes:
            body = "\n".join(f"  {line}" for line in process.body)
            parts.append(f"proctype {process.name}() {{\n{body}\n}}")
        parts.append(
            f"proctype p{number}_rest() {{ end_rest: timeout -> {_printed(design, number)} }}"
        )
        names = [f"run {process.name}()" for process in design.model.processes]
        starts.append(f":: atomic {{ {'; '.join([*names, f'run p{number}_rest()'])} }}")
    parts.append("init { if\n  " + "\n  ".join(starts) + "\n  fi }")
    return "\n\n".join(parts) + "\n"


def _printed(design: Ours, number: int) -> str:
    model = design.model
    values: list[str] = []
    for me, process in enumerate(model.processes, 1):
        values += [f"p{number}_at[{me}]", process.kept or "0", process.goes_on or "0"]
        spawned = len(model.recording.lines[me - 1].key) > 1
        values.append(f"p{number}_started[{me}]" if spawned else "1")
    for known, signalled in model.fences.values():
        values += [known, signalled]
    values += model.cells.values()
    return f'printf("REST {number}{" %d" * len(values)}\\n", {", ".join(values)})'


def _read(model: Model, values: list[int], into: Theirs) -> None:
    """A state of rest that SPIN has printed."""
    left = iter(values)
    blocked: dict[int, int] = {}
    stopped, finished, kept, owed = set(), set(), set(), set()
    for line in model.recording.lines:
        at, keeps, goes_on, started = next(left), next(left), next(left), next(left)
        if not started:
            continue
        if at >= 2 * len(line.entries):
            finished.add(line.number)
            if keeps:
                kept.add(line.number)
            continue
        entry = line.entries[at // 2]
        if goes_on:
            stopped.add(line.number)
            continue
        blocked[line.number] = entry.obj
        if entry.owed:
            owed.add(line.number)
    flags = {number: (next(left), next(left)) for number in model.fences}
    cells = {number: next(left) for number in model.cells}
    pending = {number for number, (known, signalled) in flags.items() if known and not signalled}
    at_rest = Rest(
        frozenset(blocked.items()),
        frozenset(stopped),
        frozenset(finished),
        frozenset(pending),
        frozenset(kept),
    )
    if pending or kept or owed:
        into.bad.add(at_rest)
    if not stopped:
        signalled = {number: done for number, (_known, done) in flags.items()}
        into.ends.add((at_rest.blocked, frozenset({**signalled, **cells}.items())))


def unlike(ours: Ours, theirs: Theirs) -> list[str]:
    """Where the two judges disagree; empty if they do not.

    A broken rule ends our execution, while SPIN goes on, so of such designs only that is compared.
    """
    if ours.breaks or theirs.breaks:
        return [] if ours.breaks == theirs.breaks else [f"breaks: {ours.breaks}, {theirs.breaks}"]
    said = [f"SPIN misses: {rest}" for rest in ours.bad - theirs.bad]
    said += [f"we miss: {rest}" for rest in theirs.bad - ours.bad]
    said += [f"SPIN misses the end: {end}" for end in ours.ends - theirs.ends]
    return said + [f"we miss the end: {end}" for end in theirs.ends - ours.ends]
