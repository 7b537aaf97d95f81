"""Which rule a state of rest breaks, where the chain of waits ends at a task that has gone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dmabuf import Completion, Machine, Mutex, Timeline, check_design, design
from dmabuf.explore.check import replay_design
from dmabuf.machine import Design


@design
def system_call_gives_up(machine: Machine) -> None:
    """The kernel decides, in a system call that was entered."""
    fence, doorbell = Timeline("gpu").fence(), Completion("doorbell")

    def submit() -> None:
        with machine.syscall():
            fence.publish()
            if not machine.may_fail("map"):
                doorbell.complete()

    def run() -> None:
        doorbell.wait()
        fence.signal()

    machine.userspace(submit)
    machine.hardware(run, "gpu", hangs=False)


@design
def system_call_forgets_to_signal(machine: Machine) -> None:
    """The same without anybody in between."""
    timeline = Timeline("gpu")

    def submit() -> None:
        with machine.syscall():
            fence = timeline.fence()
            fence.publish()
            if not machine.may_fail("map"):
                fence.signal()

    machine.userspace(submit)


@design
def process_decides_to_ring(machine: Machine) -> None:
    """A process decides, and could also stop before it has."""
    fence, doorbell = Timeline("gpu").fence(), Completion("doorbell")

    def app() -> None:
        if machine.choose(2):
            doorbell.complete()

    def run() -> None:
        fence.publish()
        doorbell.wait()
        fence.signal()

    machine.userspace(app)
    machine.kthread(run, "gpu")


@design
def process_decides_to_signal(machine: Machine) -> None:
    """The same without anybody in between."""
    fence = Timeline("sw_sync").fence()

    def app() -> None:
        fence.publish()
        if machine.choose(2):
            fence.signal()

    machine.userspace(app)


@design
def another_waiter_takes_the_event(machine: Machine) -> None:
    """Submission does its part, but somebody else consumes it."""
    fence, doorbell = Timeline("gpu").fence(), Completion("doorbell")

    def run() -> None:
        fence.publish()
        doorbell.wait()
        fence.signal()

    machine.kthread(doorbell.complete, "submit")
    machine.kthread(run, "gpu")
    machine.hardware(lambda: doorbell.wait(), "other", hangs=False)


@design
def keeps_a_lock_on_the_way(machine: Machine) -> None:
    """One task ends with a lock that the way to a signal needs."""
    lock, fence = Mutex("ring"), Timeline("gpu").fence()

    def submit() -> None:
        lock.lock()

    def retire() -> None:
        fence.publish()
        with lock:
            fence.signal()

    machine.kthread(submit)
    machine.kthread(retire)


@pytest.mark.parametrize(
    ("fn", "code", "message"),
    [
        (
            system_call_gives_up,
            "DF109",
            (
                "submit ended without doing what gpu waits for (doorbell) "
                "on the way to the signal of fence gpu:1"
            ),
        ),
        (
            system_call_forgets_to_signal,
            "DF109",
            "submit ended without signalling fence gpu:1, which others may see",
        ),
        (
            process_decides_to_ring,
            "DF108",
            (
                "gpu waits for doorbell on the way to the signal of fence gpu:1, "
                "which userspace task app controls"
            ),
        ),
        (
            process_decides_to_signal,
            "DF101",
            "fence sw_sync:1 is signalled by userspace task app only, which may stop for ever",
        ),
        (
            another_waiter_takes_the_event,
            "DF108",
            (
                "gpu waits for doorbell on the way to the signal of fence gpu:1, "
                "but submit has done all it does"
            ),
        ),
        (keeps_a_lock_on_the_way, "DF004", "submit ended while it held ring"),
    ],
)
def test_diagnose_chain_that_ends_at_a_task_that_has_gone(
    fn: Design, code: str, message: str
) -> None:
    """Who gave up, who never owed anything and who did its part are told apart."""
    verdict = check_design(fn, fn.__name__)

    assert [(code, message)] == [(one.code, one.message) for one in verdict.findings]


@pytest.mark.parametrize(
    "fn",
    [
        system_call_gives_up,
        system_call_forgets_to_signal,
        process_decides_to_ring,
        another_waiter_takes_the_event,
        keeps_a_lock_on_the_way,
    ],
)
def test_diagnose_is_the_same_on_replay(fn: Design) -> None:
    """A replay knows as much as the search: what was touched, who did what, who may stop."""
    (finding,) = check_design(fn, fn.__name__).findings

    (again,) = replay_design(fn, fn.__name__, finding.token).findings

    assert replace(finding, fewest=False) == again


def test_diagnose_fence_that_nobody_has_seen_is_not_pending_on_replay() -> None:
    """What no task has touched counts as unpublished on replay, as it does in the search."""

    @design
    def unseen(machine: Machine) -> None:
        fence, doorbell = Timeline("gpu").fence(), Completion("doorbell")

        def run() -> None:
            doorbell.wait()
            fence.signal()

        machine.kthread(run)

    (finding,) = check_design(unseen, "unseen").findings

    (again,) = replay_design(unseen, "unseen", finding.token).findings
    assert ("DF001", ()) == (finding.code, finding.implied) == (again.code, again.implied)
