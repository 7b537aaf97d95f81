"""Fences and locks: DF202, DF206.

A wait for a fence is a wait for everything on the way to its signal. So whatever the waiter
holds meanwhile is forbidden on that way.
"""

from __future__ import annotations

from dmabuf.core.fence import Fence
from dmabuf.core.timeline import Timeline
from dmabuf.machine import Machine, design
from dmabuf.rules.frame import Check, Rule, Source
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SpinLock

__all__ = ["PAGES"]

# -- DF202 -------------------------------------------------------------------------------------


@design
def lock_across_wait(machine: Machine) -> None:
    """Eviction waits under the lock that retiring takes before it signals."""
    vm = Mutex("vm")
    fence = Timeline("gpu").fence()

    def evict() -> None:
        with vm:
            fence.wait()

    def retire() -> None:
        with vm:
            pass
        fence.signal()

    machine.kthread(evict)
    machine.kthread(retire)


@design
def through_a_second_lock(machine: Machine) -> None:
    """Retiring never touches vm, but the lock it does take is held by somebody who wants vm."""
    vm, ring = Mutex("vm"), Mutex("ring")
    fence = Timeline("gpu").fence()

    def evict() -> None:
        with vm:
            fence.wait()

    def bind() -> None:
        with ring, vm:
            pass

    def retire() -> None:
        with ring:
            pass
        fence.signal()

    machine.kthread(evict)
    machine.kthread(bind)
    machine.kthread(retire)


@design
def drops_the_lock_first(machine: Machine) -> None:
    """Eviction picks its victim under the lock and waits when it has dropped it."""
    vm = Mutex("vm")
    fence = Timeline("gpu").fence()

    def evict() -> None:
        with vm:
            pass
        fence.wait()

    def retire() -> None:
        with vm:
            pass
        fence.signal()

    machine.kthread(evict)
    machine.kthread(retire)


@design
def trylock_on_the_way(machine: Machine) -> None:
    """Retiring takes the lock only if that needs no waiting, and signals in any case."""
    vm = Mutex("vm")
    fence = Timeline("gpu").fence()

    def evict() -> None:
        with vm:
            fence.wait()

    def retire() -> None:
        if vm.trylock():
            vm.unlock()
        fence.signal()

    machine.kthread(evict)
    machine.kthread(retire)


@design
def signals_before_it_locks(machine: Machine) -> None:
    """Retiring takes the same lock, but only when the signal is out."""
    vm = Mutex("vm")
    fence = Timeline("gpu").fence()

    def evict() -> None:
        with vm:
            fence.wait()

    def retire() -> None:
        fence.signal()
        with vm:
            pass

    machine.kthread(evict)
    machine.kthread(retire)


@design
def lock_before_publication(machine: Machine) -> None:
    """The lock is taken before anybody can know the fence, so nobody waits for it yet."""
    vm = Mutex("vm")
    timeline = Timeline("gpu")
    last: Shared[Fence | None] = Shared(None, "last fence")

    def evict() -> None:
        with vm:
            fence = last.read()
            if fence is not None:
                fence.wait()

    def submit() -> None:
        with vm:
            pass
        fence = timeline.fence()
        last.write(fence)
        fence.signal()

    machine.kthread(evict)
    machine.kthread(submit)


@design
def signals_in_passing(machine: Machine) -> None:
    """Who wants the lock signals only as a favour; the interrupt signals without it."""
    vm = Mutex("vm")
    fence = Timeline("gpu").fence()

    def evict() -> None:
        with vm:
            fence.wait()

    def poll() -> None:
        with vm:
            fence.signal()

    gpu = machine.irq(fence.signal, "gpu")
    machine.kthread(evict)
    machine.kthread(poll)
    machine.hardware(gpu.raise_irq, "gpu", hangs=False)


_DF202 = Rule(
    "DF202",
    why="Waiting for a fence under a lock is allowed, and memory management cannot do without: "
    "eviction holds the lock of what it evicts and waits until the hardware is done with it. Now "
    "follow the wait. It ends when somebody signals, and that somebody first has to get through "
    "all the code in front of the signal. If that code takes the lock, it waits for the waiter, "
    "and the waiter waits for it. It does not matter that the two never meet in a test, nor "
    "that another thread stands between them: holding any lock whose holder wants the first one "
    "is the same. And as the waiter may be any driver, the one that signals cannot know which "
    "locks are held across its fence; hence the lock has to go from its side.",
    sources=(
        Source(
            '002, "Thread B is blocked on A"',
            "fact: the two threads of the counterexample are the deadlock that the signalling "
            "annotations were written to find",
        ),
        Source(
            '001, "To ensure there\'s no deadlocks"',
            "should: whatever code leads to a signal is annotated, so that lockdep sees the locks "
            "on both sides",
        ),
        Source(
            '001, "fence completion cannot acquire a"',
            "must: of the lock that every driver may hold across a wait, the reservation lock",
        ),
        Source(
            "drivers/dma-buf/dma-fence.c, fence signalling annotation",
            "must: all code from a fence's being visible to its signal is annotated, except what "
            "signals in passing; the example is this deadlock",
        ),
    ),
    counterexample=lock_across_wait,
    variants=(through_a_second_lock,),
    fix=drops_the_lock_first,
    near_misses=(
        trylock_on_the_way,
        signals_before_it_locks,
        lock_before_publication,
        signals_in_passing,
    ),
    allowed="A lock may be held across the wait if nothing between publication and signal waits "
    "for it; a trylock does not wait.",
    checks=(
        Check(
            "run",
            "dmabuf.contract.validator.Validator",
            "a lock taken in a signalling section that was ever held across a wait, or across what "
            "may wait",
        ),
        Check(
            "explore",
            "dmabuf.explore.diagnose.diagnose",
            "a closed chain of waits with a fence and a lock in it",
        ),
    ),
)

# -- DF206 -------------------------------------------------------------------------------------


@design
def waits_under_spinlock(machine: Machine) -> None:
    """Reusing a ring slot waits for its last job with the ring's spinlock held."""
    ring = SpinLock("ring")
    fence = Timeline("gpu").fence()

    def reuse_slot() -> None:
        with ring:
            fence.wait()

    machine.kthread(reuse_slot)
    machine.kthread(fence.signal, "retire")


@design
def handler_waits(machine: Machine) -> None:
    """The vblank handler waits for rendering before it flips."""
    fence = Timeline("gpu").fence()
    vblank = machine.irq(fence.wait, "vblank")

    machine.hardware(vblank.raise_irq, "display", hangs=False)
    machine.kthread(fence.signal, "retire")


@design
def callback_waits(machine: Machine) -> None:
    """A callback of one fence waits for another: callbacks run under the fence's spinlock."""
    first, second = Timeline("gpu").fence(), Timeline("copy").fence()
    first.add_callback(lambda _fence: second.wait())

    machine.kthread(first.signal, "gpu retire")
    machine.kthread(second.signal, "copy retire")


@design
def waits_before_spinlock(machine: Machine) -> None:
    """The wait comes first, the spinlock is held only for the slot itself."""
    ring = SpinLock("ring")
    fence = Timeline("gpu").fence()

    def reuse_slot() -> None:
        fence.wait()
        with ring:
            pass

    machine.kthread(reuse_slot)
    machine.kthread(fence.signal, "retire")


@design
def callback_instead(machine: Machine) -> None:
    """The vblank handler leaves a callback and goes on; the signal brings the flip."""
    fence = Timeline("gpu").fence()
    flipped = Shared(False, "flipped")

    def handler() -> None:
        if fence.add_callback(lambda _fence: flipped.write(True)) is None:
            flipped.write(True)

    vblank = machine.irq(handler, "vblank")
    machine.hardware(vblank.raise_irq, "display", hangs=False)
    machine.kthread(fence.signal, "retire")


@design
def looks_without_waiting(machine: Machine) -> None:
    """Under the spinlock the fence is only asked; a busy slot is left for later."""
    ring = SpinLock("ring")
    fence = Timeline("gpu").fence()

    def reuse_slot() -> None:
        with ring:
            fence.is_signaled()

    machine.kthread(reuse_slot)
    machine.kthread(fence.signal, "retire")


@design
def signals_under_spinlock(machine: Machine) -> None:
    """Signalling never sleeps, so a handler may do it with a spinlock held."""
    ring = SpinLock("ring")
    fence = Timeline("gpu").fence()

    def handler() -> None:
        with ring:
            fence.signal()

    gpu = machine.irq(handler, "gpu")
    machine.hardware(gpu.raise_irq, "gpu", hangs=False)
    machine.kthread(fence.wait, "evict")


_DF206 = Rule(
    "DF206",
    why="A task that waits for a fence gives its CPU away until the signal. Under a spinlock, "
    "with interrupts off or in a handler it must not: whoever spins for that lock keeps a CPU "
    "busy, and the interrupt that would have brought the signal may be the one that cannot get "
    "in. On a machine with one CPU that is a certain hang. There is a second reason to be strict: "
    "in atomic context the signalling annotations record nothing and rely on the check that a "
    "wait makes, so a wait that is tolerated here is a hole in the net.",
    sources=(
        Source(
            '002, "will catch any wrong nesting"',
            "fact: in atomic context nothing is recorded for lockdep; the sleep check inside the "
            "wait has to catch the mistake",
        ),
        Source(
            "drivers/dma-buf/dma-fence.c, dma_fence_wait_timeout",
            "must: may sleep whatever the timeout is, and says so before it looks at the fence",
        ),
        Source(
            "drivers/dma-buf/dma-fence.c, dma_fence_add_callback",
            "fact: callbacks may run in interrupt context, hence the other way to learn of a "
            "signal there",
        ),
    ),
    counterexample=waits_under_spinlock,
    variants=(handler_waits, callback_waits),
    fix=waits_before_spinlock,
    near_misses=(callback_instead, looks_without_waiting, signals_under_spinlock),
    allowed="Asking, signalling and adding or removing callbacks are fine in any context.",
    checks=(
        Check("run", "dmabuf.core.fence.Fence.wait", "the calling task is atomic"),
        Check("explore", "dmabuf.core.fence_wait.wait_any", "the same, in every schedule"),
    ),
)

PAGES = (_DF202, _DF206)
