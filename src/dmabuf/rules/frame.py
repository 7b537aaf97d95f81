"""What a page of the contract holds, and how its designs are run.

A rule is justified when its counterexample breaks the sentence that it protects and its fix is
proved; near-misses are designs that look like the counterexample and must stay silent.

    run = run_rule(RULES["DF202"])
    run.ok, run.lines[0]    # (True, ("lock_across_wait", "VIOLATED DF202", "VIOLATED DF202"))
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from dmabuf.codes import CODES, implied_by
from dmabuf.explore.check import Budget, check_design
from dmabuf.machine import Design, is_design
from dmabuf.report.finding import Finding
from dmabuf.report.judgement import Outcome
from dmabuf.report.verdict import Status, Verdict

__all__ = [
    "DOCUMENTS",
    "Check",
    "Rule",
    "RuleRun",
    "Source",
    "assemble",
    "compared",
    "explored",
    "run_rule",
]

DOCUMENTS = {
    "000": "mail thread that asks for the reasons behind the dma_fence contract, and an answer",
    "001": 'patch mail "dma-fence: prime lockdep annotations", version 5, July 2020',
    "002": "Documentation/driver-api/dma-buf.rst with the messages of the commits that wrote it",
    "003": "mail thread on waiting for fences in shrinkers and MMU notifiers, June 2020",
    "004": 'mail thread "Tackling the indefinite/user DMA fence problem", May 2022',
}
"""The documents that sources name by number."""

_BUDGET = Budget(seconds=20.0)
_REFUTED = Outcome.REFUTED.value


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule is written down.

    Attributes:
        where: a document's number and a few words that its paragraph holds, or a kernel file
            and the function or section in it.
        says: how strongly it is worded (must, should, ideal, fact) and what it says, retold.
    """

    where: str
    says: str


@dataclass(frozen=True, slots=True)
class Check:
    """Who enforces a rule.

    Attributes:
        by: "run", "explore" or "audit", as in `codes.Code.decided_by`.
        where: dotted name of the code that notices.
        how: what it notices.
    """

    by: str
    where: str
    how: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One page of the contract.

    Attributes:
        code: the rule's ID in `codes.CODES`, which holds statement and remedy.
        why: the chain of reasoning, as a maintainer tells it.
        sources: where it is written down.
        counterexample: the shortest design that breaks it.
        fix: the same job with the rule kept.
        near_misses: designs that look like breaking it and do not.
        checks: who enforces it.
        variants: other ways of breaking it.
        allowed: what the rule does not forbid, in a sentence.
        is_judged: no run of its designs goes wrong; that they break it is predicted by the
            validator, and confirmed or refuted by a search.
    """

    code: str
    why: str
    sources: tuple[Source, ...]
    counterexample: Design
    fix: Design
    near_misses: tuple[Design, ...]
    checks: tuple[Check, ...]
    variants: tuple[Design, ...] = ()
    allowed: str = ""
    is_judged: bool = False

    @property
    def broken(self) -> tuple[Design, ...]:
        """The designs that must be found to break the rule."""
        return (self.counterexample, *self.variants)

    @property
    def kept(self) -> tuple[Design, ...]:
        """The designs that must be proved."""
        return (self.fix, *self.near_misses)


@dataclass(frozen=True, slots=True)
class RuleRun:
    """What became of a rule's designs.

    Attributes:
        code: the rule's ID.
        ok: every verdict is as declared.
        lines: (design, expected, got), equal where the verdict is as declared.
        seconds: of exploring.
        broken: the verdict on the counterexample.
    """

    code: str
    ok: bool
    lines: tuple[tuple[str, str, str], ...]
    seconds: float
    broken: Verdict | None = None


def assemble(*pages: Iterable[Rule], audited: Mapping[str, Check]) -> dict[str, Rule]:
    """All rules by ID, in order of ID. Raises ValueError for a page that cannot be one.

    Args:
        pages: of the rooms.
        audited: what the auditor notices, by ID: one more check of the page.
    """
    found: dict[str, Rule] = {}
    for rule in (rule for page in pages for rule in page):
        if rule.code not in CODES:
            raise ValueError(f"{rule.code} is not in codes.CODES")
        if rule.code in found:
            raise ValueError(f"{rule.code} has two pages")
        unmarked = [fn.__name__ for fn in (*rule.broken, *rule.kept) if not is_design(fn)]
        if unmarked:
            raise ValueError(f"{rule.code}: {', '.join(unmarked)} lacks @design")
        more = (audited[rule.code],) if rule.code in audited else ()
        found[rule.code] = replace(rule, checks=(*rule.checks, *more))
    return dict(sorted(found.items()))


def run_rule(rule: Rule, *, budget: Budget | None = None, carrier: str = "") -> RuleRun:
    """Explore the rule's designs and compare with what its page declares.

    Args:
        rule: the page.
        budget: limits for each design; reaching one is never as declared.
        carrier: "greenlet" or "threads"; the best there is if empty.
    """
    started = time.monotonic()
    lines: list[tuple[str, str, str]] = []
    first: Verdict | None = None
    for breaks, designs in ((True, rule.broken), (False, rule.kept)):
        for fn in designs:
            verdict = explored(rule, fn, budget=budget, carrier=carrier)
            first = first or verdict
            lines.append((fn.__name__, *compared(rule, verdict, breaks=breaks)))
    ok = all(expected == got for _name, expected, got in lines)
    return RuleRun(rule.code, ok, tuple(lines), time.monotonic() - started, first)


def explored(rule: Rule, fn: Design, *, budget: Budget | None = None, carrier: str = "") -> Verdict:
    """The verdict on one of the rule's designs, with predictions where these decide.

    Args:
        rule: the page.
        fn: one of its designs.
        budget: limits.
        carrier: "greenlet" or "threads"; the best there is if empty.
    """
    budget = budget or _BUDGET
    verdict = check_design(fn, fn.__name__, budget=budget, carrier=carrier)
    if not rule.is_judged:
        return verdict
    from dmabuf.explore.predictions.confirm import predicted

    judged = predicted(fn, fn.__name__, budget=budget, carrier=carrier, known=verdict)
    return replace(verdict, predicted=judged)


def compared(rule: Rule, verdict: Verdict, *, breaks: bool) -> tuple[str, str]:
    """What the page declares of a design that breaks or keeps it, and what came out."""
    if rule.is_judged:
        advice = f"{Status.PROVED.value}, {Outcome.CONFIRMED.value} {rule.code}"
        return advice if breaks else Status.PROVED.value, _judged(verdict)
    if breaks:
        return f"{Status.VIOLATED.value} {rule.code}", _violated(rule.code, verdict)
    return Status.PROVED.value, _in_words(verdict)


def _judged(verdict: Verdict) -> str:
    """The verdict, and what was predicted and not refuted."""
    kept = {(one.outcome.value, one.predicted.code) for one in verdict.predicted}
    told = sorted(f"{outcome} {code}" for outcome, code in kept if outcome != _REFUTED)
    return ", ".join([_in_words(verdict), *told])


def _violated(code: str, verdict: Verdict) -> str:
    """VIOLATED and the rule if it leads and all else follows from it."""
    if not verdict.findings or verdict.findings[0].code != code:
        return _in_words(verdict)
    found = {one for finding in verdict.findings for one in _ids(finding)}
    others = sorted(found - implied_by(code) - {code})
    said = f"{verdict.status.value} {code}"
    return f"{said} and {', '.join(others)}, which it does not imply" if others else said


def _in_words(verdict: Verdict) -> str:
    """Status, leading rule, limit."""
    lead = [finding.code for finding in verdict.findings[:1]]
    return " ".join([verdict.status.value, *lead, *([verdict.limit] if verdict.limit else [])])


def _ids(finding: Finding) -> tuple[str, ...]:
    return (finding.code, *finding.implied)
