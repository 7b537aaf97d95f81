"""Designs in which a timer is the only way to a signal, and designs that look like it.

`python -m tests.explore.lassos.timer_designs` tells what each comes to.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from dmabuf import (
    Completion,
    Fence,
    Machine,
    Mutex,
    Shared,
    Timeline,
    WaitQueue,
    WorkQueue,
    check_design,
)
from dmabuf.sync.timer import Timer
from dmabuf.sync.work import DelayedWork

__all__ = ["BACKED", "ONLY"]

Design = Callable[[Machine], object]

ONLY: dict[str, Design] = {}
"""Designs with a run in which only a timer leads to the signal of a job that did not hang."""

BACKED: dict[str, Design] = {}
"""Designs in which a timer is for hung jobs, or never needed, or part of the way."""


def only(design: Design) -> Design:
    """Register a design that breaks the sentence."""
    ONLY[design.__name__] = design
    return design


def backed(design: Design) -> Design:
    """Register a design that is to be proved."""
    BACKED[design.__name__] = design
    return design


def published(name: str = "gpu") -> Fence:
    """A fence that others know."""
    fence = Timeline(name).fence()
    fence.publish()
    return fence


def _signal_once(fence: Fence) -> None:
    fence.check_and_signal()


# -- a timer is the only way -----------------------------------------------------------------------


@only
def interrupt_is_lost(machine: Machine) -> None:
    """The interrupt may be lost; the waiter signals when its time is over."""
    fence, done = published(), Completion("irq")

    def job() -> None:
        done.wait(timeout=1.0)
        fence.signal()

    def event() -> None:
        if not machine.may_fail("the interrupt is lost"):
            done.complete()

    machine.kthread(job, "job")
    machine.kthread(event, "event")


@only
def watchdog_finds_it_done(machine: Machine) -> None:
    """A fallback timer looks at what the interrupt should have told."""
    fence = published()
    timer = Timer(lambda: _signal_once(fence), "fallback")

    def submit() -> None:
        timer.mod(1.0)
        if not machine.may_fail("the interrupt is lost"):
            fence.check_and_signal()

    machine.kthread(submit)


@only
def delayed_work_finds_it_done(machine: Machine) -> None:
    """The same by delayed work."""
    fence = published()
    queue = WorkQueue("timeouts")
    work = DelayedWork(lambda: _signal_once(fence), "timeout")

    def submit() -> None:
        queue.queue_delayed(work, 1.0)
        if not machine.may_fail("the interrupt is lost"):
            fence.check_and_signal()

    machine.kthread(submit)


@only
def process_does_not_draw(machine: Machine) -> None:
    """The fence waits for a process, with a timeout for one that stops."""
    fence, drawn = published(), Completion("drawn")

    def run() -> None:
        drawn.wait(timeout=1.0)
        fence.signal()

    machine.kthread(run)
    machine.userspace(drawn.complete, "compositor")


@only
def process_stops_half_way(machine: Machine) -> None:
    """A process has to do two things, and may stop between them."""
    fence, first, second = published(), Completion("first"), Completion("second")

    def run() -> None:
        first.wait()
        second.wait(timeout=1.0)
        fence.signal()

    def client() -> None:
        second.complete()

    machine.kthread(run)
    machine.kthread(first.complete, "starter")
    machine.userspace(client)


@only
def wake_up_is_forgotten(machine: Machine) -> None:
    """One path forgets the wake-up; the timeout hides that."""
    fence, queue, ready = published(), WaitQueue("queue"), Shared(False, "ready")

    def job() -> None:
        queue.wait_event(ready.read, timeout=1.0)
        fence.signal()

    def event() -> None:
        ready.write(True)
        if not machine.may_fail("it takes the path that does not wake"):
            queue.wake_up()

    machine.kthread(job)
    machine.kthread(event)


@only
def polls_for_a_lost_interrupt(machine: Machine) -> None:
    """A loop that waits for the interrupt or a tick, whichever is first, and looks."""
    fence, irq, done = published(), Completion("irq"), Shared(False, "done")

    def job() -> None:
        while not done.read():
            irq.wait(timeout=1.0)
        fence.signal()

    def gpu() -> None:
        done.write(True)
        if not machine.may_fail("the interrupt is lost"):
            irq.complete()

    machine.kthread(job)
    machine.hardware(gpu, hangs=False)


@only
def recovery_for_a_job_that_was_dropped(machine: Machine) -> None:
    """The worker forgets a job; recovery waits for its fence and completes it."""
    fence = published()

    def recover() -> None:
        if not fence.wait(timeout=2.0):
            fence.check_and_signal()

    def worker() -> None:
        if not machine.may_fail("it is banned"):
            fence.check_and_signal()

    machine.kthread(recover)
    machine.kthread(worker)


@only
def second_of_two_jobs(machine: Machine) -> None:
    """One job hangs perhaps, the other is forgotten: one recovery for both."""
    hung, innocent = published("hung"), published("innocent")

    def recover() -> None:
        for fence in (hung, innocent):
            if not fence.wait(timeout=1.0):
                fence.check_and_signal()

    def worker() -> None:
        if not machine.may_fail("it is forgotten"):
            innocent.check_and_signal()

    machine.kthread(recover)
    machine.hardware(lambda: _signal_once(hung), "gpu")
    machine.kthread(worker)


@only
def two_timers_stand_by(machine: Machine) -> None:
    """There are two of them; either is enough, and one is needed."""
    fence = published()
    timers = [Timer(lambda: _signal_once(fence), f"t{n}") for n in range(2)]

    def submit() -> None:
        for number, timer in enumerate(timers):
            timer.mod(1.0 + number)
        if not machine.may_fail("the interrupt is lost"):
            fence.check_and_signal()

    machine.kthread(submit)


@only
def short_timeout_at_any_time(machine: Machine) -> None:
    """Nothing is known of time, and the interrupt may be lost."""
    machine.any_time()
    interrupt_is_lost(machine)


@only
def doorbell_is_not_rung(machine: Machine) -> None:
    """The job never starts, which is no hang: the driver did not start it."""
    fence, doorbell = published(), Completion("doorbell")

    def gpu() -> None:
        doorbell.wait()
        fence.check_and_signal()

    def submit() -> None:
        if not machine.may_fail("the write is lost"):
            doorbell.complete()

    def recover() -> None:
        if not fence.wait(timeout=1.0):
            fence.check_and_signal()

    machine.hardware(gpu)
    machine.kthread(submit)
    machine.kthread(recover)


# -- it is not -------------------------------------------------------------------------------------


@backed
def job_hangs(machine: Machine) -> None:
    """Recovery for a job that hangs."""
    fence, done = published(), Completion("done")
    machine.kthread(lambda: (done.wait(timeout=1.0), fence.signal()), "driver")
    machine.hardware(done.complete, "gpu")


@backed
def watchdog_for_a_hung_job(machine: Machine) -> None:
    """The same with a timer that the interrupt disarms."""
    fence = published()
    timer = Timer(lambda: _signal_once(fence), "watchdog")

    def retire() -> None:
        timer.delete()
        fence.check_and_signal()

    line = machine.irq(retire, "done")
    machine.kthread(lambda: timer.mod(1.0), "submit")
    machine.hardware(line.raise_irq, "gpu")


@backed
def program_that_never_ends(machine: Machine) -> None:
    """A job that runs for ever by its own program."""
    fence, turns = published(), Shared(0, "turns")

    def spin() -> None:
        while True:
            turns.write(1)

    def recover() -> None:
        if not fence.wait(timeout=1.0):
            fence.check_and_signal()

    machine.hardware(spin, "gpu", hangs=False)
    machine.kthread(recover)


@backed
def event_always_comes(machine: Machine) -> None:
    """A timeout as a backup that is never needed."""
    fence, done = published(), Completion("irq")
    machine.kthread(lambda: (done.wait(timeout=1.0), fence.signal()), "job")
    machine.kthread(done.complete, "event")


@backed
def retries_after_a_while(machine: Machine) -> None:
    """Where the ring is full it is tried again later: the delay is part of the way."""
    fence = published()
    timer = Timer(fence.signal, "retry")

    def submit() -> None:
        if machine.may_fail("the ring is full"):
            timer.mod(0.001)
        else:
            fence.signal()

    machine.kthread(submit)


@backed
def sleeps_before_it_signals(machine: Machine) -> None:
    """A pause that nothing can end, on one of two ways."""
    fence, never = published(), Completion("never")

    def run() -> None:
        if machine.may_fail("the clock is slow"):
            never.wait(timeout=0.01)
        fence.signal()

    machine.kthread(run)


@backed
def simulated_vblank(machine: Machine) -> None:
    """A fence that is always signalled by a timer has no other way to lose."""
    fence = published("crtc")
    timer = Timer(fence.signal, "vblank")
    machine.kthread(lambda: timer.mod(0.016), "flip")
    machine.kthread(fence.wait, "client")


@backed
def polls_without_an_interrupt(machine: Machine) -> None:
    """Hardware without an interrupt is looked at now and then."""
    fence, never, done = published(), Completion("never"), Completion("done")

    def poll() -> None:
        while not done.is_done():
            never.wait(timeout=0.001)
        fence.signal()

    machine.kthread(poll)
    machine.hardware(done.complete, "gpu", hangs=False)


@backed
def client_gives_up(machine: Machine) -> None:
    """A waiter's patience has nothing to do with the signal."""
    fence = published()
    machine.kthread(lambda: fence.wait(timeout=1.0), "client")
    machine.kthread(fence.signal, "driver")


@backed
def job_takes_its_time(machine: Machine) -> None:
    """A job that ends after half a second, and recovery after a whole one."""
    fence, never = published(), Completion("never")

    def gpu() -> None:
        never.wait(timeout=0.5)
        fence.check_and_signal()

    def recover() -> None:
        if not fence.wait(timeout=1.0):
            fence.check_and_signal()

    machine.hardware(gpu, hangs=False)
    machine.kthread(recover)


@backed
def simulated_job_and_recovery(machine: Machine) -> None:
    """The same job made of a kernel timer: it ends before recovery loses patience."""
    fence = published()
    timer = Timer(lambda: _signal_once(fence), "job")

    def recover() -> None:
        if not fence.wait(timeout=1.0):
            fence.check_and_signal()

    machine.kthread(lambda: timer.mod(0.5), "submit")
    machine.kthread(recover)


@backed
def retries_beside_a_watchdog(machine: Machine) -> None:
    """A delay that is part of the way, and recovery for a job that hangs after it."""
    fence, done, never = published(), Completion("done"), Completion("never")

    def submit() -> None:
        if machine.may_fail("the ring is full"):
            never.wait(timeout=0.001)
        done.complete()

    def gpu() -> None:
        done.wait()
        fence.check_and_signal()

    def recover() -> None:
        if not fence.wait(timeout=1.0):
            fence.check_and_signal()

    machine.kthread(submit)
    machine.hardware(gpu)
    machine.kthread(recover)


@backed
def only_the_unknown_fence(machine: Machine) -> None:
    """Nobody knows the fence yet, so it owes nothing to anybody."""
    fence, done = Timeline("gpu").fence(), Completion("irq")

    def job() -> None:
        done.wait(timeout=1.0)
        fence.signal()

    def event() -> None:
        if not machine.may_fail("the interrupt is lost"):
            done.complete()

    machine.kthread(job)
    machine.kthread(event)


@backed
def lock_and_timer(machine: Machine) -> None:
    """A watchdog that takes a mutex by trylock beside a signaller that holds it."""
    fence, lock = published(), Mutex("lock")

    def work() -> None:
        with lock:
            fence.check_and_signal()

    def recover() -> None:
        if not fence.wait(timeout=1.0) and lock.trylock():
            fence.check_and_signal()
            lock.unlock()

    machine.kthread(work)
    machine.kthread(recover)


def main() -> int:
    """Tell what each comes to."""
    for kind in (ONLY, BACKED):
        for name, design in kind.items():
            verdict = check_design(design, name)
            said = [f"{one.code}: {one.message}" for one in verdict.findings]
            line = f"{name:36}{verdict.status.value:10}{'; '.join(said)} {verdict.limit}\n"
            sys.stdout.write(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
