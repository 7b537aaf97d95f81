"""Each prediction of the validator goes to a search that confirms or refutes it.

    judged = predicted(design, "file.py::name")
    [(one.outcome, one.predicted.code) for one in judged]

The validator watches some runs and tells what could happen: a cycle of locks that no run closed,
memory that is allocated where a shrinker might wait. Walks are then directed at what it foresees,
with neighbours beside the design that do what the contract allows where the prediction rests on
that. A walk that gets there confirms it, with a schedule. If none does, all schedules are searched:
exhausted without that finding, it is refuted. A budget that ends first leaves it unknown, never
refuted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from dmabuf.codes import CODES, implied_by
from dmabuf.contract.alphabet import ASKED
from dmabuf.contract.order import Link
from dmabuf.contract.prediction import Prediction
from dmabuf.contract.prime import FENCE, RECLAIM
from dmabuf.contract.validator import Validator
from dmabuf.core.fence_steps import WAIT as FENCE_WAIT
from dmabuf.explore.check import check_design, explained
from dmabuf.explore.phases import Exploration
from dmabuf.explore.portfolio import RANDOM
from dmabuf.explore.predictions.neighbours import Permission, beside
from dmabuf.explore.predictions.on_the_way import WayToSignal
from dmabuf.explore.predictions.public import Learnt, learnt
from dmabuf.explore.search import Budget, Search
from dmabuf.explore.strategies.directed import Directed
from dmabuf.machine import Design
from dmabuf.report.finding import Finding
from dmabuf.report.judgement import Judgement, Outcome
from dmabuf.report.verdict import Verdict
from dmabuf.rt.explored_task import ExploredTask

__all__ = ["judge", "predicted", "watched"]

_RUNS = 20
"""Random runs that the validator watches."""
_WALKS = 10
_ROUNDS = 6
"""So many times so many directed walks, before all schedules are searched."""
_BUDGET = Budget(seconds=30.0)
_SHARE = 0.5
"""How much of what is left of the budget one prediction may use."""
_HARM: dict[str, frozenset[Permission]] = {"DF107": frozenset({(RECLAIM, FENCE)})}
"""What the run itself shows does harm only beside drivers that use these permissions."""
_HIDDEN = ", which no step publishes, and the neighbours cannot"


def watched(
    fn: Design,
    *,
    runs: int = _RUNS,
    budget: Budget | None = None,
    carrier: str = "",
    validator: Validator | None = None,
) -> Validator:
    """A validator that has watched random runs of a design.

    Args:
        fn: the design.
        runs: how many.
        budget: for all of them.
        carrier: what tasks run on.
        validator: which one; it may have watched others before.
    """
    validator = validator or Validator()
    search = Search(
        fn,
        replace(budget or _BUDGET, executions=runs),
        engine=RANDOM,
        carrier=carrier,
        on_start=validator.attach,
        on_end=lambda _runtime: validator.detach(),
    )
    search.run()
    return validator


def predicted(
    fn: Design,
    subject: str,
    *,
    budget: Budget | None = None,
    carrier: str = "",
    known: Verdict | None = None,
) -> tuple[Judgement, ...]:
    """What the validator predicts of a design, each prediction judged.

    Args:
        fn: the design.
        subject: what to call it.
        budget: for all of it; what it does not reach is unknown.
        carrier: what tasks run on.
        known: the verdict on the design, if all its schedules have been searched already.
    """
    budget = budget or _BUDGET
    started = time.monotonic()
    validator = watched(fn, budget=budget, carrier=carrier)
    judging = _Judging(fn, subject, validator, budget, carrier)
    if known is not None and not known.limit:
        judging.searched[frozenset()] = known
    found: list[Judgement] = []
    for one in validator.predictions:
        if budget.seconds is not None:
            left = max(budget.seconds - (time.monotonic() - started), 0.0)
            judging.budget = replace(budget, seconds=left * _SHARE)
        found.append(judging.judge(one))
    return (*found, *judging.silent())


def judge(
    fn: Design,
    subject: str,
    prediction: Prediction,
    validator: Validator,
    *,
    budget: Budget | None = None,
    carrier: str = "",
) -> Judgement:
    """Confirm or refute one prediction that a validator made of a design."""
    return _Judging(fn, subject, validator, budget or _BUDGET, carrier).judge(prediction)


@dataclass(slots=True)
class _Judging:
    """One design's predictions; what was searched is searched once."""

    design: Design
    subject: str
    validator: Validator
    budget: Budget
    carrier: str
    searched: dict[frozenset[Permission], Verdict] = field(default_factory=dict)
    _way: WayToSignal | None = None
    _public: Learnt | None = None

    def judge(self, prediction: Prediction) -> Judgement:
        roles = _HARM.get(prediction.finding.code, frozenset[Permission]())
        if prediction.conflict is None and not roles:
            return self._of_run(prediction)
        stated = (link for link in prediction.links if link.is_stated)
        roles |= {(link.before.role, link.after.role) for link in stated}
        target = beside(self.design, roles, self._learnt().later) if roles else self.design
        foreseen = prediction.finding
        found = self._walked(target, prediction)
        if found is not None:
            return Judgement(Outcome.CONFIRMED, foreseen, found, beside=bool(roles))
        verdict = self._all(target, roles)
        found = _that(verdict, prediction)
        if found is not None:
            return Judgement(Outcome.CONFIRMED, foreseen, found, beside=bool(roles))
        limit = verdict.limit
        if not limit and any(one.code == foreseen.code for one in verdict.findings):
            limit = f"there is a {foreseen.code}, but nothing shows that it is this one"
        if not limit and roles and self._learnt().hidden:
            limit = "others can find " + ", ".join(sorted(self._learnt().hidden)) + _HIDDEN
        if limit:
            return Judgement(Outcome.UNKNOWN, foreseen, limit=limit, beside=bool(roles))
        return Judgement(Outcome.REFUTED, foreseen, beside=bool(roles))

    def silent(self) -> list[Judgement]:
        """Tasks on the way that nobody would suspect: they signal nothing, and say nothing."""
        if not self._learnt().fences or self._way_to_signal().limit:
            return []
        found: list[Judgement] = []
        suspected = {one.who for one in self.validator.predictions}
        for who, about in self._way_to_signal().silent(self.validator.said | suspected):
            stack = self._learnt().begins.get(who, ())
            message = (
                f"{who} is on the way to the signal of {about} and opens no signalling section: "
                "nobody checks what it does there"
            )
            finding = Finding("DF205", message, place=stack[0] if stack else None, stack=stack)
            found.append(Judgement(Outcome.CONFIRMED, finding, finding))
        return found

    def _way_to_signal(self) -> WayToSignal:
        if self._way is None:
            later = self._learnt().later
            self._way = WayToSignal(self.design, self.budget, self.carrier, later)
        return self._way

    def _learnt(self) -> Learnt:
        if self._public is None:
            self._public = learnt(self.design, self.carrier)
        return self._public

    def _of_run(self, prediction: Prediction) -> Judgement:
        """The run itself broke the rule: there is nothing to foresee, unless it is suspected."""
        if not prediction.is_suspicion:
            return Judgement(Outcome.CONFIRMED, prediction.finding, prediction.finding)
        if prediction.finding.code != "DF205":
            return Judgement(
                Outcome.UNKNOWN, prediction.finding, limit="no search decides this rule"
            )
        way = self._way_to_signal()
        if way.limit:
            return Judgement(Outcome.UNKNOWN, prediction.finding, limit=way.limit)
        if way.is_on_it(prediction.who, prediction.about):
            return Judgement(Outcome.CONFIRMED, prediction.finding, prediction.finding)
        return Judgement(Outcome.REFUTED, prediction.finding)

    def _walked(self, target: Design, prediction: Prediction) -> Finding | None:
        """What walks come to that are directed at what the prediction says has to meet."""
        links = [link for link in prediction.links if not link.is_stated]
        meets = _meeting(self.validator, links)
        search = Search(
            target,
            self.budget,
            carrier=self.carrier,
            make=lambda setup: Directed(meets, setup),
            on_start=self.validator.attach,
            on_end=lambda _runtime: self.validator.detach(),
        )
        known = 0
        for _ in range(_ROUNDS):
            search.go_on(replace(self.budget, executions=_WALKS))
            if len(search.cases) > known:
                known = len(search.cases)
                verdict = explained(_as_exploration(search, self.carrier), self.subject)
                found = _that(verdict, prediction)
                if found is not None:
                    return found
        return None

    def _all(self, target: Design, roles: frozenset[Permission]) -> Verdict:
        if roles not in self.searched:
            self.searched[roles] = check_design(
                target, self.subject, budget=self.budget, carrier=self.carrier
            )
        return self.searched[roles]


def _as_exploration(search: Search, carrier: str) -> Exploration:
    return Exploration(
        search.design,
        carrier,
        search,
        search.names,
        search.wakers,
        search.traits,
        dict(search.cases),
        limit=search.limit,
        sampled=search.made,
        seconds=search.seconds,
    )


def _meeting(validator: Validator, links: Iterable[Link]) -> Callable[[ExploredTask], bool]:
    """Is a task about to take what one of the links takes, holding what it holds?"""
    wanted = [(link.before, link.after) for link in links]

    def is_there(task: ExploredTask) -> bool:
        if task.op not in ASKED and task.op is not FENCE_WAIT:
            return False
        held = validator.classes_of(task)
        asked = held.pop(0) if task.op in ASKED and held else None
        return any(
            (after is asked or (after.role == FENCE and asked is None))
            and (before in held or before.role == FENCE)
            for before, after in wanted
        )

    return is_there


def _that(verdict: Verdict, prediction: Prediction) -> Finding | None:
    return next((one for one in verdict.findings if _is_it(one, prediction)), None)


def _is_it(finding: Finding, prediction: Prediction) -> bool:
    """Does a finding of the search show what was predicted?

    Rules that imply one another may be two views of one deadlock; then it has to be about the
    same objects or lines.
    """
    foreseen = prediction.finding.code
    if foreseen in _HARM:
        pool = prediction.who.partition(":")[0]
        waiting = {wait.task.partition(":")[0] for wait in finding.waits}
        return finding.code == foreseen and pool in waiting
    if finding.code not in CODES or foreseen not in CODES:
        return finding.code == foreseen
    kin = finding.code == foreseen or (
        finding.code in implied_by(foreseen) or foreseen in implied_by(finding.code)
    )
    named = {name for pair in prediction.instances for name in pair}
    waits = {name for wait in finding.waits for name in (wait.target, *wait.holds)}
    lines = {(place.file, place.line) for wait in finding.waits for place in wait.stack}
    lines |= {(wait.place.file, wait.place.line) for wait in finding.waits if wait.place}
    places = {(place.file, place.line) for place in prediction.places}
    nothing_to_compare = not finding.waits or (not lines and finding.code == foreseen)
    return kin and bool(places & lines or named & waits or nothing_to_compare)
