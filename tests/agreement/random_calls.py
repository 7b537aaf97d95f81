"""Random programs on both systems, call by call: `python -m tests.agreement.random_calls`.

    --steps 100000          how many calls in all; programs of 80 calls, each on fresh devices
    --seed 7                the first program's; each is told by its own
    --in-vm                 start a VM and run there
    --only 7.12             one program of an earlier run
    --alone                 ours only: nothing is compared, but nothing must break

The first answer that differs ends the run: the program is made smaller and printed with its seed.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from dmabuf.errors import NotAvailable
from tests.agreement.calls import Call, World, a_program, answer
from tests.agreement.face import System
from tests.agreement.in_vm import WITHOUT, lacking, machine
from tests.agreement.kernel import Kernel
from tests.agreement.ours import Ours
from tools.vm.__main__ import MISSING

__all__ = ["Mismatch", "main", "mismatch", "outside", "smaller"]

LENGTH = 80
PROGRESS = 10_000
"""Calls after which a long run says that it lives."""
EXPIRY_S = 8.0
"""A program that takes longer proves nothing: vgem's fences signal themselves after ten."""

Make = Callable[[], System]


class Mismatch(NamedTuple):
    """The call where the systems part, and what each answered."""

    index: int
    answers: tuple[Any, ...]


def mismatch(program: Sequence[Call], makes: Sequence[Make], seen: Counter[str]) -> Mismatch | None:
    """Run a program on all systems at once; where do they part?

    Args:
        program: its calls.
        makes: how to make each system.
        seen: counts calls by name and kind of answer.
    """
    systems = [make() for make in makes]
    found = _parting(program, systems, seen)
    for system in systems:
        try:
            system.end()
        except Exception as error:  # noqa: BLE001 - closing all fails on no other system
            found = found or Mismatch(len(program) - 1, (system.name, type(error), str(error)))
    return found


def _parting(
    program: Sequence[Call], systems: Sequence[System], seen: Counter[str]
) -> Mismatch | None:
    worlds = [World(system, with_sw_sync=_with_sw_sync()) for system in systems]
    try:
        return _first_difference(program, worlds, seen)
    finally:
        for world in worlds:
            world.end()


def _first_difference(
    program: Sequence[Call], worlds: Sequence[World], seen: Counter[str]
) -> Mismatch | None:
    limit = time.monotonic() + EXPIRY_S
    for index, call in enumerate(program):
        answers = tuple(answer(world, call) for world in worlds)
        if time.monotonic() > limit:
            seen["(programs given up, too slow)"] += 1
            return None
        if any(one != answers[0] for one in answers[1:]):
            return Mismatch(index, answers)
        failed = isinstance(answers[0], tuple) and answers[0][:1] == (OSError,)
        seen[f"{call.name} {'fails' if failed else 'works'}"] += 1
    return None


def smaller(program: list[Call], parts: Callable[[list[Call]], Mismatch | None]) -> list[Call]:
    """The program without what the mismatch does not need; `parts` says where systems part."""
    found = parts(program)
    assert found is not None, "a program that parts the systems once and not twice"
    program = program[: found.index + 1]
    size = len(program) // 2
    while size:
        start = 0
        while start < len(program):
            shorter = program[:start] + program[start + size :]
            again = parts(shorter)
            if again is None:
                start += size
            else:
                program = shorter[: again.index + 1]
        size //= 2
    return program


def _with_sw_sync() -> bool:
    """False where the VM's maker said that it has none."""
    return "sw_sync" not in os.environ.get(WITHOUT, "").split(",")


def _program(seed: str, length: int) -> list[Call]:
    return a_program(random.Random(seed), length, with_sw_sync=_with_sw_sync())


def _tell(seed: str, program: list[Call], found: Mismatch, makes: Sequence[Make]) -> None:
    """Where the systems parted, and the smallest program that parts them, with every answer."""
    print(f"MISMATCH, seed {seed}, call {found.index}: {program[found.index]}")
    for one in found.answers:
        print(f"      {one}")
    if not mismatch(program, makes, Counter()):
        print("  the same program did not part them again: it depends on time")
        return
    program = smaller(program, lambda one: mismatch(one, makes, Counter()))
    print(f"the program made smaller ({len(program)} calls):")
    systems = [make() for make in makes]
    worlds = [World(system, with_sw_sync=_with_sw_sync()) for system in systems]
    for call in program:
        answers = [answer(world, call) for world in worlds]
        print(f"  {call.name}{call.numbers}")
        for system, one in zip(systems, answers, strict=True):
            print(f"      {system.name:8}{one}")
    for world in worlds:
        world.end()
        world.system.end()


def _run(steps: int, seed: int, makes: Sequence[Make]) -> int:
    seen: Counter[str] = Counter()
    started, done, number = time.monotonic(), 0, 0
    while done < steps:
        name = f"{seed}.{number}"
        program = _program(name, min(LENGTH, steps - done))
        found = mismatch(program, makes, seen)
        if found:
            _tell(name, program, found, makes)
            return 1
        before, done, number = done, done + min(LENGTH, steps - done), number + 1
        if before // PROGRESS != done // PROGRESS:
            print(f"random calls: {done} so far, {time.monotonic() - started:.0f} s", flush=True)
    given_up = seen["(programs given up, too slow)"]
    compared = sum(seen.values()) - given_up
    for what, count in sorted(seen.items()):
        print(f"  {count:7} {what}")
    seconds = time.monotonic() - started
    if not compared:
        return 1
    print(
        f"random calls: {compared} compared in {number} programs, {given_up} programs given up, "
        f"no mismatch, {seconds:.0f} s, seed {seed}"
    )
    return 0 if compared >= steps * 0.75 else 1


def main(words: list[str] | None = None) -> int:
    """Run it; 1 on a mismatch, or if too much was given up; `MISSING` without the devices."""
    parser = argparse.ArgumentParser(prog="python -m tests.agreement.random_calls")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--in-vm", action="store_true")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--only", metavar="SEED.NUMBER", help="one program, as a mismatch names it")
    given = parser.parse_args(words)
    if given.in_vm:
        return subprocess.run(outside(given), check=False).returncode
    warnings.filterwarnings("ignore", "DF601")  # brackets out of balance: no answer of a system
    makes: list[Make] = [Ours] if given.alone else [Ours, Kernel]
    try:
        return _once(given.only, makes) if given.only else _run(given.steps, given.seed, makes)
    except NotAvailable as missing:
        remedy = "--in-vm has all, --alone needs nothing"
        print(f"random calls: cannot compare: {missing.strerror}; {remedy}")
        return MISSING


def _once(seed: str, makes: Sequence[Make]) -> int:
    """One program of an earlier run."""
    program = _program(seed, LENGTH)
    found = mismatch(program, makes, Counter())
    if found is None:
        print(f"random calls: program {seed} ({LENGTH} calls): no mismatch")
        return 0
    _tell(seed, program, found, makes)
    return 1


def outside(given: argparse.Namespace) -> list[str]:
    """The command that starts a VM and does there what was asked for here."""
    inside = [sys.executable, "-m", "tests.agreement.random_calls"]
    inside += ["--steps", str(given.steps), "--seed", str(given.seed)]
    inside += [*(["--only", given.only] if given.only else []), *(["--alone"] * given.alone)]
    vm = [sys.executable, "-m", "tools.vm"]
    lacks = lacking(vm)
    path = os.pathsep.join(["src", "."])
    settings = ["--env", f"PYTHONPATH={path}", "--env", f"{WITHOUT}={','.join(lacks)}"]
    limit = str(300 + given.steps // 10)
    return [*vm, *machine(lacks), "--timeout", limit, *settings, "--", *inside]


if __name__ == "__main__":
    sys.exit(main())
