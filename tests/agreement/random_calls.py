"""Random programs on both systems, call by call: `python -m tests.agreement.random_calls`.

    --steps 100000          how many calls in all; programs of 80 calls, each on fresh devices
    --seed 7                the first program's; each is told by its own
    --in-vm                 start a VM and run there
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
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tests.agreement.calls import Call, World, a_program, answer
from tests.agreement.face import System
from tests.agreement.in_vm import VM
from tests.agreement.kernel import Kernel
from tests.agreement.ours import Ours

__all__ = ["Mismatch", "main", "mismatch", "smaller"]

LENGTH = 80
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
    limit = time.monotonic() + EXPIRY_S
    try:
        worlds = [World(system) for system in systems]
        for index, call in enumerate(program):
            answers = tuple(answer(world, call) for world in worlds)
            if time.monotonic() > limit:
                seen["(programs given up, too slow)"] += 1
                return None
            if any(one != answers[0] for one in answers[1:]):
                return Mismatch(index, answers)
            failed = isinstance(answers[0], tuple) and answers[0][:1] == (OSError,)
            seen[f"{call.name} {'fails' if failed else 'works'}"] += 1
    finally:
        for system in systems:
            system.end()
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


def _tell(seed: str, program: list[Call], makes: Sequence[Make]) -> None:
    """The smallest program that parts the systems, with every answer."""
    program = smaller(program, lambda one: mismatch(one, makes, Counter()))
    print(f"MISMATCH, seed {seed}; the program made smaller ({len(program)} calls):")
    systems = [make() for make in makes]
    worlds = [World(system) for system in systems]
    for call in program:
        answers = [answer(world, call) for world in worlds]
        print(f"  {call.name}{call.numbers}")
        for system, one in zip(systems, answers, strict=True):
            print(f"      {system.name:8}{one}")
    for system in systems:
        system.end()


def _run(steps: int, seed: int, makes: Sequence[Make]) -> int:
    seen: Counter[str] = Counter()
    started, done, number = time.monotonic(), 0, 0
    while done < steps:
        name = f"{seed}.{number}"
        program = a_program(random.Random(name), min(LENGTH, steps - done))
        if mismatch(program, makes, seen):
            _tell(name, program, makes)
            return 1
        done, number = done + len(program), number + 1
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
    return 0 if compared >= steps * 0.9 else 1


def main(words: list[str] | None = None) -> int:
    """Run it; 1 on a mismatch, or if too much was given up."""
    parser = argparse.ArgumentParser(prog="python -m tests.agreement.random_calls")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--in-vm", action="store_true")
    parser.add_argument("--alone", action="store_true")
    given = parser.parse_args(words)
    if not given.in_vm:
        return _run(given.steps, given.seed, [Ours] if given.alone else [Ours, Kernel])
    inside = [sys.executable, "-m", "tests.agreement.random_calls"]
    inside += ["--steps", str(given.steps), "--seed", str(given.seed)]
    path = os.pathsep.join(["src", "."])
    outside = [sys.executable, "-m", "tools.vm", *VM, "--timeout", str(300 + given.steps // 20)]
    command = [*outside, "--env", f"PYTHONPATH={path}", "--", *inside]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
