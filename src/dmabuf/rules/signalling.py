"""The moment of the signal: DF106."""

from __future__ import annotations

import errno

from dmabuf.core.timeline import Timeline
from dmabuf.machine import Machine, design
from dmabuf.rules.frame import Check, Rule, Source
from dmabuf.sync.completion import Completion

__all__ = ["PAGES"]

# -- DF106 -------------------------------------------------------------------------------------


@design
def error_races_with_the_signal(machine: Machine) -> None:
    """Recovery sees a pending fence and sets its error, but the hardware is done in between."""
    fence = Timeline("gpu").fence()

    def recover() -> None:
        if not fence.is_signaled():
            fence.set_error(-errno.ETIMEDOUT)
            fence.signal()

    gpu = machine.irq(fence.signal, "gpu")
    machine.kthread(recover)
    machine.hardware(gpu.raise_irq, "gpu", hangs=False)


@design
def error_after_the_signal(machine: Machine) -> None:
    """The result is written down when everybody has been told."""
    fence = Timeline("gpu").fence()

    def retire() -> None:
        fence.signal()
        if machine.may_fail("the job"):
            fence.set_error(-errno.EIO)

    machine.kthread(retire)
    machine.kthread(fence.wait, "client")


@design
def last_put_while_pending(machine: Machine) -> None:
    """A cancelled job drops the last reference, and whoever left a callback never hears."""
    fence = Timeline("gpu").fence()
    shown = Completion("frame shown")
    fence.add_callback(lambda _fence: shown.complete())

    def retire() -> None:
        if not machine.may_fail("the job is cancelled"):
            fence.signal()
        fence.put()

    machine.kthread(retire)


@design
def error_under_the_lock(machine: Machine) -> None:
    """Recovery looks, sets the error and signals under the fence's lock, which signals take."""
    fence = Timeline("gpu").fence()

    def recover() -> None:
        with fence.lock.irqsave():
            if not fence.is_signaled():
                fence.set_error(-errno.ETIMEDOUT)
                fence.signal_locked()

    gpu = machine.irq(fence.signal, "gpu")
    machine.kthread(recover)
    machine.hardware(gpu.raise_irq, "gpu", hangs=False)


@design
def loses_the_race(machine: Machine) -> None:
    """Handler and recovery both signal; the second one does nothing, and is told so."""
    fence = Timeline("gpu").fence()

    gpu = machine.irq(fence.signal, "gpu")
    machine.kthread(fence.check_and_signal, "recover")
    machine.hardware(gpu.raise_irq, "gpu", hangs=False)


@design
def put_after_the_signal(machine: Machine) -> None:
    """The last reference goes when the callbacks have run."""
    fence = Timeline("gpu").fence()
    shown = Completion("frame shown")
    fence.add_callback(lambda _fence: shown.complete())

    def retire() -> None:
        fence.signal()
        fence.put()

    machine.kthread(retire)
    machine.kthread(shown.wait, "compositor")


@design
def error_first(machine: Machine) -> None:
    """The error is set while the fence is pending, where nobody sees it, and then signalled."""
    fence = Timeline("gpu").fence()

    def retire() -> None:
        if machine.may_fail("the job"):
            fence.set_error(-errno.EIO)
        fence.signal()

    machine.kthread(retire)
    machine.kthread(fence.wait, "client")


_DF106 = Rule(
    "DF106",
    why="The signal is the moment of truth: from then on waiters run, look at the result and use "
    "the memory. An error that comes later is one that some of them have missed. Two paths may "
    "well want to signal the same fence, the interrupt and the recovery of a job that seemed to "
    "hang; that is fine as the first one wins and the second does nothing, but looking first and "
    "setting the error afterwards is no longer one act, so it needs the lock that the signal "
    "takes. And a fence that goes away while somebody has a callback on it takes that somebody's "
    "wake-up with it; the kernel warns, makes up an error and calls back as a last resort.",
    sources=(
        Source(
            "include/linux/dma-fence.h, dma_fence_set_error",
            "must: called before the signal; it warns afterwards",
        ),
        Source(
            "drivers/dma-buf/dma-fence.c, dma_fence_signal",
            "fact: only the first signal has an effect, later ones are harmless",
        ),
        Source(
            "drivers/dma-buf/dma-fence.c, dma_fence_release",
            "must: no pending fence with callbacks is released; it warns and fails them",
        ),
        Source(
            '001, "force complete all in-flight fences"',
            "must: recovery completes fences too, so it meets the ordinary path",
        ),
    ),
    counterexample=error_races_with_the_signal,
    variants=(error_after_the_signal, last_put_while_pending),
    fix=error_under_the_lock,
    near_misses=(loses_the_race, put_after_the_signal, error_first),
    allowed="Signalling a second time is no mistake: check_and_signal says who was first.",
    checks=(
        Check("run", "dmabuf.core.fence.Fence.set_error", "the fence is signalled already"),
        Check("explore", "dmabuf.core.fence.Fence.set_error", "the same, in every schedule"),
        Check("explore", "dmabuf.core.fence.Fence.release", "callbacks are queued and no signal"),
    ),
)

PAGES = (_DF106,)
