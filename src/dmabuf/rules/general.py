"""What holds for any design, fences or not: DF001, DF002, DF005."""

from __future__ import annotations

import itertools

from dmabuf.machine import Machine, design
from dmabuf.rules.frame import Check, Rule, Source
from dmabuf.sync.completion import Completion
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.shared import Shared
from dmabuf.sync.waitqueue import WaitQueue

__all__ = ["PAGES"]

# -- DF001 -------------------------------------------------------------------------------------


@design
def two_orders(machine: Machine) -> None:
    """Submission takes vm and then ring, reset takes them the other way round."""
    vm, ring = Mutex("vm"), Mutex("ring")

    def submit() -> None:
        with vm, ring:
            pass

    def reset() -> None:
        with ring, vm:
            pass

    machine.kthread(submit)
    machine.kthread(reset)


@design
def flush_under_the_lock(machine: Machine) -> None:
    """Teardown waits for a worker with the lock held that the worker needs."""
    ring, idle = Mutex("ring"), Completion("worker idle")

    def worker() -> None:
        with ring:
            pass
        idle.complete()

    def teardown() -> None:
        with ring:
            idle.wait()

    machine.kthread(worker)
    machine.kthread(teardown)


@design
def one_order(machine: Machine) -> None:
    """Everybody takes vm first."""
    vm, ring = Mutex("vm"), Mutex("ring")

    def submit() -> None:
        with vm, ring:
            pass

    def reset() -> None:
        with vm, ring:
            pass

    machine.kthread(submit)
    machine.kthread(reset)


@design
def trylock_backs_off(machine: Machine) -> None:
    """Against the order the second lock is only tried, and the first one is dropped."""
    vm, ring = Mutex("vm"), Mutex("ring")

    def submit() -> None:
        with vm, ring:
            pass

    def shrink() -> None:
        with ring:
            if vm.trylock():
                vm.unlock()

    machine.kthread(submit)
    machine.kthread(shrink)


@design
def orders_under_a_gate(machine: Machine) -> None:
    """The two orders never meet, as both are taken under a third lock."""
    device, vm, ring = Mutex("device"), Mutex("vm"), Mutex("ring")

    def submit() -> None:
        with device, vm, ring:
            pass

    def reset() -> None:
        with device, ring, vm:
            pass

    machine.kthread(submit)
    machine.kthread(reset)


@design
def one_after_the_other(machine: Machine) -> None:
    """The other order is used only when the first user has gone."""
    vm, ring = Mutex("vm"), Mutex("ring")

    def probe() -> None:
        with vm, ring:
            pass
        machine.kthread(remove)

    def remove() -> None:
        with ring, vm:
            pass

    machine.kthread(probe)


@design
def flush_after_unlock(machine: Machine) -> None:
    """Teardown drops the lock and then waits for the worker."""
    ring, idle = Mutex("ring"), Completion("worker idle")

    def worker() -> None:
        with ring:
            pass
        idle.complete()

    def teardown() -> None:
        with ring:
            pass
        idle.wait()

    machine.kthread(worker)
    machine.kthread(teardown)


_DF001 = Rule(
    "DF001",
    why="A lock has one owner, and only the owner can end a wait for it. Draw an arrow from each "
    "waiting task to the one that could end its wait; if the arrows close, none of these tasks "
    "ever moves again, and with them everything that wants their locks. Each of the paths is "
    "correct alone, so no review of one function finds it. One order for the whole machine makes "
    "a closed chain impossible. A completion or a flush is a lock in this sense too: the worker "
    "holds it until it is done.",
    sources=(
        Source(
            "Documentation/locking/lockdep-design.rst, multi-lock dependency rules",
            "must: two lock classes are not taken in both orders",
        ),
        Source(
            '002, "main class of deadlocks"',
            "fact: where fences take part it is the same closed chain, with a wait for a fence as "
            "one of its arrows",
        ),
        Source(
            "Documentation/scheduler/completion.rst, waiting for completions",
            "should: such waits may last, so they rarely belong under a mutex",
        ),
    ),
    counterexample=two_orders,
    variants=(flush_under_the_lock,),
    fix=one_order,
    near_misses=(trylock_backs_off, orders_under_a_gate, one_after_the_other, flush_after_unlock),
    allowed="Orders that no schedule can bring together break nothing here, though lockdep, which "
    "sees lock classes and no schedules, may report them.",
    checks=(
        Check(
            "run",
            "dmabuf.contract.validator.Validator",
            "locks taken in two orders, in whatever runs, though neither of them deadlocked",
        ),
        Check(
            "explore",
            "dmabuf.explore.diagnose.diagnose",
            "a closed chain of waits at rest without a fence in it",
        ),
        Check(
            "explore",
            "dmabuf.explore.snapshot.take_cycle",
            "a closed chain of lock owners while others still run",
        ),
    ),
)

# -- DF002 -------------------------------------------------------------------------------------


@design
def tests_before_it_queues(machine: Machine) -> None:
    """Draining looks at the flag and queues afterwards; the interrupt comes in between."""
    done, queue = Shared(False, "done"), WaitQueue("drained")

    def drain() -> None:
        if not done.read():
            queue.prepare_to_wait()
            queue.schedule()
            queue.finish_wait()

    def handler() -> None:
        done.write(True)
        queue.wake_up()

    gpu = machine.irq(handler, "gpu")
    machine.kthread(drain)
    machine.hardware(gpu.raise_irq, "gpu", hangs=False)


@design
def wakes_before_it_changes(machine: Machine) -> None:
    """The handler wakes first and sets the flag afterwards: the woken task looks too early."""
    done, queue = Shared(False, "done"), WaitQueue("drained")

    def handler() -> None:
        queue.wake_up()
        done.write(True)

    gpu = machine.irq(handler, "gpu")
    machine.kthread(lambda: queue.wait_event(done.read), "drain")
    machine.hardware(gpu.raise_irq, "gpu", hangs=False)


@design
def queues_before_it_tests(machine: Machine) -> None:
    """Draining queues first, so a wake-up after the look ends the sleep at once."""
    done, queue = Shared(False, "done"), WaitQueue("drained")

    def drain() -> None:
        queue.prepare_to_wait()
        if not done.read():
            queue.schedule()
        queue.finish_wait()

    def handler() -> None:
        done.write(True)
        queue.wake_up()

    gpu = machine.irq(handler, "gpu")
    machine.kthread(drain)
    machine.hardware(gpu.raise_irq, "gpu", hangs=False)


@design
def wait_event_does_it(machine: Machine) -> None:
    """The ready-made loop queues, looks and sleeps in the order that loses nothing."""
    done, queue = Shared(False, "done"), WaitQueue("drained")

    def handler() -> None:
        done.write(True)
        queue.wake_up()

    gpu = machine.irq(handler, "gpu")
    machine.kthread(lambda: queue.wait_event(done.read), "drain")
    machine.hardware(gpu.raise_irq, "gpu", hangs=False)


@design
def completes_before_the_wait(machine: Machine) -> None:
    """A completion counts, so one that comes before the wait is not lost."""
    drained = Completion("drained")
    gpu = machine.irq(drained.complete, "gpu")

    machine.kthread(drained.wait, "drain")
    machine.hardware(gpu.raise_irq, "gpu", hangs=False)


@design
def wakes_nobody(machine: Machine) -> None:
    """The wake-up finds an empty queue, and whoever comes later finds the flag set."""
    done, queue = Shared(False, "done"), WaitQueue("drained")

    def retire() -> None:
        done.write(True)
        queue.wake_up()
        machine.kthread(lambda: queue.wait_event(done.read), "drain")

    machine.kthread(retire)


_DF002 = Rule(
    "DF002",
    why="A wake-up reaches those who are queued at that moment and leaves no trace. A task that "
    "looks at its condition and queues afterwards has a gap between the two; if condition and "
    "wake-up both come in the gap, it goes to sleep with its condition true and nobody left to "
    "wake it. The gap is a few instructions wide and shows up on a customer's machine. Queueing "
    "first closes it: a wake-up from then on ends the next sleep, and one before it has made the "
    "condition true already, provided that the waker changes first and wakes afterwards.",
    sources=(
        Source(
            "Documentation/memory-barriers.txt, sleep and wake-up functions",
            "must: the sleeper announces its sleep, then tests; the waker changes the condition, "
            "then wakes",
        ),
        Source(
            "include/linux/wait.h, wait_event",
            "must: a wake-up follows every change that may alter what the sleeper tests",
        ),
        Source(
            "Documentation/scheduler/completion.rst, signaling completions",
            "fact: completions are counted, so they may come before the wait",
        ),
    ),
    counterexample=tests_before_it_queues,
    variants=(wakes_before_it_changes,),
    fix=queues_before_it_tests,
    near_misses=(wait_event_does_it, completes_before_the_wait, wakes_nobody),
    allowed="A wake-up that finds nobody is lost without harm if the condition was true before.",
    checks=(
        Check(
            "explore",
            "dmabuf.explore.diagnose.diagnose",
            "at rest a task sleeps whose condition is true, or whose wake-up has been",
        ),
    ),
)

# -- DF005 -------------------------------------------------------------------------------------

_turns = itertools.count()


@design
def remembers_the_last_run(machine: Machine) -> None:
    """The ring is chosen by a counter that outlives the run, so each run differs."""
    rings = Mutex("render ring"), Mutex("copy ring")

    def submit() -> None:
        with rings[next(_turns) % 2]:
            pass

    machine.kthread(submit)


@design
def raises(machine: Machine) -> None:
    """Retiring takes a job from a list without looking whether there is one."""
    jobs: list[str] = []

    machine.kthread(jobs.pop, "retire")


@design
def starts_afresh(machine: Machine) -> None:
    """The counter is made with the design, so each run begins alike."""
    turns = itertools.count()
    rings = Mutex("render ring"), Mutex("copy ring")

    def submit() -> None:
        with rings[next(turns) % 2]:
            pass

    machine.kthread(submit)


@design
def takes_chances_openly(machine: Machine) -> None:
    """The ring is chosen by the machine: every choice is explored, and a token repeats it."""
    rings = Mutex("render ring"), Mutex("copy ring")

    def submit() -> None:
        with rings[machine.choose(2)]:
            pass

    machine.kthread(submit)


@design
def catches_what_it_expects(machine: Machine) -> None:
    """An exception that the design handles itself is nobody else's business."""
    jobs: list[str] = []

    def retire() -> None:
        try:
            jobs.pop()
        except IndexError:
            return

    machine.kthread(retire)


_DF005 = Rule(
    "DF005",
    why="The search runs a design again and again and relies on one thing: the same schedule ends "
    "the same way. If a design remembers an earlier run, asks a clock or throws a coin, what was "
    "proved about one run says nothing about the next, and a token replays something else. An "
    "exception that nobody catches ends a task in the middle, which no kernel thread does; what "
    "is found after it would be about Python and not about the driver.",
    sources=(
        Source(
            '003, "overall reviewable and testable"',
            "ideal: common rules are there so that drivers can be reviewed and tested",
        ),
        Source(
            "tools/memory-model/Documentation/litmus-tests.txt, message-passing example",
            "must: a test that is to be explored names every variable that its processes share",
        ),
    ),
    counterexample=remembers_the_last_run,
    variants=(raises,),
    fix=starts_afresh,
    near_misses=(takes_chances_openly, catches_what_it_expects),
    allowed="Chances taken through choose() and may_fail(), and time read through the runtime, are "
    "part of the schedule.",
    checks=(
        Check(
            "explore",
            "dmabuf.explore.search.Search",
            "a repeated step is another one than before, or a task raises",
        ),
        Check(
            "explore",
            "dmabuf.explore.foreign.chance.guarded",
            "a design under check calls a clock or a source of chance",
        ),
    ),
)

PAGES = (_DF001, _DF002, _DF005)
