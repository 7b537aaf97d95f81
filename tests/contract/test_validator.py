"""The validator as a whole: silent where nothing is wrong, complete where much is."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from dmabuf.contract.ends import Ends
from dmabuf.contract.fences import Fences
from dmabuf.contract.limits import Limits
from dmabuf.contract.modes import EXCLUSIVE, READ, RECURSIVE
from dmabuf.contract.sections import NEWEST, NOLOCKDEP, V6_12, Sections, Semantics
from dmabuf.contract.validator import Validator
from dmabuf.core.resv import Resv
from dmabuf.core.timeline import Timeline
from dmabuf.explore.check import check_design
from dmabuf.machine import Machine, design
from dmabuf.report.finding import Finding
from dmabuf.report.verdict import Status
from dmabuf.rt.api import Op, Outcome, Task
from dmabuf.sync.completion import Completion
from dmabuf.sync.context import allocate, signalling
from dmabuf.sync.gfp import Gfp
from dmabuf.sync.mutex import Mutex
from tests.contract.case import in_turn
from tests.contract.twenty import twenty
from tests.support import Ground, ground

ON = ["threads", "greenlets", "baton"]


def _judge(kind: str, case: Callable[[Ground], object], **how: Any) -> Validator:
    on = ground(kind)
    validator = Validator(**how)

    def run() -> None:
        with validator.watching(on.runtime):
            case(on)

    on.reports(run)
    return validator


def _codes(validator: Validator) -> list[str]:
    return [finding.code for finding in validator.findings]


def _two_orders(rt: Ground) -> None:
    a, b = Mutex("A"), Mutex("B")

    def forward() -> None:
        with a, b:
            pass

    def backward() -> None:
        with b, a:
            pass

    in_turn(rt, forward, backward)


@pytest.mark.parametrize("kind", ON)
def test_twenty_violations_in_one_run_are_twenty_findings(kind: str) -> None:
    """Nothing is silenced by what was found before."""
    validator = _judge(kind, twenty)

    expected = {"DF301": 2, "DF302": 2, "DF203": 2, "DF304": 2, "DF001": 3, "DF202": 2, "DF003": 2}
    expected |= dict.fromkeys(("DF201", "DF209", "DF108", "DF107", "DF004"), 1)
    assert expected == Counter(_codes(validator))


@pytest.mark.parametrize("kind", ON)
def test_findings_are_the_same_when_the_program_runs_twice(kind: str) -> None:
    """One validator that watches two runs of a program tells each thing once."""
    validator = Validator()

    for _ in range(2):
        on = ground(kind)
        with_it = _within(validator, on, twenty)
        on.reports(with_it)

    assert 20 == len(validator.findings)


def _within(
    validator: Validator, on: Ground, case: Callable[[Ground], object]
) -> Callable[[], None]:
    def run() -> None:
        with validator.watching(on.runtime):
            case(on)

    return run


class _Deaf(Validator):
    """Hears all, and looks at nothing."""

    def announced(self, task: Task, op: Op, obj: Any) -> None:
        """Nothing."""

    def stepped(self, task: Task, op: Op, obj: Any, outcome: Outcome) -> None:
        """Nothing."""

    def noted(self, task: Task, note: Any, subject: Any) -> None:
        """Nothing."""

    def created(self, task: Task, obj: Any) -> None:
        """Nothing."""

    def reported(self, code: str, message: str) -> None:
        """Nothing."""


def test_silent_twin_is_silent() -> None:
    """A validator that does not listen finds nothing, so all findings come from listening."""
    on = ground("threads")
    twin = _Deaf()

    on.reports(_within(twin, on, twenty))

    assert ([], [], []) == (twin.findings, twin.suspicions, twin.limits)


def test_without_a_validator_a_runtime_stays_quick() -> None:
    """Detached, it leaves a live runtime as quick as before."""
    on = ground("threads")
    quick = []

    def run() -> None:
        quick.append(on.runtime.quick)
        with Validator().watching(on.runtime):
            quick.append(on.runtime.quick)
        quick.append(on.runtime.quick)

    on.run(run)

    assert [True, False, True] == quick


@pytest.mark.parametrize("kind", ON)
def test_finding_tells_both_stacks_of_every_edge(kind: str) -> None:
    """Each edge of a cycle names the function that took the one lock, and then the other."""
    finding = _judge(kind, _two_orders).findings[0]

    told = {wait.task: (wait.stack, wait.taken[0].stack) for wait in finding.waits}
    assert {"forward", "backward"} == set(told)
    for function, (asked, held) in told.items():
        assert function == asked[0].function == held[0].function


def test_held_stack_is_that_of_the_task_that_made_the_edge() -> None:
    """A lock that was taken elsewhere before is shown where it was taken this time."""
    on = ground("threads")
    validator = Validator()

    def case(rt: Ground) -> None:
        a, b = Mutex("A"), Mutex("B")

        def elsewhere() -> None:
            with a:
                pass

        def forward() -> None:
            with a, b:
                pass

        def backward() -> None:
            with b, a:
                pass

        in_turn(rt, elsewhere, forward, backward)

    on.reports(_within(validator, on, case))
    functions = {w.taken[0].stack[0].function for w in validator.findings[0].waits}

    assert {"forward", "backward"} == functions


def test_finding_survives_its_journey_as_data() -> None:
    """A finding of the validator is one like any other: it can be written and read."""
    finding = _judge("greenlets", _two_orders).findings[0]

    assert finding == Finding.from_data(finding.to_data())


def test_prediction_says_what_a_search_has_to_bring_together() -> None:
    """Classes, locks and lines of a prediction are those of the cycle."""
    prediction = _judge("greenlets", _two_orders).predictions[0]

    assert {"A", "B"} == set(prediction.classes)
    assert {("A", "B"), ("B", "A")} == set(prediction.instances)
    assert {"forward", "backward"} == {place.function for place in prediction.places}


@pytest.mark.parametrize("kind", ["threads", "observed"])
def test_crash_of_a_task_leaves_the_findings(kind: str) -> None:
    """What was found before a task raised is there, and locks it left behind are told."""
    on = ground(kind)
    validator = Validator()

    def run() -> None:
        with validator.watching(on.runtime):
            lock = Mutex("left")

            def crash() -> None:
                with signalling():
                    allocate(Gfp.KERNEL)
                lock.lock()
                raise KeyError("a bug of the driver")

            in_turn(on, crash)

    with pytest.raises(KeyError):
        on.run(run)

    assert ["DF301", "DF004"] == _codes(validator)


def test_a_lock_made_before_the_validator_came_has_a_class_of_its_own() -> None:
    """Nobody saw where such locks were made, so two of them are never taken for one."""
    on = ground("threads")
    validator = Validator()

    def run() -> None:
        locks = [Mutex("lock") for _ in range(2)]
        with validator.watching(on.runtime), locks[0], locks[1]:
            pass

    on.run(run)

    assert [] == validator.findings


def test_limits_that_are_reached_are_told() -> None:
    """Classes that do not fit are no silent pass."""
    validator = _judge("threads", twenty, limits=Limits(classes=8))

    assert any("lock classes" in sentence for sentence in validator.limits)


def test_threads_that_keep_an_order_are_left_in_peace() -> None:
    """Four threads at a time, always in one order, with fences and an allocation: no finding."""
    on = ground("threads")
    validator = Validator()

    def run() -> None:
        with validator.watching(on.runtime):
            locks = [Mutex("outer"), Mutex("inner")]
            line = Timeline("gpu")

            def work() -> None:
                for _ in range(60):
                    with locks[0], locks[1]:
                        allocate(Gfp.KERNEL)
                    with signalling():
                        line.fence().signal()

            tasks = [on.spawn(work, name=f"worker {number}") for number in range(4)]
            assert [] == on.runtime.join(tasks)

    on.run(run)

    assert ([], [], []) == (validator.findings, validator.suspicions, validator.limits)


def test_validator_listens_to_one_runtime_at_a_time() -> None:
    """Attaching it again without detaching is refused."""
    validator = Validator()
    validator.attach(_live())

    with pytest.raises(ValueError, match="one runtime at a time"):
        validator.attach(_live())


def _live() -> Any:
    from dmabuf.rt.threads import Threads

    return Threads()


def test_validator_watches_every_execution_of_a_search() -> None:
    """Attached in a design's body it hears all; what it predicts may be refuted by the search."""
    validator = Validator()

    @design
    def apart(machine: Machine) -> None:
        validator.attach(machine.rt)
        a, b, done = Mutex("A"), Mutex("B"), Completion("done")

        def forward() -> None:
            with a, b:
                pass
            done.complete()

        def backward() -> None:
            done.wait()
            with b, a:
                pass

        machine.kthread(forward)
        machine.kthread(backward)

    verdict = check_design(apart, "apart")

    assert (Status.PROVED, ["DF001"]) == (verdict.status, _codes(validator))


def test_nolockdep_is_respected() -> None:
    """An allocation that asks not to be judged is not."""

    def case(_rt: Ground) -> None:
        with signalling():
            allocate(Gfp(int(Gfp.KERNEL) | NOLOCKDEP))

    assert [] == _judge("threads", case).findings


# -- why the annotation is a shared, non-recursive hold ------------------------------------------


def _nested_wait(_rt: Ground) -> None:
    fence = Timeline("gpu").fence()
    fence.signal()
    with signalling():
        fence.wait()


def _lock_both_ways(rt: Ground) -> None:
    lock = Mutex("A")

    def one() -> None:
        with lock, signalling():
            pass

    def other() -> None:
        with signalling(), lock:
            pass

    in_turn(rt, one, other)


def _deadlock(rt: Ground) -> None:
    lock, fence = Mutex("A"), Timeline("gpu").fence()

    def signaller() -> None:
        with signalling(), lock:
            pass

    def waiter() -> None:
        with lock:
            fence.wait(0)

    in_turn(rt, signaller, waiter)


@pytest.mark.parametrize(
    ("semantics", "nested_wait", "both_ways", "deadlock"),
    [
        pytest.param(NEWEST, [], [], ["DF202"], id="newest"),
        pytest.param(V6_12, [], ["DF202"], ["DF202"], id="6.12"),
        pytest.param(
            Semantics(opens_by_trylock=False, mode=RECURSIVE), [], [], ["DF202"], id="recursive"
        ),
        pytest.param(
            Semantics(mode=EXCLUSIVE), ["DF001"], [], ["DF202"], id="exclusive, by trylock"
        ),
        pytest.param(
            Semantics(opens_by_trylock=False, mode=EXCLUSIVE),
            ["DF001"],
            ["DF202"],
            ["DF202"],
            id="exclusive",
        ),
    ],
)
def test_annotation_is_what_it_is_for_reasons(
    semantics: Semantics, nested_wait: list[str], both_ways: list[str], deadlock: list[str]
) -> None:
    """An exclusive hold reports nested waits; a recursive one hides what 6.12 reports."""
    told = [
        _codes(_judge("greenlets", case, semantics=semantics))
        for case in (_nested_wait, _lock_both_ways, _deadlock)
    ]

    assert [nested_wait, both_ways, deadlock] == told


def test_mode_of_the_shipped_annotations() -> None:
    """Both kernels hold a section as a reader that is not recursive."""
    assert [READ, READ] == [NEWEST.mode, V6_12.mode]


# -- holes of the kernel's validator, closed -----------------------------------------------------


def _only_fences(original: Callable[..., None]) -> Callable[..., None]:
    """The kernel's might_wait: for one fence, not for several and not for an empty object."""

    def wait(self: Sections, holder: Any, what: Any) -> None:
        if not isinstance(what, Resv | list | tuple):
            original(self, holder, what)

    return wait


_HOLES = {
    "an unannotated side": ("unsaid", "unsaid_with_a_lock_of_a_waiter", Fences, "_signal"),
    "a completion between": ("work", "completion_between_the_two_sides", Ends, "complete"),
    "its own fence": ("waits", "section_waits_for_its_own_fence", Sections, "_check_own_wait"),
    "an idle item": ("work", "flush_under_a_lock_that_the_item_takes", Ends, "wait"),
    "an empty resv": ("resv", "wait_of_an_empty_resv", Sections, "wait"),
    "a notifier that locks": ("resv", "resv_lock_in_a_notifier", Sections, "hold"),
    "wait_any": ("waits", "wait_any_counts", Sections, "wait"),
}


@pytest.mark.parametrize("hole", _HOLES)
def test_hole_is_closed_by_the_code_that_closes_it(
    hole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The case of each hole of lockdep has its finding, and none without that code."""
    module, name, owner, method = _HOLES[hole]
    case = getattr(importlib.import_module(f"tests.contract.cases.{module}"), name)
    closed = len(_judge("greenlets", case).predictions)
    original = getattr(owner, method)
    without: Any = _only_fences(original) if method == "wait" and owner is Sections else _nothing

    monkeypatch.setattr(owner, method, without)
    opened = len(_judge("greenlets", case).predictions)

    assert (True, 0) == (closed > 0, opened)


def _nothing(*_args: object, **_how: object) -> None:
    """In place of the code that closes a hole."""
