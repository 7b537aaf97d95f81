"""Saying that code is on the way to a signal: DF205. No run of these designs goes wrong."""

from __future__ import annotations

from dmabuf.core.timeline import Timeline
from dmabuf.machine import Machine, design
from dmabuf.rules.frame import Check, Rule, Source
from dmabuf.sync.completion import Completion
from dmabuf.sync.context import signalling
from dmabuf.sync.mutex import Mutex

__all__ = ["PAGES"]


@design
def retires_without_a_word(machine: Machine) -> None:
    """A worker signals what others wait for; the lock that it takes first is nobody's today."""
    ring, fence, done = Mutex("ring"), Timeline("gpu").fence(), Completion("job done")
    fence.publish()

    def retire() -> None:
        done.wait()
        with ring:
            pass
        fence.signal()

    machine.kthread(retire)
    machine.hardware(done.complete, "gpu", hangs=False)
    machine.kthread(fence.wait, "client")


@design
def scheduler_without_a_word(machine: Machine) -> None:
    """The thread that starts the job signals nothing, and without it nothing is ever signalled."""
    ring, fence = Mutex("ring"), Timeline("gpu").fence()
    fence.publish()
    gpu = machine.irq(fence.signal, "gpu")

    def run_job() -> None:
        with ring:
            pass
        gpu.raise_irq()

    machine.kthread(run_job, "scheduler")
    machine.kthread(fence.wait, "client")


@design
def retires_in_a_section(machine: Machine) -> None:
    """The section says what the worker is for, so each lock and allocation in it can be judged."""
    ring, fence, done = Mutex("ring"), Timeline("gpu").fence(), Completion("job done")
    fence.publish()

    def retire() -> None:
        with signalling():
            done.wait()
            with ring:
                pass
            fence.signal()

    machine.kthread(retire)
    machine.hardware(done.complete, "gpu", hangs=False)
    machine.kthread(fence.wait, "client")


@design
def scheduler_in_a_section(machine: Machine) -> None:
    """The section ends where the job is on the hardware: the signal is another one's part."""
    ring, fence = Mutex("ring"), Timeline("gpu").fence()
    fence.publish()
    gpu = machine.irq(fence.signal, "gpu")

    def run_job() -> None:
        with signalling():
            with ring:
                pass
            gpu.raise_irq()

    machine.kthread(run_job, "scheduler")
    machine.kthread(fence.wait, "client")


@design
def signals_in_passing(machine: Machine) -> None:
    """Eviction signals what it finds to be done, under its lock; the interrupt does it anyway."""
    vm, fence = Mutex("vm"), Timeline("gpu").fence()
    fence.publish()

    def evict() -> None:
        with vm:
            fence.signal()

    gpu = machine.irq(fence.signal, "gpu")
    machine.kthread(evict)
    machine.hardware(gpu.raise_irq, "gpu", hangs=False)


@design
def takes_part_before_publication(machine: Machine) -> None:
    """What comes before nobody can wait for, and the job is on the hardware by then."""
    ring, timeline = Mutex("ring"), Timeline("gpu")

    def submit() -> None:
        with ring:
            fence = timeline.fence()
        gpu = machine.irq(fence.signal, "gpu")
        machine.hardware(gpu.raise_irq, "gpu", hangs=False)
        fence.publish()

    machine.kthread(submit)


_DF205 = Rule(
    "DF205",
    why="The other rules forbid things between the publication of a fence and its signal. Where "
    "that is cannot be seen in the code: the fence was published in a system call, a thread takes "
    "the job up much later, hardware runs it, a handler wakes a worker, and the worker signals. "
    "Nothing on this way looks different from what is not on it, and a lock taken there is right "
    "until another driver waits for the fence under the same lock. So whoever writes the code is "
    "asked to say so: a section from where the fence becomes visible to its signal, in each "
    "thread that has a part in it. The validator then finds a wrong lock in the first run, with "
    "nobody else in the way. What is not said, nobody can check, and the deadlock is found by the "
    "user who is short of memory. The thread that is forgotten most easily is the one that hands "
    "jobs to the hardware: it signals nothing, but if it stops, so does all the rest. Signalling "
    "in passing is different. A shrinker that looks and signals what is done anyway holds locks "
    "that are forbidden on the way; as others signal if it stops, it is not on the way, and a "
    "section there would be a false alarm. Whether a task is the one or the other is decided by "
    "what happens if it stops for ever.",
    sources=(
        Source(
            '001, "drivers should annotate all code required"',
            "should: all code needed to reach the signal is inside a section",
        ),
        Source(
            '002, "The annotation ideally starts right"',
            "ideal: from the publication on, in handlers, scheduler threads, the tail of a "
            "submission and workers",
        ),
        Source(
            '002, "Not annotated should be code paths that"',
            "should: who signals in passing, as eviction does, opens no section",
        ),
        Source(
            "drivers/dma-buf/dma-fence.c, dma_fence_begin_signalling",
            "fact: in atomic context it records nothing, there the check for sleeping is enough",
        ),
    ),
    counterexample=retires_without_a_word,
    variants=(scheduler_without_a_word,),
    fix=retires_in_a_section,
    near_misses=(scheduler_in_a_section, signals_in_passing, takes_part_before_publication),
    allowed="Interrupt handlers need no section, and callbacks run inside that of the signal.",
    is_judged=True,
    checks=(
        Check(
            "run",
            "dmabuf.contract.validator.Validator",
            "a task signals a fence that others can see outside any section: a suspicion",
        ),
        Check(
            "explore",
            "dmabuf.explore.predictions.on_the_way.WayToSignal",
            "some fair run in which the task stops for ever leaves the fence pending; so also for "
            "tasks that signal nothing",
        ),
    ),
)

PAGES = (_DF205,)
