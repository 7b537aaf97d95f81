"""All checks over one program: what `dmabuf check` asks of a tree.

>>> from dmabuf.audit.program.program import Program
>>> audit(Program([]), BuildFiles("")).findings
()
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import NamedTuple

from dmabuf.audit.checks.build_files import BuildFiles
from dmabuf.audit.checks.clusters import Case, Origin, findings_of, hops_of, merged, unique
from dmabuf.audit.checks.doubts import allowed, doubt, doubt_of_both
from dmabuf.audit.checks.excuses.excused import excuse_of, excused
from dmabuf.audit.checks.failures import lost_completions
from dmabuf.audit.checks.held import holders, in_sight, question_about, under_reservation_lock
from dmabuf.audit.checks.index import Calls
from dmabuf.audit.checks.judge import KINDS, Judgement, judge, lock_name, mildest
from dmabuf.audit.checks.rescuers import queued_badly, without_rescuer
from dmabuf.audit.checks.roots import Grade, Root, find_roots, makers_of_fences
from dmabuf.audit.checks.schedule import Schedule
from dmabuf.audit.checks.selects import missing_selects
from dmabuf.audit.checks.spans import Part, armed, gaps, sections, submission
from dmabuf.audit.checks.submissions import find_tails, lost_submissions
from dmabuf.audit.checks.taint import Taint
from dmabuf.audit.checks.timeouts import endless_fences
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.beyond import NOTHING, Beyond
from dmabuf.audit.ways.effect import Kind, Way
from dmabuf.audit.ways.event import Event
from dmabuf.audit.ways.keeping import Keeper, Question, question_of, remembered
from dmabuf.audit.ways.known.core_locks import HELD_OVER
from dmabuf.audit.ways.plain import digest_of
from dmabuf.audit.ways.ways import Ways
from dmabuf.report.source_finding import Evidence, Level, SourceFinding

__all__ = ["Checked", "Piece", "Walks", "audit", "walks_of"]

_SIGNALS = frozenset({Kind.SIGNAL})
_NODES = 500
"""A signal behind more functions than this is not what a work is for."""
_REACH = {Level.ERROR: 3000, Level.WARNING: 1500, Level.INFO: 400}
"""From how many functions the ways of a root are taken, the nearest and surest first."""
Tell = Callable[[str], None]
Span = Callable[[Event], bool]
KeeperOf = Callable[[frozenset[str]], Keeper]
"""Given the names that matter, who knows answers of the last audit."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What is found, in the order of reports, and where it was not looked further.

    Attributes:
        findings: those of all levels.
        limits: how often a bound of the search was met, by what it bounds.
    """

    findings: tuple[SourceFinding, ...]
    limits: tuple[tuple[str, int], ...] = ()


def audit(
    program: Program,
    build: BuildFiles,
    tell: Tell | None = None,
    beyond: Beyond = NOTHING,
    keeper: KeeperOf | None = None,
    ahead: Callable[[Walks], None] | None = None,
) -> Checked:
    """Everything that is found in a program.

    Args:
        program: the tree.
        build: its Kconfig files and Makefiles.
        tell: told from time to time how far it is.
        beyond: says what functions do that are not in the program.
        keeper: given the names that matter, who knows answers of the last audit.
        ahead: given the entry points, lets others walk them, and the keeper know the answers.
    """
    run = _Audit(program, build, tell or (lambda _text: None), beyond, keeper)
    if ahead is not None:
        ahead(run.walks)
    found = tuple(unique(merged(run.run())))
    return Checked(found, tuple(sorted(run.ways.limits.items())))


class Piece(NamedTuple):
    """A function that is walked from: an entry point, or one that holds a lock.

    Attributes:
        owner: whose it is, as `Routine.owner`; those of one owner share most of what they call.
        routine: where it is.
        question: what is certainly asked about it; None if that cannot be told.
        findings: asks all that is asked.
    """

    owner: str
    routine: Routine
    question: Question | None
    findings: Callable[[], Iterator[SourceFinding]]


class Walks(NamedTuple):
    """What is walked from in a program, for who walks some of it ahead.

    Attributes:
        ways: whose keeper is told what is found out.
        pieces: the functions that are walked from.
    """

    ways: Ways
    pieces: tuple[Piece, ...]


def walks_of(program: Program) -> Walks:
    """What is walked from in a program."""
    return _Audit(program, BuildFiles(""), lambda _text: None, NOTHING).walks


class _Audit:
    def __init__(
        self,
        program: Program,
        build: BuildFiles,
        tell: Tell,
        beyond: Beyond,
        keeper: KeeperOf | None = None,
    ) -> None:
        self.beyond = beyond
        self.program = program
        self.build = build
        self.tell = tell
        self.ways = Ways(program, beyond)
        if keeper is not None:
            self.ways.keeper = keeper(self.ways.matter)
        self.calls = Calls(program, self.ways.keeper)
        self.schedule = Schedule(program, self.calls)
        self.taint = Taint(program, self.ways, self.calls)
        self.tails = find_tails(self.calls)
        self.roots = find_roots(program, self.calls, self.schedule)
        self.inner = {
            (root.routine.path, root.routine.name)
            for root in self.roots
            if root.grade.level is Level.ERROR and not root.grade.must_signal
        }
        self._signals: dict[Routine, Way | None] = {}

    @cached_property
    def walks(self) -> Walks:
        """All that is walked from."""
        return Walks(self.ways, (*self.entries, *self.holders, *self.works))

    @cached_property
    def entries(self) -> tuple[Piece, ...]:
        """The entry points, in the order of reports."""
        parts = (
            *((part, Grade.ARMED) for part in map(armed, self.tails)),
            *((part, Grade.SUBMISSION) for part in map(submission, self.tails)),
            *((part, Grade.SECTION) for part in sections(self.ways, self.calls)),
        )
        return (*(self._part(*part) for part in parts), *map(self._root, self.roots))

    @cached_property
    def holders(self) -> tuple[Piece, ...]:
        """The functions that hold a reservation lock."""
        sight = in_sight(self.calls)
        return tuple(
            Piece(
                one.owner,
                one,
                question_about(one),
                partial(under_reservation_lock, self.ways, one, in_sight=one in sight),
            )
            for one in holders(self.ways, self.calls)
        )

    @cached_property
    def works(self) -> tuple[Piece, ...]:
        """The works that are queued where nobody rescues them: which of them signal?"""
        badly = queued_badly(self.program, self.schedule, self.makers)
        return tuple(
            Piece(
                one.owner,
                one,
                question_of(one, None, _SIGNALS, _NODES),
                partial(self._sought, one),
            )
            for one, _registration, _queued in badly
        )

    @cached_property
    def makers(self) -> set[str]:
        """The drivers that make fences."""
        return makers_of_fences(self.program, self.calls)

    def _sought(self, routine: Routine) -> Iterator[SourceFinding]:
        """Look for a signal; that is no finding."""
        self.signals(routine)
        yield from ()

    def _part(self, part: Part, grade: Grade) -> Piece:
        question = question_of(part.routine, part.span, KINDS, _REACH[grade.level])
        findings = partial(self._of_part, part, grade)
        return Piece(part.routine.owner, part.routine, question, findings)

    def _root(self, root: Root) -> Piece:
        kinds, nodes = KINDS, _REACH[root.grade.level]
        if root.grade.must_signal:
            kinds, nodes = _SIGNALS, _NODES
        question = question_of(root.routine, None, kinds, nodes)
        return Piece(root.routine.owner, root.routine, question, partial(self._of_root, root))

    def run(self) -> Iterator[SourceFinding]:
        pieces = self.entries
        for number, piece in enumerate(pieces):
            self.tell(f"{number} of {len(pieces)} entry points, {piece.routine.path}")
            yield from piece.findings()
        self.tell("gaps, locks, queues, submissions")
        yield from self._of_gaps()
        for piece in self.holders:
            yield from piece.findings()
        yield from without_rescuer(self.program, self.schedule, self.makers, self.signals)
        yield from lost_submissions(self.tails)
        yield from lost_completions(self.roots)
        yield from endless_fences(self.program, self.calls)
        yield from missing_selects(self.calls, self.build)

    def signals(self, routine: Routine) -> Way | None:
        """The shortest way to a signal; None without one."""
        if routine not in self._signals:
            found = self.ways.each(routine, None, _SIGNALS, nodes=_NODES)
            self._signals[routine] = next(found, None)
        return self._signals[routine]

    def _of_root(self, root: Root) -> Iterator[SourceFinding]:
        if root.grade.must_signal and self.signals(root.routine) is None:
            return
        origin = Origin(root.routine.name, root.entry, root.scheduled)
        yield from self._cases(root.routine, root.grade, origin, None)

    def _of_part(self, part: Part, grade: Grade) -> Iterator[SourceFinding]:
        entry = f"{grade.value}, lines {part.first} to {part.last}"
        origin = Origin(part.routine.name, entry)
        yield from self._cases(part.routine, grade, origin, part.span)

    def _cases(
        self, routine: Routine, grade: Grade, origin: Origin, span: Span | None
    ) -> Iterator[SourceFinding]:
        cases = (
            case
            for way in self.ways.each(routine, span, KINDS, nodes=_REACH[grade.level])
            if not self._through_root(way)
            and (case := self._case(weighed(way), grade, routine.path)) is not None
        )
        yield from findings_of(origin, cases)

    def _through_root(self, way: Way) -> bool:
        """Does the way go through another root, which has a finding of its own?"""
        return any((hop.place.file, hop.place.function) in self.inner for hop in way.hops[1:])

    def _case(self, way: Way, grade: Grade, path: str) -> Case | None:
        found = None if allowed(way) else judge(grade, way, path)
        found = excused(found, self._excuse(way)) if found is not None else None
        if found is None:
            return None
        if found.code != "DF202":
            return Case(way, found, sure=way.sure)
        assert way.effect.subject is not None
        if way.effect.subject[1] in HELD_OVER and not way.effect.subject[0]:
            return _core_lock(way, grade, found)
        other = self.taint.of(way.effect.subject, way, in_reclaim=grade.in_reclaim)
        if other is not None:
            other = weighed(other, evidence=True)
        else:
            other = self.beyond.holding(way.effect.subject, in_reclaim=grade.in_reclaim)
        if other is None:
            return None
        text = f"{other.root.function}() holds it there: {other.effect.name}() may wait for a fence"
        lock = f"{lock_name(way.effect)} is held elsewhere"
        sure = way.sure * other.sure * doubt_of_both(way, other)
        less = judge(grade, replace(way, sure=sure), path) or found
        found = replace(found, level=mildest(found.level, less.level))
        return Case(way, found, (Evidence(f"{lock}; {text}", hops_of(other)),), sure)

    def _excuse(self, way: Way) -> str:
        """What speaks for a way; it is looked for in all the bodies on it."""
        (words,) = remembered(
            self.ways.keeper,
            ("excuse", digest_of(way, self.program.names.begin)),
            lambda: (excuse_of(way, self.program),),
            self.program.asked,
        )
        return words

    def _of_gaps(self) -> Iterator[SourceFinding]:
        for part in gaps(self.ways, self.calls):
            entry = f"a signalling section that is left in line {part.first} and entered again"
            cases = [
                Case(way, _gap(found), sure=way.sure)
                for way in map(weighed, self.ways.of(part.routine, part.span, KINDS))
                if (found := judge(Grade.SECTION, way, part.routine.path)) is not None
                and found.code != "DF202"
            ]
            yield from findings_of(Origin(part.routine.name, entry), cases)


def _core_lock(way: Way, grade: Grade, found: Judgement) -> Case | None:
    """A lock of the kernel's core, whose other side is known and not seen."""
    if grade.in_reclaim:
        return None
    assert way.effect.subject is not None
    level = mildest(found.level, Level.WARNING)
    held = f"{lock_name(way.effect)} is held elsewhere; {HELD_OVER[way.effect.subject[1]]}"
    return Case(way, replace(found, level=level), (Evidence(held),), way.sure)


def weighed(way: Way, *, evidence: bool = False) -> Way:
    """The way with its doubts in it."""
    return replace(way, sure=way.sure * doubt(way, evidence=evidence))


def _gap(found: Judgement) -> Judgement:
    text = found.text.replace(" on the way to a signal", " in a gap of a signalling section")
    return Judgement("DF205", mildest(found.level, Level.WARNING), text, "gap")
