"""Reservation locks and the slots of their fences: DF204, DF208.

A buffer's lock is nobody's in particular: every driver that uses the buffer takes it, together
with those of whatever other buffers userspace chose to name in the same call.
"""

from __future__ import annotations

from contextlib import suppress

from dmabuf.core.resv import Resv, Usage
from dmabuf.core.timeline import Timeline
from dmabuf.errors import WouldDeadlock
from dmabuf.machine import Machine, design
from dmabuf.rules.frame import Check, Rule, Source
from dmabuf.sync.ww_acquire import WwAcquire, ww_acquire

__all__ = ["PAGES"]

# -- DF204 -------------------------------------------------------------------------------------


def lock_all(ctx: WwAcquire, *buffers: Resv) -> None:
    """The loop of every driver: at `WouldDeadlock` drop all, take that one first, start over."""
    first = None
    while True:
        try:
            for buffer in buffers:
                if buffer.ww is not first:
                    ctx.lock(buffer)
            return
        except WouldDeadlock:
            ctx.unlock_all()
            first = ctx.lock_slow()


@design
def one_inside_the_other(machine: Machine) -> None:
    """Each command stream locks its buffers one by one, in the order in which it names them."""
    front, back = Resv("front"), Resv("back")

    def render() -> None:
        with front, back:
            pass

    def display() -> None:
        with back, front:
            pass

    machine.kthread(render)
    machine.kthread(display)


@design
def nested_by_one_task_only(machine: Machine) -> None:
    """Nobody takes them the other way round yet, but any driver may that gets both buffers."""
    front, back = Resv("front"), Resv("back")

    def render() -> None:
        with front, back:
            pass

    machine.kthread(render)


@design
def one_more_beside_the_context(machine: Machine) -> None:
    """The page table's lock is taken outside the context that holds the buffer's."""
    buffer, table = Resv("buffer"), Resv("page table")

    def bind() -> None:
        with ww_acquire() as ctx:
            ctx.lock(buffer)
            with table:
                pass

    machine.kthread(bind)


@design
def tried_first(machine: Machine) -> None:
    """A lock that was only tried is as much in the way of others as one that was waited for."""
    victim, buffer = Resv("victim"), Resv("buffer")

    def evict() -> None:
        if victim.trylock():
            with ww_acquire() as ctx:
                ctx.lock(buffer)
            victim.unlock()

    machine.kthread(evict)


@design
def does_not_expect_it(machine: Machine) -> None:
    """There is a context, but nobody handles the order to back off."""
    front, back = Resv("front"), Resv("back")

    def take(*buffers: Resv) -> None:
        with ww_acquire() as ctx:
            for buffer in buffers:
                ctx.lock(buffer)

    machine.kthread(lambda: take(front, back), "render")
    machine.kthread(lambda: take(back, front), "display")


@design
def asks_again(machine: Machine) -> None:
    """Told to back off, it asks again for the same lock and keeps the one it has."""
    front, back = Resv("front"), Resv("back")

    def take(first: Resv, second: Resv) -> None:
        with ww_acquire() as ctx:
            ctx.lock(first)
            try:
                ctx.lock(second)
            except WouldDeadlock:
                ctx.lock(second)

    machine.kthread(lambda: take(front, back), "render")
    machine.kthread(lambda: take(back, front), "display")


@design
def goes_on_with_the_next(machine: Machine) -> None:
    """Told to back off, it skips that buffer and takes the next one first."""
    front, back, log = Resv("front"), Resv("back"), Resv("log")

    def take(first: Resv, second: Resv) -> None:
        with ww_acquire() as ctx:
            ctx.lock(first)
            try:
                ctx.lock(second)
            except WouldDeadlock:
                ctx.lock(log)

    machine.kthread(lambda: take(front, back), "render")
    machine.kthread(lambda: take(back, front), "display")


@design
def one_context_for_both(machine: Machine) -> None:
    """Whoever is younger drops what it has, waits for the lock in question, and starts over."""
    front, back = Resv("front"), Resv("back")

    def take(*buffers: Resv) -> None:
        with ww_acquire() as ctx:
            lock_all(ctx, *buffers)

    machine.kthread(lambda: take(front, back), "render")
    machine.kthread(lambda: take(back, front), "display")


@design
def one_lock_alone(machine: Machine) -> None:
    """Whoever needs a single lock needs no context, even beside others that use one."""
    front, back = Resv("front"), Resv("back")

    def render() -> None:
        with ww_acquire() as ctx:
            lock_all(ctx, front, back)

    def export() -> None:
        with back:
            pass
        with front:
            pass

    machine.kthread(render)
    machine.kthread(export)


@design
def second_is_only_tried(machine: Machine) -> None:
    """Eviction tries the victim's lock and leaves the victim alone if that would mean waiting."""
    buffer, victim = Resv("buffer"), Resv("victim")

    def render() -> None:
        with buffer:
            if victim.trylock():
                victim.unlock()

    def display() -> None:
        with ww_acquire() as ctx:
            lock_all(ctx, victim, buffer)

    machine.kthread(render)
    machine.kthread(display)


@design
def round_the_ring(machine: Machine) -> None:
    """Three tasks and three buffers; whoever is told to back off leaves it at that."""
    buffers = [Resv("red"), Resv("green"), Resv("blue")]

    def take(index: int) -> None:
        with ww_acquire() as ctx:
            ctx.lock(buffers[index])
            with suppress(WouldDeadlock):
                ctx.lock(buffers[(index + 1) % 3])

    for index, name in enumerate(("render", "display", "encode")):
        machine.kthread(lambda index=index: take(index), name)  # type: ignore[misc]


@design
def gives_up(machine: Machine) -> None:
    """To drop everything and tell the caller is backing off too."""
    front, back = Resv("front"), Resv("back")

    def take(*buffers: Resv) -> None:
        with ww_acquire() as ctx:
            try:
                for buffer in buffers:
                    ctx.lock(buffer)
            except WouldDeadlock:
                ctx.unlock_all()

    machine.kthread(lambda: take(front, back), "render")
    machine.kthread(lambda: take(back, front), "display")


_DF204 = Rule(
    "DF204",
    why="Which buffers are locked together, and in which order they are named, is up to userspace, "
    "and the drivers that lock them do not know each other. So there cannot be an order that all "
    "keep to, and with ordinary locks two command streams that name the same two buffers would "
    "sooner or later stand in each other's way. The reservation lock has an answer: locks that "
    "belong together are taken with one context, contexts have an age, and the younger one is "
    "told to let go of everything and to come again. That works only if everybody plays along. "
    "A lock taken beside the context is one that the task cannot be told to drop, whoever ignores "
    "the order to back off is a holder that never lets go, and in both cases the other driver "
    "pays.",
    sources=(
        Source(
            "Documentation/locking/ww-mutex-design.rst, Motivation",
            "fact: buffers are shared by processes and devices and named in any order, so the age "
            "of a transaction decides instead of an order",
        ),
        Source(
            "include/linux/dma-resv.h, dma_resv_lock",
            "must: more than one at a time needs an acquire context, and -EDEADLK is answered by "
            "dropping all and taking the slow way",
        ),
        Source(
            "include/linux/ww_mutex.h, ww_mutex_lock",
            "must: after -EDEADLK all locks of the context are dropped before anything else is "
            "taken; a debugging kernel warns",
        ),
        Source(
            "drivers/dma-buf/dma-resv.c, dma_resv_lockdep",
            "fact: lockdep is taught at boot that these locks nest inside their context; without "
            "one the second lock of the class is its recursion report",
        ),
    ),
    counterexample=one_inside_the_other,
    variants=(
        nested_by_one_task_only,
        one_more_beside_the_context,
        tried_first,
        does_not_expect_it,
        asks_again,
        goes_on_with_the_next,
    ),
    fix=one_context_for_both,
    near_misses=(one_lock_alone, second_is_only_tried, round_the_ring, gives_up),
    allowed="A single lock needs no context, and a second one may be tried without, as long as "
    "nothing is waited for with it.",
    checks=(
        Check(
            "run",
            "dmabuf.sync.ww_mutex.WwMutex.lock",
            "the task holds a lock of the class that is not of the same context, or its context "
            "was told to back off and did not",
        ),
        Check(
            "explore",
            "dmabuf.explore.check.check_design",
            "the same in every schedule, and a task that ends at the order to back off",
        ),
    ),
)

# -- DF208 -------------------------------------------------------------------------------------


@design
def adds_without_reserving(machine: Machine) -> None:
    """The job is on the hardware when the driver finds that there is no slot for its fence."""
    buffer, fence = Resv("buffer"), Timeline("gpu").fence()

    def submit() -> None:
        with buffer:
            buffer.add_fence(fence, Usage.WRITE)
        fence.signal()

    machine.kthread(submit)


@design
def reserves_for_the_last_holder(machine: Machine) -> None:
    """What was reserved goes with the unlock: somebody else may have used the slot."""
    buffer, fence = Resv("buffer"), Timeline("gpu").fence()

    def submit() -> None:
        with buffer:
            buffer.reserve_fences(1)
        with buffer:
            buffer.add_fence(fence, Usage.WRITE)
        fence.signal()

    machine.kthread(submit)


@design
def lives_on_the_slack(machine: Machine) -> None:
    """One slot is reserved for three fences; as a list has four to begin with, it works."""
    buffer = Resv("buffer")
    fences = [Timeline(name).fence() for name in ("render", "copy", "video")]

    def submit() -> None:
        with buffer:
            buffer.reserve_fences(1)
            for fence in fences:
                buffer.add_fence(fence, Usage.READ)
        for fence in fences:
            fence.signal()

    machine.kthread(submit)


@design
def reserves_before_it_backs_off(machine: Machine) -> None:
    """The slots are reserved lock by lock, and are gone where backing off dropped a lock."""
    front, back = Resv("front"), Resv("back")

    def submit(name: str, *buffers: Resv) -> None:
        fence = Timeline(name).fence()
        with ww_acquire() as ctx:
            ctx.lock(buffers[0])
            buffers[0].reserve_fences(1)
            try:
                ctx.lock(buffers[1])
            except WouldDeadlock:
                ctx.unlock_all()
                ctx.lock_slow()
                ctx.lock(buffers[0])
            buffers[1].reserve_fences(1)
            for buffer in buffers:
                buffer.add_fence(fence, Usage.WRITE)
        fence.signal()

    machine.kthread(lambda: submit("render", front, back), "render")
    machine.kthread(lambda: submit("display", back, front), "display")


@design
def reserves_first(machine: Machine) -> None:
    """What may fail comes before the job, under the lock that is held until the fence is in."""
    buffer, fence = Resv("buffer"), Timeline("gpu").fence()

    def submit() -> None:
        with buffer:
            buffer.reserve_fences(1)
            buffer.add_fence(fence, Usage.WRITE)
        fence.signal()

    machine.kthread(submit)


@design
def reserves_again(machine: Machine) -> None:
    """The lock was dropped in between, so the slot is reserved anew."""
    buffer, fence = Resv("buffer"), Timeline("gpu").fence()

    def submit() -> None:
        with buffer:
            buffer.reserve_fences(1)
        with buffer:
            buffer.reserve_fences(1)
            buffer.add_fence(fence, Usage.WRITE)
        fence.signal()

    machine.kthread(submit)


@design
def later_fence_of_the_context(machine: Machine) -> None:
    """A later fence of the same context takes the slot of the earlier one and needs none."""
    buffer, ring = Resv("buffer"), Timeline("gpu")
    first, second = ring.fence(), ring.fence()

    def submit() -> None:
        with buffer:
            buffer.reserve_fences(1)
            buffer.add_fence(first, Usage.WRITE)
            buffer.add_fence(second, Usage.WRITE)
        first.signal()
        second.signal()

    machine.kthread(submit)


@design
def reserves_more_than_it_uses(machine: Machine) -> None:
    """Reserving for the worst case and using less is fine."""
    buffer = Resv("buffer")

    def submit() -> None:
        fence = Timeline("gpu").fence()
        with buffer:
            buffer.reserve_fences(8)
            buffer.add_fence(fence, Usage.READ)
        fence.signal()

    machine.kthread(submit)


_DF208 = Rule(
    "DF208",
    why="By the time a job has its fence there is no way back: the hardware has the job, or will "
    "have it in a moment. If the fence could then not be added for want of memory, the next user "
    "of the buffer would not wait, and would read what is half written. So the part that can fail "
    "comes first, at a point where failing is easy, and adding cannot fail: it is a promise kept. "
    "The promise is made to whoever holds the lock, since the next holder may fill the list. And "
    "it is made for as many fences as were asked for: a list has more slots than that most of the "
    "time, because memory comes in certain sizes, which is why code that counts wrongly passes "
    "its tests and stops the machine at a customer's.",
    sources=(
        Source(
            "drivers/dma-buf/dma-resv.c, dma_resv_reserve_fences",
            "must: called with the lock held, before each time that fences are added; the memory "
            "is forfeited with the unlock",
        ),
        Source(
            "drivers/dma-buf/dma-resv.c, dma_resv_add_fence",
            "must: the lock is held and a slot was reserved; running out of slots stops the kernel",
        ),
        Source(
            "include/linux/dma-resv.h, dma_resv_unlock",
            "fact: a kernel that debugs mutexes forgets unused slots here, so that the mistake "
            "shows",
        ),
        Source(
            '001, "complete all in-flight fences"',
            "fact: a fence that is out is waited for or completed; there is no taking it back",
        ),
    ),
    counterexample=adds_without_reserving,
    variants=(reserves_for_the_last_holder, lives_on_the_slack, reserves_before_it_backs_off),
    fix=reserves_first,
    near_misses=(reserves_again, later_fence_of_the_context, reserves_more_than_it_uses),
    allowed="Reserving too much is fine, and so is a fence that takes the slot of an earlier one "
    "of its context.",
    checks=(
        Check("run", "dmabuf.core.resv.Resv.add_fence", "nothing, or too little, is reserved"),
        Check("explore", "dmabuf.core.resv.Resv.add_fence", "the same, in every schedule"),
    ),
)

PAGES = (_DF204, _DF208)
