"""Check one design: search, diagnose, explain.

>>> from dmabuf.machine import design
>>> @design
... def empty(machine): pass
>>> check_design(empty, "example").status
<Status.PROVED: 'PROVED'>
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dmabuf.codes import CODES, PRECEDENCE
from dmabuf.errors import WouldDeadlock
from dmabuf.explore.cases import Case
from dmabuf.explore.diagnose import Diagnosis, diagnose
from dmabuf.explore.explanations.divergence import matches
from dmabuf.explore.explanations.explain import Telling, finding_of, tell
from dmabuf.explore.explanations.simplest import Simplifier
from dmabuf.explore.explanations.telling import changed
from dmabuf.explore.explanations.token import TokenError, decode
from dmabuf.explore.foreign.interrupts import interruptible
from dmabuf.explore.lassos.timers import confirmed, suspect
from dmabuf.explore.lassos.turns import snapshot_of_turn
from dmabuf.explore.phases import Exploration, explore
from dmabuf.explore.pressure import with_the_fewest
from dmabuf.explore.search import Budget, Progress
from dmabuf.explore.snapshot import Snapshot, take_cycle, take_snapshot
from dmabuf.explore.strategies.dfs import all_may_stop
from dmabuf.explore.traits import assumed
from dmabuf.machine import Design
from dmabuf.report.finding import Finding, Place
from dmabuf.report.verdict import Status, Verdict
from dmabuf.rt.carriers import carrier_named
from dmabuf.rt.cpus import INTERRUPTS, SOFTIRQS
from dmabuf.rt.tasks import Tasks

if TYPE_CHECKING:
    from dmabuf.explore.jobs.parallel import Crew

__all__ = ["Budget", "Progress", "check_design", "explained", "replay_design"]

_MAX_FINDINGS = 20
_LEARN = Budget(seconds=2.0, executions=2000)
_RANK = {code: rank for rank, code in enumerate(PRECEDENCE)}


def check_design(
    fn: Design,
    subject: str,
    *,
    budget: Budget | None = None,
    seed: int = 0,
    carrier: str = "",
    engine: str = "",
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
    crew: Crew | None = None,
) -> Verdict:
    """Explore a design's schedules and explain what was found.

    Args:
        fn: the design.
        subject: what to call it, "file.py::name".
        budget: limits; reaching one is never a pass.
        seed: order in which schedules are tried.
        carrier: "greenlet" or "threads"; the best there is if empty.
        engine: a name of `explore.portfolio.ENGINES`; picked as the search goes on if empty.
            Raises EngineError.
        progress: called now and then.
        stop: asked between executions whether to end with what is known by then.
        crew: workers (`explore.jobs.parallel.Crew`); how many there are does not change the answer.

    Where memory may be short several times, what is told is what the fewest shortages break.
    Without `stop`, Ctrl-C on the main thread does the same; a second one raises KeyboardInterrupt.
    """
    with interruptible(stop) as is_asked:

        def check(one: Design, share: Budget, workers: Crew | None = None) -> Verdict:
            explored = explore(
                one,
                share,
                engine=engine,
                seed=seed,
                carrier=carrier,
                progress=progress,
                stop=is_asked,
                crew=workers,
            )
            return explained(explored, subject, notes=workers.notes if workers is not None else ())

        verdict = check(fn, budget or Budget(), crew)
        if verdict.status is not Status.VIOLATED:
            return verdict
        return with_the_fewest(verdict, check, fn)


def explained(explored: Exploration, subject: str, *, notes: Iterable[str] = ()) -> Verdict:
    """The verdict on what was explored: its findings, each with the simplest schedule."""
    ranked = _ranked(explored)
    stops = _stoppers(explored)
    simplifier = Simplifier(explored, lambda rest: diagnose(rest, explored.wakers, stops))
    findings = [_explain(simplifier, *pair) for pair in ranked[:_MAX_FINDINGS]]
    more = len(ranked) - len(findings)
    return _verdict(
        explored,
        subject,
        findings,
        notes=(
            *((f"{more} more findings are not shown",) if more else ()),
            *notes,
        ),
    )


def replay_design(fn: Design, subject: str, token: str, *, carrier: str = "") -> Verdict:
    """Run the schedule of a token again and explain it.

    A short search first learns who may signal what; raises TokenError if the token cannot be
    read or does not fit the design.
    """
    with interruptible(None) as is_asked:
        moves, check = decode(token)
        learnt = explore(fn, _LEARN, carrier=carrier, stop=is_asked)
        return _replayed(fn, subject, moves, check, learnt)


Moves = list[tuple[int, int]]


def _replayed(fn: Design, subject: str, moves: Moves, check: str, learnt: Exploration) -> Verdict:
    """With what is known to take CPUs away, else with what a longer search might have learnt."""
    known = learnt.names.early
    refused: TokenError | None = None
    for more in ((), (SOFTIRQS,), (INTERRUPTS,), (SOFTIRQS, INTERRUPTS)):
        learnt.names.early = known.union(more)
        try:
            return _replayed_so(fn, subject, moves, check, learnt)
        except TokenError as error:
            refused = refused or error
    assert refused is not None
    raise refused


def _replayed_so(
    fn: Design, subject: str, moves: Moves, check: str, learnt: Exploration
) -> Verdict:
    carrier = learnt.carrier
    seen, telling, rt = _told_again(fn, moves, check, learnt, carrier)
    if not matches(telling.checks, check):
        raise changed(telling, check)
    if rt.failure is not None:
        seen = [Case("failure", moves, 0, failure=(rt.failure[0].name, rt.failure[1]))]
    elif rt.reports:
        code, message, task = rt.reports[0]
        seen = [Case("report", moves, 0, report=(code, message, task.name))]
    elif not seen and learnt.standing:
        seen, telling, rt = _told_until_time(fn, moves, learnt, carrier)
    stops = _stoppers(learnt)
    findings = [
        _placed(
            finding_of(
                case, _diagnosis(case, learnt, stops), telling, rt, learnt.wakers, fewest=False
            ),
            fn,
        )
        for case in seen
    ]
    notes = () if findings else ("this schedule ends with nothing wrong",)
    return Verdict(
        subject,
        Status.VIOLATED if findings else Status.INCONCLUSIVE,
        tuple(findings),
        executions=1,
        steps=len(telling.steps),
        carrier=rt.carrier.name,
        limit="" if findings else "one schedule",
        notes=notes,
    )


def _told_again(
    fn: Design, moves: Moves, check: str, learnt: Exploration, carrier: str
) -> tuple[list[Case], Telling, Tasks]:
    """A schedule run once more until nothing happens, or once round its cycle."""
    seen: list[Case] = []

    def at_end(rt: Tasks, enabled: list[int]) -> None:
        assert isinstance(rt.instrument, Telling)
        snapshot: Snapshot | None
        if circle is not None:
            return
        if all_may_stop(rt, enabled):
            snapshot = take_snapshot(rt, enabled, rt.instrument.touched, rt.instrument.woke)
        else:  # the others never come to rest
            snapshot = take_cycle(rt, enabled)
        if snapshot is not None and snapshot.is_bad:
            seen.append(Case(snapshot.key, moves, 0, snapshot=snapshot))

    circle = snapshot_of_turn(fn, learnt.names, carrier_named(carrier), moves)
    if circle is not None:
        seen.append(Case(circle.key, moves, 0, snapshot=circle))
    told = tell(
        fn,
        moves,
        names=learnt.names,
        carrier=carrier,
        at_end=at_end,
        completes=circle is None,
        check=check,
    )
    return seen, *told


def _told_until_time(
    fn: Design, moves: Moves, learnt: Exploration, carrier: str
) -> tuple[list[Case], Telling, Tasks]:
    """A schedule run once more until only time goes on."""
    seen: list[Case] = []

    def at_end(rt: Tasks, enabled: list[int]) -> None:
        assert isinstance(rt.instrument, Telling)
        past = rt.instrument.touched, rt.instrument.woke
        snapshot = suspect(rt, enabled, lambda: past)
        left = None if snapshot is None else confirmed(snapshot, learnt.standing)
        if left is not None:
            seen.append(Case(left.key, moves, 0, snapshot=left))

    told = tell(fn, moves, names=learnt.names, carrier=carrier, at_end=at_end, time_passes=False)
    return seen, *told


def _ranked(explored: Exploration) -> list[tuple[Case, Diagnosis]]:
    """Distinct findings, each with its simplest schedule, the most specific rule first."""
    best: dict[Any, tuple[Case, Diagnosis]] = {}
    stops = _stoppers(explored)
    for case in explored.cases.values():
        diagnosis = _diagnosis(case, explored, stops)
        key = (diagnosis.code, diagnosis.message)
        if key not in best or case.switches < best[key][0].switches:
            best[key] = (case, diagnosis)
    return sorted(
        best.values(), key=lambda pair: (_RANK[pair[1].code], pair[0].switches, pair[1].message)
    )


def _stoppers(explored: Exploration) -> set[tuple[int, int]]:
    """(task, fence) where the task may stop for ever with the fence pending."""
    rests = (case.snapshot for case in explored.cases.values() if case.snapshot is not None)
    rests = (rest for rest in rests if not rest.timers)
    return {(task, fence) for rest in rests for task in rest.stopped for fence in rest.pending}


def _diagnosis(case: Case, explored: Exploration, stops: set[tuple[int, int]]) -> Diagnosis:
    if case.snapshot is not None:
        return diagnose(case.snapshot, explored.wakers, stops)
    if case.report is not None:
        code, message, _task = case.report
        return Diagnosis(code, message, (), CODES[code].entails)
    assert case.failure is not None
    task, error = case.failure
    if isinstance(error, WouldDeadlock):
        said = f"{task} does not back off: {error.strerror}"
        return Diagnosis("DF204", said, ())
    text = str(error)
    said = f"{task} raised {type(error).__name__}" + (f": {text}" if text else "")
    return Diagnosis("DF005", said, ())


def _explain(simplifier: Simplifier, case: Case, diagnosis: Diagnosis) -> Finding:
    explored = simplifier.explored
    try:
        case, fewest = simplifier.simplest(case, diagnosis)
        telling, rt = tell(
            explored.design,
            case.moves,
            names=explored.names,
            carrier=explored.carrier,
            completes=case.snapshot is None or not case.snapshot.turn,
            time_passes=case.snapshot is None or not case.snapshot.timers,
        )
    except TokenError:
        return _not_repeatable(explored.design, diagnosis)
    finding = finding_of(case, diagnosis, telling, rt, explored.wakers, fewest=fewest)
    return _placed(finding, explored.design)


def _placed(finding: Finding, fn: Design) -> Finding:
    """A finding without a line of its own points to where the design begins."""
    return finding if finding.place else replace(finding, place=_place_of(fn))


def _place_of(fn: Design) -> Place | None:
    """Where a design begins."""
    code = getattr(fn, "__code__", None)
    return Place(code.co_filename, code.co_firstlineno, fn.__name__) if code else None


def _not_repeatable(fn: Design, diagnosis: Diagnosis) -> Finding:
    """A schedule that ran once and is impossible now: the design is not deterministic."""
    message = diagnosis.message
    if diagnosis.code != "DF005":
        message = f"it once came to this, and the same schedule went another way then: {message}"
    return Finding("DF005", message, place=_place_of(fn))


def _verdict(
    explored: Exploration, subject: str, findings: list[Finding], *, notes: tuple[str, ...]
) -> Verdict:
    lead = explored.lead
    return Verdict(
        subject,
        _status(explored, findings),
        tuple(findings),
        executions=lead.executions,
        cut=lead.cut,
        asleep=lead.asleep,
        steps=lead.steps,
        replayed=lead.replayed,
        sampled=explored.sampled,
        seconds=explored.seconds,
        assumed=assumed(explored.traits),
        limit=explored.limit,
        carrier=carrier_named(explored.carrier).name,
        engine=lead.engine,
        notes=notes,
    )


def _status(explored: Exploration, findings: list[Finding]) -> Status:
    """The one place that calls a design proved."""
    if findings:
        return Status.VIOLATED
    if explored.is_proof:
        return Status.PROVED
    return Status.BOUNDED if explored.is_bounded else Status.INCONCLUSIVE
