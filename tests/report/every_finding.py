"""What checking every rule's counterexamples and the quick examples finds, once a process."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

from dmabuf.explore.check import Budget, check_design
from dmabuf.machine import is_design
from dmabuf.report.verdict import Verdict
from dmabuf.rules import RULES

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SLOW = {"pipeline", "two_importers_and_a_move"}


@functools.cache
def verdicts() -> tuple[Verdict, ...]:
    """A verdict for each design that is wrong."""
    designs = [(code, fn) for code, rule in RULES.items() for fn in rule.broken]
    for path in sorted(EXAMPLES.glob("*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found = [one for one in vars(module).values() if is_design(one)]
        designs += [(path.stem, fn) for fn in found if fn.__name__ not in SLOW]
    budget = Budget(seconds=None, executions=300)
    checked = (check_design(fn, f"{where}::{fn.__name__}", budget=budget) for where, fn in designs)
    return tuple(verdict for verdict in checked if verdict.findings)
