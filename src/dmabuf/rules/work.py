"""Work items on the way to a signal: DF107."""

from __future__ import annotations

from dmabuf.core.fence import Fence
from dmabuf.core.timeline import Timeline
from dmabuf.machine import Machine, design
from dmabuf.mm.shrinker import SHRINK_STOP, ShrinkControl, Shrinker
from dmabuf.rules.frame import Check, Rule, Source
from dmabuf.sync.completion import Completion
from dmabuf.sync.gfp import Gfp
from dmabuf.sync.work import Work
from dmabuf.sync.workqueue import WorkQueue, system_wq

__all__ = ["PAGES"]


def shrinker_waits(fence: Fence) -> None:
    """A buffer can be freed when its job is done; the shrinker waits for that where it may."""

    def scan(control: ShrinkControl) -> int:
        if not control.gfp & Gfp.FS:
            return SHRINK_STOP
        fence.wait()
        return 1

    Shrinker("buffers", lambda _control: 1, scan)


@design
def signals_on_the_system_queue(machine: Machine) -> None:
    """The job is done and its item queued; making a worker for it waits for that very job."""
    machine.memory(kswapd=False)
    fence = Timeline("gpu").fence()
    shrinker_waits(fence)
    retire = Work(fence.signal, "retire")
    queue = system_wq()

    machine.kthread(lambda: queue.queue(retire), "gpu done")


@design
def item_that_waits_for_the_next(machine: Machine) -> None:
    """The queue has a rescuer, which runs one item at a time: this one waits for the other."""
    machine.memory(kswapd=False)
    fence, copied = Timeline("gpu").fence(), Completion("copied")
    shrinker_waits(fence)
    queue = WorkQueue("gpu", mem_reclaim=True)

    def retire() -> None:
        copied.wait()
        fence.signal()

    retiring, copying = Work(retire, "retire"), Work(copied.complete, "copy")

    def done() -> None:
        queue.queue(retiring)
        queue.queue(copying)

    machine.kthread(done, "gpu done")


@design
def signals_on_a_queue_with_a_rescuer(machine: Machine) -> None:
    """Where no worker can be made the rescuer runs the item, as it was made with the queue."""
    machine.memory(kswapd=False)
    fence = Timeline("gpu").fence()
    shrinker_waits(fence)
    retire = Work(fence.signal, "retire")
    queue = WorkQueue("gpu", mem_reclaim=True)

    machine.kthread(lambda: queue.queue(retire), "gpu done")


@design
def each_has_a_rescuer_of_its_own(machine: Machine) -> None:
    """One item waits for the other, and neither needs the other's rescuer."""
    machine.memory(kswapd=False)
    fence, copied = Timeline("gpu").fence(), Completion("copied")
    shrinker_waits(fence)
    queue, copies = WorkQueue("gpu", mem_reclaim=True), WorkQueue("copies", mem_reclaim=True)

    def retire() -> None:
        copied.wait()
        fence.signal()

    retiring, copying = Work(retire, "retire"), Work(copied.complete, "copy")

    def done() -> None:
        queue.queue(retiring)
        copies.queue(copying)

    machine.kthread(done, "gpu done")


@design
def signals_in_the_handler(machine: Machine) -> None:
    """The handler signals; what is left for an item with no worker is to clean up."""
    machine.memory(kswapd=False)
    fence = Timeline("gpu").fence()
    shrinker_waits(fence)
    tidy = Work(lambda: None, "tidy")
    queue = system_wq()

    def handler() -> None:
        fence.signal()
        queue.queue(tidy)

    gpu = machine.irq(handler, "gpu")
    machine.kthread(gpu.raise_irq, "gpu done")


@design
def nobody_waits_to_make_a_worker(machine: Machine) -> None:
    """The fences of a camera are waited for by no shrinker: a worker comes in the end."""
    machine.memory(kswapd=False)
    fence = Timeline("camera").fence()
    machine.never_in_reclaim(fence)
    Shrinker("something else", lambda _control: 1, lambda _control: 1)
    frame = Work(fence.signal, "frame")
    queue = system_wq()

    machine.kthread(lambda: queue.queue(frame), "frame done")
    machine.kthread(fence.wait, "client")


_DF107 = Rule(
    "DF107",
    why="An item that waits on a queue is nothing yet; it needs a thread to run it. The kernel "
    "keeps few and makes more when all are asleep, and a thread takes memory: making one "
    "allocates with GFP_KERNEL. So whoever queues work asks for memory without writing it "
    "anywhere. Shrinkers and MMU notifiers are allowed to wait for fences, and the thread "
    "that makes workers for everybody runs them like anybody else who is short of memory. If "
    "it is left to a work item to signal the fence that they wait for, the circle is closed: "
    "no worker before the signal, no signal before the worker, and no other item of that pool "
    "runs either. Therefore a queue that something on the way to a signal runs on must not "
    "need memory to go on. WQ_MEM_RECLAIM makes one thread together with the queue, its "
    "rescuer, which runs the items while no worker can be made. It is one thread and runs one "
    "item at a time: two items of which one waits for the other need two such queues, and an "
    "item that has a rescuer may not flush one that has none. The system's own queues have "
    "none. An item that only cleans up after the signal may run anywhere.",
    sources=(
        Source(
            "kernel/workqueue.c, maybe_create_worker",
            "fact: the last idle worker makes the next one with GFP_KERNEL and calls the rescuers "
            "if that takes long",
        ),
        Source(
            "Documentation/core-api/workqueue.rst, WQ_MEM_RECLAIM",
            "must: what memory reclaim may depend on runs on queues with this flag",
        ),
        Source(
            "kernel/workqueue.c, check_flush_dependency",
            "must: an item with a rescuer does not flush one without; it warns",
        ),
        Source(
            '000, "GFP_KERNEL allocations"',
            "fact: an unbounded wait on the way to the signal, here inside the workqueue",
        ),
    ),
    counterexample=signals_on_the_system_queue,
    variants=(item_that_waits_for_the_next,),
    fix=signals_on_a_queue_with_a_rescuer,
    near_misses=(
        each_has_a_rescuer_of_its_own,
        signals_in_the_handler,
        nobody_waits_to_make_a_worker,
    ),
    allowed="Work without a rescuer for everything that no fence waits for, and for fences that "
    "nobody waits for in reclaim.",
    checks=(
        Check(
            "run",
            "dmabuf.contract.validator.Validator",
            "an item of a queue without a rescuer signals a fence that others can see, with "
            "memory or without; a suspicion where no section says that it is on the way",
        ),
        Check(
            "explore",
            "dmabuf.explore.diagnose.diagnose",
            "a queue has items and no worker, which is being made while a fence waits for one of "
            "them; all workers are taken to be busy elsewhere where memory may be short",
        ),
    ),
)

PAGES = (_DF107,)
