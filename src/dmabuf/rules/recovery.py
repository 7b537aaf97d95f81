"""What backs up work that may run for ever: DF102."""

from __future__ import annotations

import errno

from dmabuf.core.fence import Fence
from dmabuf.core.timeline import Timeline
from dmabuf.machine import Machine, design
from dmabuf.rules.frame import Check, Rule, Source
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.shared import Shared

__all__ = ["PAGES"]


def _force_complete(fence: Fence) -> None:
    """Signal it with an error, unless its job has been quicker."""
    with fence.lock.irqsave():
        if not fence.is_signaled():
            fence.set_error(-errno.ETIMEDOUT)
            fence.signal_locked()


def _in_flight(name: str = "gpu") -> Fence:
    fence = Timeline(name).fence()
    fence.publish()
    return fence


@design
def gives_up_when_the_reset_fails(machine: Machine) -> None:
    """Recovery completes the fence after a reset, and leaves it alone where that fails."""
    engine, fence = machine.engine("gpu", reset_may_fail=True), _in_flight()

    def recover() -> None:
        if not fence.wait(timeout=1.0) and engine.reset():
            _force_complete(fence)

    engine.run(fence.check_and_signal, "job")
    machine.kthread(recover)


@design
def resets_and_forgets(machine: Machine) -> None:
    """The reset stops two jobs; recovery knows of the one that hung."""
    engine, hung, beside = machine.engine("gpu"), _in_flight("render"), _in_flight("compute")

    def recover() -> None:
        if not hung.wait(timeout=1.0):
            engine.reset()
            _force_complete(hung)

    engine.run(hung.check_and_signal, "render job")
    engine.run(beside.check_and_signal, "compute job", hangs=False)
    machine.kthread(recover)


@design
def takes_work_for_a_dead_engine(machine: Machine) -> None:
    """What is in flight is completed, and the next job goes to an engine that starts none."""
    engine, first = machine.engine("gpu", reset_may_fail=True), _in_flight()

    def recover() -> None:
        if not first.wait(timeout=1.0):
            engine.reset()
            _force_complete(first)
        second = _in_flight("next")
        engine.run(second.check_and_signal, "next job", hangs=False)

    engine.run(first.check_and_signal, "job")
    machine.kthread(recover)


@design
def submission_races_with_recovery(machine: Machine) -> None:
    """Submission asks whether the engine is dead, and adds its job when recovery has looked."""
    engine, first = machine.engine("gpu", reset_may_fail=True), _in_flight()
    dead, lock = Shared(False, "dead"), Mutex("in-flight list")
    in_flight: Shared[tuple[Fence, ...]] = Shared((first,), "in flight")

    def submit() -> None:
        if dead.read():
            return
        second = _in_flight("next")
        with lock:
            in_flight.write((*in_flight.read(), second))
        engine.run(second.check_and_signal, "next job", hangs=False)

    def recover() -> None:
        if first.wait(timeout=1.0):
            return
        if not engine.reset():
            dead.write(True)
        with lock:
            for fence in in_flight.read():
                _force_complete(fence)

    engine.run(first.check_and_signal, "job")
    machine.kthread(submit)
    machine.kthread(recover)


@design
def completes_all_and_takes_no_more(machine: Machine) -> None:
    """One lock for both: whoever submits is in the list, or sees that the engine is dead."""
    engine, first = machine.engine("gpu", reset_may_fail=True), _in_flight()
    dead, lock = Shared(False, "dead"), Mutex("submission")
    in_flight: Shared[tuple[Fence, ...]] = Shared((first,), "in flight")

    def submit() -> None:
        with lock:
            if dead.read():
                return
            second = _in_flight("next")
            in_flight.write((*in_flight.read(), second))
            engine.run(second.check_and_signal, "next job", hangs=False)

    def recover() -> None:
        if first.wait(timeout=1.0):
            return
        with lock:
            if not engine.reset():
                dead.write(True)
            for fence in in_flight.read():
                _force_complete(fence)

    engine.run(first.check_and_signal, "job")
    machine.kthread(submit)
    machine.kthread(recover)


@design
def completes_before_it_resets(machine: Machine) -> None:
    """Whether the reset works makes no difference to a fence that is complete."""
    engine, fence = machine.engine("gpu", reset_may_fail=True), _in_flight()

    def recover() -> None:
        if not fence.wait(timeout=1.0):
            _force_complete(fence)
            engine.reset()

    engine.run(fence.check_and_signal, "job")
    machine.kthread(recover)


@design
def runs_the_innocent_again(machine: Machine) -> None:
    """The job that hung is completed with an error, the one that the reset stopped runs anew."""
    engine, hung, beside = machine.engine("gpu"), _in_flight("render"), _in_flight("compute")

    def recover() -> None:
        if not hung.wait(timeout=1.0):
            engine.reset()
            _force_complete(hung)
            if not beside.is_signaled():
                engine.run(beside.check_and_signal, "compute job again", hangs=False)

    engine.run(hung.check_and_signal, "render job")
    engine.run(beside.check_and_signal, "compute job", hangs=False)
    machine.kthread(recover)


_DF102 = Rule(
    "DF102",
    why="Hardware runs programs of processes, and no driver can tell whether one will end. The "
    "fence of such a job is promised all the same, to tasks that know nothing of it. So each "
    "job has a time, and somebody who acts when it is over. Stopping the hardware is the better "
    "part of that, but the reset itself may fail, or there is none; the promise must not depend "
    "on it. Then the device is given up: what is in flight is completed with an error, and "
    "nothing more is taken, as nothing would run it. Both have to be one step for whoever "
    "submits. If submission looks first and adds its job later, recovery may come between, and "
    "a job is left that is in nobody's list. The same holds for a reset that works: it also "
    "stops jobs that did no wrong, and somebody has to complete them or run them again.",
    sources=(
        Source(
            '001, "force complete all in-flight fences"',
            "must: where reset fails or is not supported what is in flight is completed, and the "
            "device takes no more work",
        ),
        Source(
            '001, "Fences must complete in a reasonable"',
            "must: work that may run without end is backed by a timeout and recovery",
        ),
    ),
    counterexample=gives_up_when_the_reset_fails,
    variants=(resets_and_forgets, takes_work_for_a_dead_engine, submission_races_with_recovery),
    fix=completes_all_and_takes_no_more,
    near_misses=(completes_before_it_resets, runs_the_innocent_again),
    allowed="A reset may fail, and may stop jobs that did no wrong, if their fences are completed "
    "or they run again.",
    checks=(
        Check(
            "explore",
            "dmabuf.explore.diagnose.diagnose",
            "the chain from a pending fence ends at a job whose engine was reset, or could not be",
        ),
    ),
)

PAGES = (_DF102,)
