"""Weaken the footprint of every operation and every rule of the search: is each one noticed?

    python -m tests.explore.mutants [PATTERN] [--triples PROGRAMS] [--seeds SEEDS]

The operations are those of the alphabet, whatever they are: each claims in turn to change nothing,
to touch nothing, to touch only the first of its objects, or all but that; if that hides nothing in
any program, as there is but one object, it is no mutant. A mutant is killed by a program in which
two steps are then said to commute that do not (`squares`). As what truly commutes does not depend
on what anybody says, each program is looked at once, for all mutants: first the pairs of acts of
each family of objects (`alphabet`), then some longer ones of the families in which something
survives, then random ones. The rules are `rule_mutants`, each with a program that notices it.

Prints who kills whom; exits 1 if less than 95 % are killed, if an honest footprint is wrong, or if
what `equivalent_mutants` says of a mutant that no program can tell is not so.
"""

from __future__ import annotations

import argparse
import fnmatch
import gc
import importlib
import pkgutil
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

import dmabuf
from dmabuf.explore.portfolio import DPOR
from dmabuf.rt.api import OPS
from tests.explore.alphabet import FAMILIES
from tests.explore.equivalent_mutants import reason_for, wrong_reason
from tests.explore.fuzz import compare
from tests.explore.meetings import Meetings, Mutant, pairs, triples
from tests.explore.nightly import GENERATORS
from tests.explore.random_programs import generate
from tests.explore.rule_mutants import RULE_MUTANTS

__all__ = ["ENOUGH", "fill_alphabet"]

ENOUGH = 0.95
_APART = ("__main__", "pytest_plugin", "_fused")


def fill_alphabet() -> None:
    """Import every module, so that all operations are known."""
    for module in pkgutil.walk_packages(dmabuf.__path__, "dmabuf."):
        if not module.name.endswith(_APART):
            importlib.import_module(module.name)


def _survivors(met: Meetings, ops: list[str]) -> list[Mutant]:
    return [
        mutant for mutant in met.mutants(ops) if not met.killer(mutant) and not reason_for(mutant)
    ]


def _look(met: Meetings, ops: list[str], longer: int, seeds: int) -> None:
    """Look at programs, the smallest first, as long as a mutant survives that they may kill."""
    makes: dict[str, set[str]] = {}
    for family in FAMILIES:
        alone = Meetings()
        alone.add(pairs(family))
        makes[family.name] = alone.ops
        met.join(alone)
        gc.collect()
    _tell(met, ops, "pairs")
    for family in FAMILIES:
        left = {mutant.op for mutant in _survivors(met, ops)}
        if left & makes[family.name]:
            met.add(triples(family, longer))
    _tell(met, ops, "triples")
    if _survivors(met, ops):
        met.add(_random(seeds))
        _tell(met, ops, "random ones")


def _tell(met: Meetings, ops: list[str], after: str) -> None:
    left = len(_survivors(met, ops))
    minutes = time.process_time() / 60
    print(f"{met.programs} programs, {after}: {left} survive, {minutes:.1f} min", flush=True)  # noqa: T201


def _random(seeds: int) -> Iterator[tuple[str, Any]]:
    for seed in range(seeds):
        for name, generator in GENERATORS.items():
            yield f"{name} {seed}", generator(seed)
        yield f"random {seed}", generate(seed)


def _rules(pattern: str) -> Iterator[tuple[str, str]]:
    """Each mutant of a rule and its killer."""
    for mutant in RULE_MUTANTS:
        if fnmatch.fnmatch(f"rule: {mutant.name}", pattern):
            with pytest.MonkeyPatch.context() as patch:
                mutant.apply(patch)
                said = compare(mutant.program, engine=DPOR).said
            yield f"rule: {mutant.name}", str(mutant.where) if said else ""


def _footprints(met: Meetings, ops: list[str]) -> Iterator[tuple[str, str]]:
    """Each mutant of a footprint and its killer, or why it has none."""
    for mutant in met.mutants(ops):
        killer = met.killer(mutant)
        reason = reason_for(mutant)
        if reason:
            wrong = f"killed by {killer}" if killer else wrong_reason(met, mutant)
            yield str(mutant), f"equivalent: {reason}" if not wrong else f"WRONG REASON: {wrong}"
        elif killer:
            yield str(mutant), killer
        else:
            met_times = f"{len(met.of(mutant.op))} meetings, {met.decisive(mutant)} decisive"
            yield str(mutant), f"SURVIVES ({met_times})"


def main() -> int:
    """Print each mutant with its killer, then the survivors and how many there are."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pattern", nargs="?", default="*", help="operations, or 'rule: ...' (all)")
    parser.add_argument("--triples", type=int, default=250, help="longer programs a family (250)")
    parser.add_argument("--seeds", type=int, default=40, help="random programs of a kind (40)")
    args = parser.parse_args()
    fill_alphabet()
    gc.disable()
    ops = sorted(op for op in fnmatch.filter(OPS, args.pattern) if not op.startswith("test"))
    met = Meetings()
    if ops:
        _look(met, ops, args.triples, args.seeds)
    found = [*_footprints(met, ops), *_rules(args.pattern)]
    if not found:
        parser.error(f"no operation and no rule is called {args.pattern!r}")
    for name, said in found:
        print(f"{name:50} {said}")  # noqa: T201 - a command
    for meeting, name in met.wrong.items():
        print(f"THE HONEST FOOTPRINTS ARE WRONG in {name}: {meeting}")  # noqa: T201
    equivalent = sum(said.startswith("equivalent") for _name, said in found)
    bad = [one for one in found if one[1].startswith(("SURVIVES", "WRONG")) or not one[1]]
    total = len(found) - equivalent
    killed = total - len(bad)
    print("\nnot killed:", *(" ".join(one) for one in bad), sep="\n    ")  # noqa: T201
    print(f"{killed} of {total} killed, {equivalent} equivalent")  # noqa: T201
    reasons = any(said.startswith("WRONG") for _name, said in found)
    return int(bool(met.wrong) or reasons or not total or killed / total < ENOUGH)


if __name__ == "__main__":
    sys.exit(main())
