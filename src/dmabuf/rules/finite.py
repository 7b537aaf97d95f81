"""A published fence signals, whatever happens: DF101, DF108, DF109."""

from __future__ import annotations

import errno

from dmabuf.core.fence import Fence
from dmabuf.core.timeline import Timeline
from dmabuf.machine import Machine, design
from dmabuf.rules.frame import Check, Rule, Source
from dmabuf.sync.completion import Completion
from dmabuf.sync.shared import Shared

__all__ = ["PAGES"]

_VALIDATOR = "dmabuf.contract.validator.Validator"

# -- DF101 -------------------------------------------------------------------------------------


@design
def hardware_hangs(machine: Machine) -> None:
    """Only the hardware signals, and nobody looks after it when it hangs."""
    fence = Timeline("gpu").fence()

    machine.hardware(fence.signal, "gpu")
    machine.kthread(fence.wait, "evict")


@design
def userspace_signals(machine: Machine) -> None:
    """A process holds the only handle that signals, and may stop for ever."""
    fence = Timeline("sw_sync").fence()

    machine.userspace(fence.signal, "compositor")
    machine.kthread(fence.wait, "evict")


@design
def timeout_completes_it(machine: Machine) -> None:
    """Recovery gives the job its time, then completes the fence itself."""
    fence = Timeline("gpu").fence()

    def recover() -> None:
        if not fence.wait(timeout=2.0):
            with fence.lock.irqsave():
                if not fence.is_signaled():
                    fence.set_error(-errno.ETIMEDOUT)
                    fence.signal_locked()

    machine.hardware(fence.signal, "gpu")
    machine.kthread(recover)
    machine.kthread(fence.wait, "evict")


@design
def timer_for_a_lost_interrupt(machine: Machine) -> None:
    """The job is done and its interrupt may be lost; the fallback timer hides that."""
    fence, done = Timeline("gpu").fence(), Completion("done")

    def retire() -> None:
        fence.publish()
        done.wait(timeout=1.0)
        fence.signal()

    def interrupt() -> None:
        if not machine.may_fail("the write that unmasks the interrupt is posted too late"):
            done.complete()

    machine.kthread(retire)
    machine.kthread(interrupt)


@design
def timer_for_a_process(machine: Machine) -> None:
    """A fence that a process holds up does not become finite by a timer behind it."""
    fence, drawn = Timeline("sw_sync").fence(), Completion("drawn")

    def give_up() -> None:
        fence.publish()
        drawn.wait(timeout=1.0)
        fence.signal()

    machine.kthread(give_up)
    machine.userspace(drawn.complete, "compositor")


@design
def delay_on_the_way(machine: Machine) -> None:
    """Where the ring is full the driver tries later: a timer that is part of the way is none."""
    fence, never = Timeline("gpu").fence(), Completion("a pause")

    def submit() -> None:
        fence.publish()
        if machine.may_fail("find room in the ring"):
            never.wait(timeout=0.001)
        fence.signal()

    machine.kthread(submit)


@design
def never_published(machine: Machine) -> None:
    """Preparing the job fails, and the pending fence is dropped before anybody knows it."""
    timeline = Timeline("gpu")

    def submit() -> None:
        fence = timeline.fence()
        if machine.may_fail("pin the buffer"):
            fence.put()
            return
        fence.publish()
        fence.signal()

    machine.kthread(submit)


@design
def signals_inside_a_system_call(machine: Machine) -> None:
    """Kernel code that runs for a process signals: it does not stop of itself."""
    timeline = Timeline("gpu")

    def client() -> None:
        with machine.syscall():
            fence = timeline.fence()
            fence.publish()
            fence.signal()

    machine.userspace(client)


@design
def hardware_that_always_ends(machine: Machine) -> None:
    """A display that scans out at a fixed rate owes its vblank, so nothing has to back it up."""
    fence = Timeline("crtc").fence()
    vblank = machine.irq(fence.signal, "vblank")

    machine.hardware(vblank.raise_irq, "display", hangs=False)
    machine.kthread(fence.wait, "evict")


_DF101 = Rule(
    "DF101",
    why="Memory management waits for fences: an eviction, a shrinker, an MMU notifier sleeps until "
    "the hardware has let go of the memory, and the task that waits for that memory may be any "
    "task of the machine. A fence that never comes therefore stops more than its own users. So "
    "everybody must be able to rely on it, without knowing whose it is. A process can be stopped, "
    "killed or malicious, hence none may be needed. Hardware runs programs that somebody "
    "sent and may never end, hence a kernel timer gives each job its time and then completes its "
    "fence, with an error, whether or not a reset helped. That timer is for jobs that hang. Where "
    "it is the only way to the signal of a job that did not, it hides a lost interrupt, a "
    "forgotten job or a process that everybody now waits for, and each time that happens costs "
    "the whole timeout.",
    sources=(
        Source(
            '000, "dma_fence must signal in finite time"',
            "must: in finite time, which rules out unbounded waits on the way",
        ),
        Source(
            '001, "Fences must complete in a reasonable"',
            "must: work of processes that may run without end is backed by a timeout and recovery, "
            "which at the least completes what is in flight and takes no more",
        ),
        Source(
            '002, "userspace controls the dependencies"',
            "must: what a process controls is no dma_fence, with or without a fallback timer",
        ),
        Source(
            '004, "complete within a finite amount"',
            "must: else the machine locks up, as memory management depends on it",
        ),
    ),
    counterexample=hardware_hangs,
    variants=(userspace_signals, timer_for_a_lost_interrupt, timer_for_a_process),
    fix=timeout_completes_it,
    near_misses=(
        never_published,
        signals_inside_a_system_call,
        hardware_that_always_ends,
        delay_on_the_way,
    ),
    allowed="A fence that nobody else has seen may stay pending and be dropped.",
    checks=(
        Check(
            "explore",
            "dmabuf.explore.lassos.timers.suspect",
            "only a timeout leads on, no job hangs, and a fence is pending that the timeout was to "
            "stand by for",
        ),
        Check(
            "explore",
            "dmabuf.explore.diagnose.diagnose",
            "a published fence is pending at rest, and no more specific rule says why",
        ),
    ),
)

# -- DF108 -------------------------------------------------------------------------------------


@design
def waits_for_a_process(machine: Machine) -> None:
    """Submission publishes its fence and then waits for another process to draw."""
    timeline = Timeline("gpu")
    drawn = Completion("drawn")

    def submit() -> None:
        with machine.syscall():
            fence = timeline.fence()
            fence.publish()
            drawn.wait()
            fence.signal()

    machine.userspace(submit)
    machine.userspace(drawn.complete, "compositor")


@design
def two_buffers_two_orders(machine: Machine) -> None:
    """Two engines put their fences into two buffers, in different orders, and wait for others."""
    front: Shared[Fence | None] = Shared(None, "front buffer")
    back: Shared[Fence | None] = Shared(None, "back buffer")

    def submit(first: Shared[Fence | None], second: Shared[Fence | None], fence: Fence) -> None:
        before = first.exchange(fence), second.exchange(fence)
        for other in before:
            if other is not None:
                other.wait()
        fence.signal()

    render, copy = Timeline("render").fence(), Timeline("copy").fence()
    machine.kthread(lambda: submit(front, back, render), "render")
    machine.kthread(lambda: submit(back, front, copy), "copy")


@design
def waits_for_its_own_fence(machine: Machine) -> None:
    """With a full ring the job waits until the ring is empty, its own fence included."""
    fence = Timeline("gpu").fence()

    def submit() -> None:
        fence.publish()
        if machine.may_fail("find room in the ring"):
            fence.wait()
        fence.signal()

    machine.kthread(submit)


@design
def waits_before_publication(machine: Machine) -> None:
    """Submission waits while nobody knows of a fence; from publication on nothing holds it up."""
    timeline = Timeline("gpu")
    drawn = Completion("drawn")

    def submit() -> None:
        with machine.syscall():
            drawn.wait()
            fence = timeline.fence()
            fence.publish()
            fence.signal()

    machine.userspace(submit)
    machine.userspace(drawn.complete, "compositor")


@design
def waits_for_an_earlier_fence(machine: Machine) -> None:
    """The job waits for one that does not depend on it and is itself sure to signal."""
    copy, render = Timeline("copy").fence(), Timeline("render").fence()

    def run() -> None:
        copy.wait()
        render.signal()

    machine.hardware(copy.signal, "copy engine", hangs=False)
    machine.kthread(run, "render")


@design
def waits_for_what_hardware_owes(machine: Machine) -> None:
    """The flip waits for a vblank, which comes at a fixed rate."""
    fence, vblank = Timeline("crtc").fence(), Completion("vblank")
    line = machine.irq(vblank.complete, "vblank")

    def flip() -> None:
        vblank.wait()
        fence.signal()

    machine.kthread(flip)
    machine.hardware(line.raise_irq, "display", hangs=False)


@design
def waits_with_an_end(machine: Machine) -> None:
    """The wait for a copy, which may hang, has a time limit, after which the job fails."""
    fence, copied = Timeline("gpu").fence(), Completion("copied")

    def run() -> None:
        fence.publish()
        if not copied.wait(timeout=1.0):
            fence.set_error(-errno.ETIMEDOUT)
        fence.signal()

    machine.kthread(run)
    machine.hardware(copied.complete, "copy engine")


_DF108 = Rule(
    "DF108",
    why="A promise is worth as much as the weakest one it rests on. Between publication and signal "
    "a driver may wait only for what is itself certain: an interrupt that the hardware owes, a "
    "worker that runs, a fence that was promised before and does not need this one. It may not "
    "wait for a process, which may stop for ever, and not for a fence that waits for its own, "
    "directly or around three corners. The corners are the point: which fence depends on which "
    "is known to the kernel only, and what a process will wait for is known to the process only, "
    "so nobody could check such a mixture for circles.",
    sources=(
        Source(
            '000, "unbounded waits in the"',
            "must: none on the way to a signal",
        ),
        Source(
            '002, "Only the kernel knows about all"',
            "fact: neither side sees the whole graph of who waits for whom",
        ),
        Source(
            '002, "Therefore preventing such deadlocks from"',
            "must: as circles through userspace cannot be seen from the kernel, nothing that a "
            "process controls may hold up a dma_fence",
        ),
        Source(
            '002, "but not the other way around"',
            "must: a process's wait may depend on kernel fences, a kernel fence on no process",
        ),
    ),
    counterexample=waits_for_a_process,
    variants=(two_buffers_two_orders, waits_for_its_own_fence),
    fix=waits_before_publication,
    near_misses=(waits_for_an_earlier_fence, waits_for_what_hardware_owes, waits_with_an_end),
    allowed="Fences that do not depend on this one and events that kernel or hardware owe may be "
    "waited for.",
    checks=(
        Check("run", _VALIDATOR, "a section waits for its own fence, or for notifiers to end"),
        Check(
            "explore",
            "dmabuf.explore.diagnose.diagnose",
            "the chain from a pending fence closes, or ends at a process",
        ),
    ),
)

# -- DF109 -------------------------------------------------------------------------------------


@design
def gives_up_after_publication(machine: Machine) -> None:
    """Mapping the commands fails when the fence is out, so the doorbell is never rung."""
    fence, doorbell = Timeline("gpu").fence(), Completion("doorbell")

    def submit() -> None:
        fence.publish()
        if machine.may_fail("map the command buffer"):
            return
        doorbell.complete()

    def run() -> None:
        doorbell.wait()
        fence.signal()

    machine.kthread(submit)
    machine.hardware(run, "gpu", hangs=False)


@design
def worker_drops_the_job(machine: Machine) -> None:
    """A worker finds its context banned and forgets the job with its fence."""
    fence, banned = Timeline("gpu").fence(), Shared(False, "context banned")

    def run() -> None:
        if banned.read():
            return
        fence.signal()

    machine.kthread(run, "worker")
    machine.kthread(lambda: banned.write(True), "ban")
    machine.kthread(fence.wait, "client")


@design
def signals_with_an_error(machine: Machine) -> None:
    """The failing path completes the fence itself and says why."""
    fence, doorbell = Timeline("gpu").fence(), Completion("doorbell")

    def submit() -> None:
        fence.publish()
        if machine.may_fail("map the command buffer"):
            fence.set_error(-errno.ENOMEM)
            fence.signal()
            return
        doorbell.complete()

    def run() -> None:
        doorbell.wait()
        fence.signal()

    machine.kthread(submit)
    machine.hardware(run, "gpu", hangs=False)


@design
def fails_before_publication(machine: Machine) -> None:
    """What can fail is done first; the fence is made when nothing can go wrong any more."""
    timeline = Timeline("gpu")

    def submit() -> None:
        if machine.may_fail("map the command buffer"):
            return
        fence = timeline.fence()
        fence.publish()
        machine.hardware(fence.signal, "gpu", hangs=False)

    machine.kthread(submit)


@design
def fails_after_the_signal(machine: Machine) -> None:
    """What fails after the signal keeps nobody waiting."""
    fence, traced = Timeline("gpu").fence(), Shared(False, "traced")

    def retire() -> None:
        fence.signal()
        if machine.may_fail("write the trace"):
            return
        traced.write(True)

    machine.kthread(retire)
    machine.kthread(fence.wait, "client")


@design
def leaves_it_to_recovery(machine: Machine) -> None:
    """The worker drops the job, but recovery, which runs in any case, completes its fence."""
    fence, banned = Timeline("gpu").fence(), Shared(False, "context banned")

    def run() -> None:
        if not banned.read():
            fence.signal()

    def ban() -> None:
        banned.write(True)
        fence.signal()

    machine.kthread(run, "worker")
    machine.kthread(ban)
    machine.kthread(fence.wait, "client")


_DF109 = Rule(
    "DF109",
    why="Publication cannot be taken back. As soon as a fence stands where others look for fences, "
    "somebody may have put it into a buffer's list, handed it to another process or gone to sleep "
    "on it, without leaving a trace that could be undone. So from there every path leads to a "
    "signal, error paths first of all: an allocation that fails, an interrupted wait, a context "
    "that was banned meanwhile. The easy way is to do everything that can fail before; what is "
    "left fails by signalling with an error.",
    sources=(
        Source(
            '002, "annotation ideally starts right"',
            "should: the critical section begins with publication, wherever that is, and lasts "
            "until the signal",
        ),
        Source(
            '001, "force complete all in-flight fences"',
            "must: when the work cannot be done any more its fences are completed all the same",
        ),
        Source(
            "drivers/dma-buf/dma-fence.c, fence signalling annotation",
            "fact: a fence is out as soon as it is installed in a reservation object, before the "
            "unlock, because readers take no lock",
        ),
    ),
    counterexample=gives_up_after_publication,
    variants=(worker_drops_the_job,),
    fix=signals_with_an_error,
    near_misses=(fails_before_publication, fails_after_the_signal, leaves_it_to_recovery),
    allowed="Before publication a job may fail as it likes; afterwards another path may complete "
    "it, if that path runs in any case.",
    checks=(
        Check(
            "explore",
            "dmabuf.explore.diagnose.diagnose",
            "the chain from a pending fence ends at a kernel task that has ended without doing "
            "its part",
        ),
    ),
)

PAGES = (_DF101, _DF108, _DF109)
