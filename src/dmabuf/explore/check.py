"""Check one design: search, diagnose, explain.

>>> from dmabuf.machine import design
>>> @design
... def empty(machine): pass
>>> check_design(empty, "example").status
<Status.PROVED: 'PROVED'>
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dmabuf.codes import CODES, PRECEDENCE
from dmabuf.errors import WouldDeadlock
from dmabuf.explore.diagnose import Diagnosis, diagnose
from dmabuf.explore.explain import Telling, finding_of, tell
from dmabuf.explore.search import Budget, Case, Progress, Search, carrier_named
from dmabuf.explore.simplest import Simplifier
from dmabuf.explore.snapshot import Snapshot, take_cycle, take_snapshot
from dmabuf.explore.token import TokenError, check_of, decode
from dmabuf.machine import Design
from dmabuf.report.finding import Finding, Place
from dmabuf.report.verdict import Status, Verdict
from dmabuf.rt.tasks import Tasks

__all__ = ["Budget", "Progress", "check_design", "replay_design"]

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
    progress: Callable[[Progress], None] | None = None,
) -> Verdict:
    """Explore a design's schedules and explain what was found.

    Args:
        fn: the design.
        subject: what to call it, "file.py::name".
        budget: limits; reaching one is never a pass.
        seed: order in which schedules are tried.
        carrier: "greenlet" or "threads"; the best there is if empty.
        progress: called now and then.
    """
    search = Search(fn, budget or Budget(), seed=seed, carrier=carrier, progress=progress).run()
    ranked = _ranked(search)
    simplifier = Simplifier(search, lambda rest: diagnose(rest, search.wakers, _stoppers(search)))
    findings = [_explain(simplifier, *pair) for pair in ranked[:_MAX_FINDINGS]]
    more = len(ranked) - len(findings)
    return _verdict(
        search,
        subject,
        findings,
        notes=(f"{more} more findings are not shown",) if more else (),
    )


def replay_design(fn: Design, subject: str, token: str, *, carrier: str = "") -> Verdict:
    """Run the schedule of a token again and explain it.

    A short search first learns who may signal what; raises TokenError if the token cannot be
    read or does not fit the design.
    """
    moves, check = decode(token)
    search = Search(fn, _LEARN, carrier=carrier).run()
    seen: list[Case] = []

    def at_end(rt: Tasks, enabled: list[int]) -> None:
        assert isinstance(rt.instrument, Telling)
        snapshot: Snapshot | None
        if all(rt.by_number[transition // 256].may_stop for transition in enabled):
            snapshot = take_snapshot(rt, enabled, rt.instrument.touched, rt.instrument.woke)
        else:  # the others never come to rest
            snapshot = take_cycle(rt, enabled)
        if snapshot is not None and snapshot.is_bad:
            seen.append(Case(snapshot.key, moves, 0, snapshot=snapshot))

    telling, rt = tell(fn, moves, names=search.names, carrier=carrier, at_end=at_end)
    if check_of(telling.checks) != check:
        raise TokenError("this schedule does not fit the design: its operations have changed")
    if rt.failure is not None:
        seen = [Case("failure", moves, 0, failure=(rt.failure[0].name, rt.failure[1]))]
    elif rt.reports:
        code, message, task = rt.reports[0]
        seen = [Case("report", moves, 0, report=(code, message, task.name))]
    stops = _stoppers(search)
    findings = [
        _placed(
            finding_of(
                case, _diagnosis(case, search, stops), telling, rt, search.wakers, fewest=False
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


def _ranked(search: Search) -> list[tuple[Case, Diagnosis]]:
    """Distinct findings, each with its simplest schedule, the most specific rule first."""
    best: dict[Any, tuple[Case, Diagnosis]] = {}
    stops = _stoppers(search)
    for case in search.cases.values():
        diagnosis = _diagnosis(case, search, stops)
        key = (diagnosis.code, diagnosis.message)
        if key not in best or case.switches < best[key][0].switches:
            best[key] = (case, diagnosis)
    return sorted(
        best.values(), key=lambda pair: (_RANK[pair[1].code], pair[0].switches, pair[1].message)
    )


def _stoppers(search: Search) -> set[tuple[int, int]]:
    """(task, fence) where the task may stop for ever with the fence pending."""
    rests = (case.snapshot for case in search.cases.values() if case.snapshot is not None)
    return {(task, fence) for rest in rests for task in rest.stopped for fence in rest.pending}


def _diagnosis(case: Case, search: Search, stops: set[tuple[int, int]]) -> Diagnosis:
    if case.snapshot is not None:
        return diagnose(case.snapshot, search.wakers, stops)
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
    search = simplifier.search
    try:
        case, fewest = simplifier.simplest(case, diagnosis)
        telling, rt = tell(search.design, case.moves, names=search.names, carrier=search.carrier)
    except TokenError:
        return _not_repeatable(search.design, diagnosis)
    finding = finding_of(case, diagnosis, telling, rt, search.wakers, fewest=fewest)
    return _placed(finding, search.design)


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
    search: Search, subject: str, findings: list[Finding], *, notes: tuple[str, ...]
) -> Verdict:
    if findings:
        status = Status.VIOLATED
    elif not search.limit:
        status = Status.PROVED
    else:
        only_cut = search.cut and search.limit.endswith("in one execution")
        status = Status.BOUNDED if only_cut else Status.INCONCLUSIVE
    return Verdict(
        subject,
        status,
        tuple(findings),
        executions=search.executions,
        cut=search.cut,
        asleep=search.asleep,
        steps=search.steps,
        replayed=search.replayed,
        seconds=search.seconds,
        assumed=_assumed(search.traits),
        limit=search.limit,
        carrier=carrier_named(search.carrier).name,
        notes=notes,
    )


def _assumed(traits: set[str]) -> tuple[str, ...]:
    """What the answer takes for granted, for this design."""
    found = ["kernel tasks go on as long as they can", "memory is sequentially consistent"]
    if "user" in traits:
        found.append("userspace may stop for ever at any step outside a system call")
    if "hangs" in traits:
        found.append("a hardware job may hang at any step")
    prefix = "reliable "
    reliable = sorted(t.removeprefix(prefix) for t in traits if t.startswith(prefix))
    if reliable:
        found.append(f"hardware that never hangs: {', '.join(reliable)}")
    if "irq" in traits:
        found.append("a handler may start at any step while interrupts are on")
    if "timeouts" in traits:
        found.append("a timeout may be taken at any step, in order of deadlines")
    return tuple(found)
