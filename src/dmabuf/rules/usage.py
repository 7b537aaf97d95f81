"""Locks and references used as documented: DF003, DF004."""

from __future__ import annotations

from dmabuf.core.timeline import Timeline
from dmabuf.machine import Machine, design
from dmabuf.rules.frame import Check, Rule, Source
from dmabuf.sync.completion import Completion
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SpinLock

__all__ = ["PAGES"]

# -- DF003 -------------------------------------------------------------------------------------


@design
def sleeps_under_spinlock(machine: Machine) -> None:
    """Submission holds the ring's spinlock when it takes the mutex of the vm."""
    ring, vm = SpinLock("ring"), Mutex("vm")

    def submit() -> None:
        with ring, vm:
            pass

    machine.kthread(submit)


@design
def handler_spins_for_its_own_cpu(machine: Machine) -> None:
    """The handler wants a spinlock that the task it interrupted holds with interrupts on."""
    ring = SpinLock("ring")

    def submit() -> None:
        with ring:
            pass

    def handler() -> None:
        with ring:
            pass

    gpu = machine.irq(handler, "gpu")
    machine.kthread(submit)
    machine.hardware(gpu.raise_irq, "gpu", hangs=False)


@design
def handler_sleeps(machine: Machine) -> None:
    """The handler waits for a firmware answer."""
    answer = Completion("firmware answer")
    gpu = machine.irq(answer.wait, "gpu")

    machine.kthread(answer.complete, "firmware")
    machine.hardware(gpu.raise_irq, "gpu", hangs=False)


@design
def sleeps_first(machine: Machine) -> None:
    """The mutex is taken while sleeping is still allowed, the spinlock inside it."""
    ring, vm = SpinLock("ring"), Mutex("vm")

    def submit() -> None:
        with vm, ring:
            pass

    machine.kthread(submit)


@design
def interrupts_off(machine: Machine) -> None:
    """Submission holds the handler's spinlock with interrupts off."""
    ring = SpinLock("ring")

    def submit() -> None:
        with ring.irqsave():
            pass

    def handler() -> None:
        with ring:
            pass

    gpu = machine.irq(handler, "gpu")
    machine.kthread(submit)
    machine.hardware(gpu.raise_irq, "gpu", hangs=False)


@design
def handler_completes(machine: Machine) -> None:
    """A handler may complete what a task sleeps for."""
    answer = Completion("firmware answer")
    gpu = machine.irq(answer.complete, "gpu")

    machine.kthread(answer.wait, "submit")
    machine.hardware(gpu.raise_irq, "gpu", hangs=False)


@design
def handler_takes_another_lock(machine: Machine) -> None:
    """A plain spinlock is fine as long as no handler takes it."""
    ring, log = SpinLock("ring"), SpinLock("log")

    def submit() -> None:
        with ring:
            pass

    def handler() -> None:
        with log:
            pass

    gpu = machine.irq(handler, "gpu")
    machine.kthread(submit)
    machine.hardware(gpu.raise_irq, "gpu", hangs=False)


_DF003 = Rule(
    "DF003",
    why="A task that holds a spinlock keeps others spinning, so it must not give its CPU away; a "
    "handler has no task of its own that could sleep at all. The second half is the same from the "
    "other side: a handler runs on top of whatever it interrupted. If that held the lock which the "
    "handler spins for, the holder cannot go on before the handler ends, and the handler cannot "
    "end before the holder goes on. Hence a spinlock that any handler takes is held with "
    "interrupts off everywhere else.",
    sources=(
        Source(
            "Documentation/locking/spinlocks.rst, lesson 3",
            "must: the plain form is only for locks that no handler ever takes",
        ),
        Source(
            "Documentation/locking/lockdep-design.rst, single-lock state rules",
            "must: a lock class is never both used in handlers and held with interrupts on",
        ),
        Source(
            '002, "simple check in_atomic()"',
            "fact: the fence annotations leave atomic context to this check",
        ),
    ),
    counterexample=sleeps_under_spinlock,
    variants=(handler_spins_for_its_own_cpu, handler_sleeps),
    fix=sleeps_first,
    near_misses=(interrupts_off, handler_completes, handler_takes_another_lock),
    allowed="Completing, waking and signalling never sleep.",
    checks=(
        Check("run", "dmabuf.sync.context.might_sleep", "the calling task is atomic"),
        Check("explore", "dmabuf.sync.context.might_sleep", "the same, in every schedule"),
        Check(
            "explore",
            "dmabuf.explore.diagnose.diagnose",
            "a handler spins for a lock of the task it interrupted",
        ),
    ),
)

# -- DF004 -------------------------------------------------------------------------------------


@design
def unlocks_for_another(machine: Machine) -> None:
    """Submission takes the ring and leaves it to the retiring worker to free it."""
    ring, submitted = Mutex("ring"), Completion("submitted")

    def submit() -> None:
        ring.lock()
        submitted.complete()

    def retire() -> None:
        submitted.wait()
        ring.unlock()

    machine.kthread(submit)
    machine.kthread(retire)


@design
def returns_with_the_lock(machine: Machine) -> None:
    """The error path of submission forgets the lock."""
    ring = Mutex("ring")

    def submit() -> None:
        ring.lock()
        if machine.may_fail("pin the buffer"):
            return
        ring.unlock()

    machine.kthread(submit)


@design
def one_put_too_many(machine: Machine) -> None:
    """Two tasks put the one reference there is."""
    fence = Timeline("gpu").fence()

    def retire() -> None:
        fence.signal()
        fence.put()

    def clean_up() -> None:
        fence.wait()
        fence.put()

    machine.kthread(retire)
    machine.kthread(clean_up)


@design
def completion_as_token(machine: Machine) -> None:
    """What one task takes and another gives back is a completion, which has no owner."""
    ring_free, submitted = Completion("ring free"), Completion("submitted")
    ring_free.complete()

    def submit() -> None:
        ring_free.wait()
        submitted.complete()

    def retire() -> None:
        submitted.wait()
        ring_free.complete()

    machine.kthread(submit)
    machine.kthread(retire)


@design
def unlocks_on_every_path(machine: Machine) -> None:
    """The error path leaves through the same door."""
    ring, jobs = Mutex("ring"), Shared(0, "jobs")

    def submit() -> None:
        with ring:
            if machine.may_fail("pin the buffer"):
                return
            jobs.add(1)

    machine.kthread(submit)
    machine.kthread(submit, "another submit")


@design
def unlocks_what_it_got(machine: Machine) -> None:
    """A trylock that failed is not unlocked."""
    ring = Mutex("ring")

    def poll() -> None:
        if ring.trylock():
            ring.unlock()

    machine.kthread(poll)
    machine.kthread(poll, "another poll")


@design
def put_by_another(machine: Machine) -> None:
    """A reference may be put by a task that did not take it, as long as there is one each."""
    fence = Timeline("gpu").fence()
    fence.get()

    def retire() -> None:
        fence.signal()
        fence.put()

    def clean_up() -> None:
        fence.wait()
        fence.put()

    machine.kthread(retire)
    machine.kthread(clean_up)


_DF004 = Rule(
    "DF004",
    why="All reasoning about who waits for whom starts from the owner of a lock. A mutex that one "
    "task takes and another frees has none: priority is not lent, lockdep sees a lock held for "
    "ever, and a second unlock opens somebody else's section. A lock that an error path forgets "
    "stops everybody who comes later, at a place that has nothing to do with the mistake. A "
    "reference too few is memory freed under a reader, one too many memory that never returns.",
    sources=(
        Source(
            "Documentation/locking/mutex-design.rst, semantics",
            "must: the task that locked unlocks, once, and does not end with the lock held",
        ),
        Source(
            "drivers/dma-buf/dma-fence.c, dma_fence_signal_locked",
            "must: the _locked forms are called with the fence's lock held",
        ),
        Source(
            "drivers/dma-buf/dma-fence.c, dma_fence_wait_timeout",
            "must: who waits has a reference, directly or through somebody who has",
        ),
    ),
    counterexample=unlocks_for_another,
    variants=(returns_with_the_lock, one_put_too_many),
    fix=completion_as_token,
    near_misses=(unlocks_on_every_path, unlocks_what_it_got, put_by_another),
    allowed="Completions and references have no owner: anybody may complete or put.",
    checks=(
        Check("run", "dmabuf.sync.mutex.Mutex.unlock", "the caller does not own the lock"),
        Check("run", "dmabuf.core.fence.Fence.put", "no reference is left"),
        Check("explore", "dmabuf.sync.spinlock.SpinLock.unlock", "the same, in every schedule"),
        Check("explore", "dmabuf.explore.diagnose.diagnose", "a task ended with a lock held"),
    ),
)

PAGES = (_DF003, _DF004)
