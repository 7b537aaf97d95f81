"""Sections that are said beside sections that are guessed: found, missed, false alarms.

    python -m tests.contract.cross_release              # the corpus, and the designs of the rules
    python -m tests.contract.cross_release --cases      # the corpus only: a second

Counted are the rules that rest on the order of locks and fences (`ORDER`). Those about annotations
themselves (DF107, DF108, DF205) no mode can break that reads none.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from dmabuf.contract.cross_release import CROSS_RELEASE
from dmabuf.contract.prediction import Prediction
from dmabuf.contract.sections import NEWEST, Semantics
from dmabuf.contract.validator import Validator
from dmabuf.core import fence_steps
from dmabuf.explore.predictions.confirm import judge, watched
from dmabuf.explore.search import Budget
from dmabuf.machine import Design
from dmabuf.report.judgement import Judgement, Outcome
from dmabuf.rt.api import Op, Task
from dmabuf.rt.notes import Note, attach, detach
from dmabuf.rules import RULES
from dmabuf.sync import completion
from tests.contract import corpus
from tests.support import ground

__all__ = ["ORDER", "OURS", "THEIRS", "Tally", "of_case", "of_cases", "of_design", "signals_itself"]

OURS, THEIRS = "sections are said", "sections are guessed"
ORDER = frozenset(
    {
        *("DF001", "DF003", "DF201", "DF202", "DF203", "DF204", "DF209"),
        *("DF301", "DF302", "DF304"),
    }
)
"""Rules that a cycle of locks and fences breaks."""

_BUDGET = Budget(seconds=5.0)


@dataclass(slots=True)
class Tally:
    """What one mode makes of a corpus.

    Attributes:
        found: bugs that it tells, by subject.
        missed: and those that it does not.
        false: what it tells although nothing is wrong.
    """

    found: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)

    def add(self, subject: str, wrong: Iterable[str], said: Iterable[str]) -> None:
        """Compare what is wrong with what was said, as often as either is."""
        bugs, told = Counter(wrong), Counter(said)
        for into, codes in (
            (self.found, bugs & told),
            (self.missed, bugs - told),
            (self.false, told - bugs),
        ):
            into += [f"{subject} {code}".rstrip() for code in codes.elements()]

    @property
    def counts(self) -> tuple[int, int, int]:
        """Found, missed, false."""
        return len(self.found), len(self.missed), len(self.false)


# -- the corpus --------------------------------------------------------------------------------


def of_case(name: str, semantics: Semantics, tally: Tally) -> None:
    """Add what a mode makes of one case; a case that names a kernel is judged as that for ours."""
    case = corpus.all_cases()[name]
    own: Semantics = getattr(case, "how", {}).get("semantics", NEWEST)
    how = {"semantics": replace(own, guesses=True)} if semantics.guesses else {}
    said = corpus.told(case, corpus.watched(case, "greenlets", **how))
    wrong = corpus.expected(case)
    tally.add(name, _of_order(wrong), _of_order(said))


@cache
def of_cases(semantics: Semantics) -> Tally:
    """What a mode makes of the corpus."""
    tally = Tally()
    for name in corpus.all_cases():
        of_case(name, semantics, tally)
    return tally


def _of_order(told: corpus.Told) -> list[str]:
    return [code for _line, _verb, code in told if code in ORDER]


class _Signals:
    """An instrument that notices sections which end without a signal of their own."""

    def __init__(self) -> None:
        self.inside: dict[Task, bool] = {}
        self.without = False

    def announced(self, task: Task, op: Op, obj: Any) -> None:
        """Before a step: is it a signal?"""
        if op in (fence_steps.SIGNAL, completion.COMPLETE, completion.COMPLETE_ALL):
            self.inside[task] = True

    def stepped(self, task: Task, op: Op, obj: Any, outcome: Any) -> None:
        """Nothing that was not announced."""

    def blocked(self, task: Task, op: Op, obj: Any) -> None:
        """Nothing."""

    def created(self, task: Task, obj: Any) -> None:
        """Nothing."""

    def reported(self, code: str, message: str) -> None:
        """Nothing."""

    def noted(self, task: Task, note: Note, subject: Any) -> None:
        """A section begins or ends."""
        if note is Note.SECTION and not subject:
            self.inside[task] = False
        elif note is Note.SECTION_END and not subject:
            self.without = self.without or not self.inside.pop(task, True)


def signals_itself(case: Any) -> bool:
    """Does each section of a case signal something itself, unlike a scheduler's?"""
    on, ear = ground("greenlets"), _Signals()

    def run() -> None:
        attach(on.runtime, ear)
        case(on)
        detach(on.runtime, ear)

    on.reports(run)
    return not ear.without


# -- the designs of the rules ------------------------------------------------------------------


def of_design(fn: Design, semantics: Semantics) -> tuple[Validator, list[Prediction]]:
    """A validator that has watched a design, and what it says of the order."""
    validator = watched(fn, validator=Validator(semantics=semantics))
    return validator, [one for one in validator.predictions if one.finding.code in ORDER]


def _designs() -> Iterable[tuple[str, Design, bool]]:
    """Name, design, is it broken: by a rule of the order; kept ones of all rules."""
    for code, rule in RULES.items():
        for fn in rule.broken if code in ORDER else ():
            yield f"{code}.{fn.__name__}", fn, True
        for fn in rule.kept:
            yield f"{code}.{fn.__name__}", fn, False


def _tell_designs(out: Callable[[str], object]) -> None:
    """Each design counts once: is anything said of it, before and after a search?"""
    rows = {(mode, when): Tally() for mode in (OURS, THEIRS) for when in ("said", "searched")}
    beside: dict[str, list[str]] = {OURS: [], THEIRS: []}
    for name, fn, broken in _designs():
        for mode, semantics in ((OURS, NEWEST), (THEIRS, CROSS_RELEASE)):
            validator, said = of_design(fn, semantics)
            judged = [judge(fn, name, one, validator, budget=_BUDGET) for one in said]
            wrong = [""] if broken else []
            rows[mode, "said"].add(name, wrong, [""] if said else [])
            left = [one for one in judged if one.outcome is not Outcome.REFUTED]
            if not broken and left:
                beside[mode].append(f"{name} {_in_words(left)}")
                left = []
            rows[mode, "searched"].add(name, wrong, [""] if left else [])
    for (mode, when), tally in rows.items():
        out(_row(f"designs, {mode}, {when}", tally))
    for mode, names in beside.items():
        out(f"\nkept alone, not refuted beside a neighbour, {mode}: {len(names)}")
        for name in names:
            out(f"  {name}")
    for title, which in (("missed", "missed"), ("false", "false")):
        for mode in (OURS, THEIRS):
            _list(out, f"designs {title}, {mode}", getattr(rows[mode, "said"], which))


def _in_words(judged: Iterable[Judgement]) -> str:
    return ", ".join(f"{one.outcome.value} {one.predicted.code}" for one in judged)


# -- as a command ------------------------------------------------------------------------------


def _row(title: str, tally: Tally) -> str:
    found, missed, false = tally.counts
    return f"{title:48} {found:6} {missed:7} {false:6}"


def _list(out: Callable[[str], object], title: str, names: list[str]) -> None:
    out(f"\n{title}: {len(names)}")
    for name in names:
        out(f"  {name}")


def main(arguments: list[str], out: Callable[[str], object] = print) -> None:
    """Print the table and what it counts."""
    cases = corpus.all_cases()
    ours, theirs = of_cases(NEWEST), of_cases(CROSS_RELEASE)
    out(f"{'':48} {'found':>6} {'missed':>7} {'false':>6}")
    for mode, tally in ((OURS, ours), (THEIRS, theirs)):
        out(_row(f"{len(cases)} cases, {mode}", tally))
    if "--cases" not in arguments:
        _tell_designs(out)
    silent = [one for one in theirs.missed if not signals_itself(cases[one.split()[0]])]
    others = [one for one in theirs.missed if one not in silent]
    _list(out, "missed by guesses: the section signals nothing itself", silent)
    _list(out, "missed by guesses: otherwise", others)
    _list(out, "false by guesses", theirs.false)
    unsaid = [one for one in theirs.found if one.startswith("unsaid-")]
    _list(out, "found by guesses where nobody says anything", unsaid)


if __name__ == "__main__":
    main(sys.argv[1:])
