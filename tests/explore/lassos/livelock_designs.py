"""Designs that never get on, with the rule each breaks, and designs that look like it and do.

`python -m tests.explore.lassos.livelock_designs` tells what each comes to, and how long that takes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

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
    wait_any,
    ww_acquire,
)
from dmabuf.core.resv import Resv
from dmabuf.errors import Interrupted, WouldDeadlock
from dmabuf.explore.check import Budget
from dmabuf.sync.timer import Timer
from dmabuf.sync.work import DelayedWork

__all__ = ["ENDLESS", "PROGRESS"]

Design = Callable[[Machine], object]

ENDLESS: dict[str, tuple[Design, str]] = {}
"""Designs in which something never ends, and the rule that leads."""

PROGRESS: dict[str, Design] = {}
"""Designs in which everything ends that owes an end."""


def endless(code: str) -> Callable[[Design], Design]:
    """Register a design that breaks this rule."""

    def add(design: Design) -> Design:
        ENDLESS[design.__name__] = design, code
        return design

    return add


def progress(design: Design) -> Design:
    """Register a design that is to be proved."""
    PROGRESS[design.__name__] = design
    return design


def _fence(*, known: bool = True) -> Fence:
    fence = Timeline("gpu").fence()
    if known:
        fence.publish()
    return fence


def _spin(flag: Shared[Any], until: object = 1) -> None:
    while flag.read() != until:
        pass


# -- locks and flags -------------------------------------------------------------------------------


def _back_off(one: Mutex, other: Mutex) -> None:
    while True:
        with one:
            if other.trylock():
                other.unlock()
                return


@endless("DF001")
def back_off_pair(machine: Machine) -> None:
    """Two tasks take two locks in opposite orders, each gives its first one back."""
    a, b = Mutex("a"), Mutex("b")
    machine.kthread(lambda: _back_off(a, b), "A")
    machine.kthread(lambda: _back_off(b, a), "B")


@endless("DF001")
def back_off_three(machine: Machine) -> None:
    """Three of them in a ring."""
    locks = [Mutex(f"m{n}") for n in range(3)]
    for n in range(3):
        machine.kthread(lambda n=n: _back_off(locks[n], locks[(n + 1) % 3]), f"t{n}")


@endless("DF001")
def after_you(machine: Machine) -> None:
    """Each shows interest and withdraws as long as the other shows it too."""
    wants = [Shared(0, "wants0"), Shared(0, "wants1")]

    def enter(me: int) -> None:
        wants[me].write(1)
        while wants[1 - me].read():
            wants[me].write(0)
            wants[me].write(1)
        wants[me].write(0)

    for me in (0, 1):
        machine.kthread(lambda me=me: enter(me), f"t{me}")


@endless("DF001")
def spins_for_nobody(machine: Machine) -> None:
    """A flag that nobody sets."""
    flag = Shared(0, "flag")
    machine.kthread(lambda: _spin(flag), "spinner")


@endless("DF001")
def spins_under_the_lock(machine: Machine) -> None:
    """Whoever would set the flag needs the lock."""
    lock, flag = Mutex("lock"), Shared(0, "flag")

    def wait() -> None:
        with lock:
            _spin(flag)

    def give() -> None:
        with lock:
            flag.write(1)

    machine.kthread(wait, "waiter")
    machine.kthread(give, "giver")


@endless("DF001")
def spins_for_userspace(machine: Machine) -> None:
    """A kernel task polls memory that a process writes."""
    flag = Shared(0, "seen by userspace")
    machine.kthread(lambda: _spin(flag), "poller")
    machine.userspace(lambda: flag.write(1), "process")


@endless("DF001")
def writer_never_ends(machine: Machine) -> None:
    """Readers of a sequence count start over while it is odd, and the writer left it odd."""
    count = Shared(0, "count")

    def read() -> None:
        while count.read() % 2:
            pass

    machine.kthread(lambda: count.add(1), "writer")
    machine.kthread(read, "reader")


@endless("DF001")
def tries_a_busy_lock(machine: Machine) -> None:
    """A lock that is taken again and again is never free when it is tried."""
    lock = Mutex("lock")

    def busy() -> None:
        while True:
            with lock:
                pass

    def tries() -> None:
        while not lock.trylock():
            pass
        lock.unlock()

    machine.kthread(busy, "busy", idle=True)
    machine.kthread(tries, "tries")


@endless("DF001")
def readers_keep_a_writer_out(machine: Machine) -> None:
    """There is always some reader, as the next comes before the last has gone."""
    readers, gone = Shared(0, "readers"), WaitQueue("gone")

    def read() -> None:
        while True:
            readers.add(1)
            if readers.add(-1) == 0:
                gone.wake_up()

    machine.kthread(read, "r1", idle=True)
    machine.kthread(read, "r2", idle=True)
    machine.kthread(lambda: gone.wait_event(lambda: readers.read() == 0), "writer")


@endless("DF001")
def never_completed(machine: Machine) -> None:
    """A completion is tried until it is there, and it never is."""
    done = Completion("done")

    def tries() -> None:
        while not done.try_wait():
            pass

    machine.kthread(tries, "tries")


@endless("DF001")
def undoes_the_others_work(machine: Machine) -> None:
    """Two tasks set one flag to what each of them waits for."""
    turn = Shared(0, "turn")

    def wants(mine: int) -> None:
        while turn.exchange(mine) != mine:
            pass

    machine.kthread(lambda: wants(1), "one")
    machine.kthread(lambda: wants(2), "two")


# -- fences ----------------------------------------------------------------------------------------


@endless("DF101")
def polls_for_nobody(machine: Machine) -> None:
    """A fence that nobody signals."""
    fence = _fence()

    def poll() -> None:
        while not fence.is_signaled():
            pass

    machine.kthread(poll, "poller")


@endless("DF101")
def polls_hardware_that_hangs(machine: Machine) -> None:
    """The job may hang, and nothing else signals its fence."""
    fence = _fence()

    def poll() -> None:
        while not fence.is_signaled():
            pass

    machine.kthread(poll, "poller")
    machine.hardware(fence.signal, "gpu")


@endless("DF108")
def polls_userspace_before_the_signal(machine: Machine) -> None:
    """The signal comes after a loop that userspace may keep going."""
    fence, flag = _fence(), Shared(0, "user fence")

    def job() -> None:
        _spin(flag)
        fence.signal()

    machine.kthread(job, "job")
    machine.userspace(lambda: flag.write(1), "process")


@endless("DF108")
def allocates_until_it_works(machine: Machine) -> None:
    """Memory may be short for ever, on the way to a signal."""
    fence = _fence()

    def job() -> None:
        while machine.may_fail("allocation"):
            pass
        fence.signal()

    machine.kthread(job, "job")


@endless("DF108")
def polls_with_the_signallers_lock(machine: Machine) -> None:
    """The lock that the signaller needs is held while its fence is polled."""
    lock, fence = Mutex("lock"), _fence()

    def poll() -> None:
        with lock:
            while not fence.is_signaled():
                pass

    def signal() -> None:
        with lock:
            fence.signal()

    machine.kthread(poll, "poller")
    machine.kthread(signal, "signaller")


@endless("DF101")
def waits_again_and_again(machine: Machine) -> None:
    """Each wait has an end; the loop around it has none."""
    fence = _fence()

    def wait() -> None:
        while not fence.wait(timeout=1.0):
            pass

    machine.kthread(wait, "waiter")


@endless("DF101")
def waits_for_any_again(machine: Machine) -> None:
    """The same for the first of two."""
    fences = [_fence(), _fence()]

    def wait() -> None:
        while wait_any(fences, timeout=1.0) is None:
            pass

    machine.kthread(wait, "waiter")
    machine.hardware(fences[0].signal, "gpu")


@endless("DF101")
def timer_looks_for_ever(machine: Machine) -> None:
    """A timer that looks whether the fence is signalled, and is armed again if not."""
    fence = _fence()

    def look() -> None:
        if not fence.is_signaled():
            timer.mod(1.0)

    timer = Timer(look, "look")
    machine.kthread(lambda: timer.mod(1.0), "start")


@endless("DF101")
def work_queues_itself(machine: Machine) -> None:
    """The same by delayed work."""
    fence, queue = _fence(), WorkQueue("poll")

    def look() -> None:
        if not fence.is_signaled():
            queue.queue_delayed(work, 1.0)

    work = DelayedWork(look, "look")
    machine.kthread(lambda: queue.queue_delayed(work, 1.0), "start")


@endless("DF101")
def starts_over_at_a_signal(machine: Machine) -> None:
    """A signal of the task that nobody takes away ends each wait at once."""
    fence = _fence()

    def wait() -> None:
        while True:
            try:
                fence.wait()
            except Interrupted:
                continue
            return

    task = machine.kthread(wait, "waiter")
    machine.kthread(lambda: machine.rt.interrupt(task), "kill")
    machine.hardware(fence.signal, "gpu")


@endless("DF101")
def heart_beats_on(machine: Machine) -> None:
    """The machine never comes to rest, and a fence stays pending."""
    fence, never = _fence(), WaitQueue("heart")

    def beat() -> None:
        while True:
            never.wait_event(lambda: False, timeout=1.0)

    machine.kthread(beat, "heart", idle=True)
    machine.kthread(fence.wait, "waiter")
    machine.hardware(fence.signal, "gpu")


# -- what gets on ----------------------------------------------------------------------------------


@progress
def back_off_then_in_order(machine: Machine) -> None:
    """Whoever fails takes both locks in their order."""
    a, b = Mutex("a"), Mutex("b")

    def other_way() -> None:
        with b:
            if a.trylock():
                a.unlock()
                return
        with a, b:
            pass

    def in_order() -> None:
        with a, b:
            pass

    machine.kthread(in_order, "A")
    machine.kthread(other_way, "B")


@progress
def back_off_three_times(machine: Machine) -> None:
    """After three attempts the caller is told."""
    a, b = Mutex("a"), Mutex("b")

    def attempt(one: Mutex, other: Mutex) -> None:
        for _ in range(3):
            with one:
                if other.trylock():
                    other.unlock()
                    return

    machine.kthread(lambda: attempt(a, b), "A")
    machine.kthread(lambda: attempt(b, a), "B")


@progress
def back_off_of_one(machine: Machine) -> None:
    """Only one of the two backs off, so the other gets on."""
    a, b = Mutex("a"), Mutex("b")

    def waits() -> None:
        with a, b:
            pass

    machine.kthread(waits, "A")
    machine.kthread(lambda: _back_off(b, a), "B")


@progress
def polls_five_times(machine: Machine) -> None:
    """A poll with an end."""
    fence = _fence(known=False)

    def poll() -> None:
        for _ in range(5):
            if fence.is_signaled():
                return

    machine.kthread(poll, "poller")
    machine.hardware(fence.signal, "gpu", hangs=False)


@progress
def polls_reliable_hardware(machine: Machine) -> None:
    """Hardware that never hangs gets on, however fast it is polled."""
    fence = _fence()

    def poll() -> None:
        while not fence.is_signaled():
            pass

    machine.kthread(poll, "poller")
    machine.hardware(fence.signal, "gpu", hangs=False)


@progress
def waits_for_reliable_hardware(machine: Machine) -> None:
    """A timer that fires first each time would keep the hardware from ever running."""
    fence = _fence()

    def wait() -> None:
        while not fence.wait(timeout=1.0):
            pass

    machine.kthread(wait, "waiter")
    machine.hardware(fence.signal, "gpu", hangs=False)


@progress
def waits_for_any(machine: Machine) -> None:
    """The same for the first of two."""
    fences = [_fence(), _fence()]

    def wait() -> None:
        while wait_any(fences, timeout=1.0) is None:
            pass

    machine.kthread(wait, "waiter")
    for number, fence in enumerate(fences):
        machine.hardware(fence.signal, f"gpu{number}", hangs=False)


@progress
def allocates_three_times(machine: Machine) -> None:
    """After three failures there is another way."""
    fence = _fence()

    def job() -> None:
        for _ in range(3):
            if not machine.may_fail("allocation"):
                break
        fence.signal()

    machine.kthread(job, "job")


def _buffer(machine: Machine, producers: int) -> None:
    held, items = Shared(0, "held"), 2 // producers
    not_full, not_empty = WaitQueue("not full"), WaitQueue("not empty")

    def put() -> None:
        for _ in range(items):
            not_full.wait_event(lambda: held.read() < 1)
            held.add(1)
            not_empty.wake_up()

    def get() -> None:
        for _ in range(2):
            not_empty.wait_event(lambda: held.read() > 0)
            held.add(-1)
            not_full.wake_up()

    for number in range(producers):
        machine.kthread(put, f"p{number}")
    machine.kthread(get, "c")


@progress
def bounded_buffer(machine: Machine) -> None:
    """One who puts, one who gets, one place."""
    _buffer(machine, 1)


@progress
def spins_for_another(machine: Machine) -> None:
    """A flag that another kernel task sets."""
    flag = Shared(0, "flag")
    machine.kthread(lambda: _spin(flag), "spinner")
    machine.kthread(lambda: flag.write(1), "setter")


@progress
def peterson(machine: Machine) -> None:
    """Mutual exclusion without a lock."""
    wants, turn = [Shared(0, "wants0"), Shared(0, "wants1")], Shared(0, "turn")

    def enter(me: int) -> None:
        wants[me].write(1)
        turn.write(1 - me)
        while wants[1 - me].read() and turn.read() == 1 - me:
            pass
        wants[me].write(0)

    for me in (0, 1):
        machine.kthread(lambda me=me: enter(me), f"t{me}")


@progress
def ticket_lock(machine: Machine) -> None:
    """A spinlock that is served in order."""
    following, serving = Shared(0, "next"), Shared(0, "serving")

    def take() -> None:
        ticket = following.add(1) - 1
        _spin(serving, ticket)
        serving.add(1)

    for number in range(3):
        machine.kthread(take, f"t{number}")


@progress
def sequence_count(machine: Machine) -> None:
    """Readers start over while a writer writes, and each writer ends."""
    count = Shared(0, "count")

    def write() -> None:
        count.add(1)
        count.add(1)

    def read() -> None:
        while True:
            before = count.read()
            if before % 2 == 0 and count.read() == before:
                return

    machine.kthread(write, "writer")
    machine.kthread(read, "reader")


@progress
def wound_and_wait(machine: Machine) -> None:
    """The back-off of ww mutexes ends, as the older one goes first."""
    first, second = Resv("first"), Resv("second")

    def both(one: Resv, other: Resv) -> None:
        with ww_acquire() as ctx:
            wanted = [one, other]
            while wanted:
                try:
                    ctx.lock(wanted[0])
                except WouldDeadlock:
                    ctx.unlock_all()
                    got = ctx.lock_slow()
                    wanted = [resv for resv in (one, other) if resv.ww is not got]
                else:
                    wanted.pop(0)

    machine.kthread(lambda: both(first, second), "A")
    machine.kthread(lambda: both(second, first), "B")


@progress
def heart_beats(machine: Machine) -> None:
    """An idle task may wake up for ever."""
    fence, never = _fence(), WaitQueue("heart")

    def beat() -> None:
        while True:
            never.wait_event(lambda: False, timeout=1.0)

    machine.kthread(beat, "heart", idle=True)
    machine.kthread(fence.wait, "waiter")
    machine.hardware(fence.signal, "gpu", hangs=False)


@progress
def timer_looks(machine: Machine) -> None:
    """A timer that is armed again until the fence is signalled."""
    fence = _fence()

    def look() -> None:
        if not fence.is_signaled():
            timer.mod(1.0)

    timer = Timer(look, "look")
    machine.kthread(lambda: timer.mod(1.0), "start")
    machine.hardware(fence.signal, "gpu", hangs=False)


@progress
def timer_for_ever(machine: Machine) -> None:
    """A watchdog that is armed again for ever owes nothing."""
    fence = _fence()
    timer = Timer(lambda: timer.mod(1.0), "watchdog")
    machine.kthread(lambda: timer.mod(1.0), "start")
    machine.hardware(fence.signal, "gpu", hangs=False)


@progress
def work_looks(machine: Machine) -> None:
    """Delayed work that queues itself until the fence is signalled."""
    fence, queue = _fence(), WorkQueue("poll")

    def look() -> None:
        if not fence.is_signaled():
            queue.queue_delayed(work, 1.0)

    work = DelayedWork(look, "look")
    machine.kthread(lambda: queue.queue_delayed(work, 1.0), "start")
    machine.hardware(fence.signal, "gpu", hangs=False)


@progress
def idle_for_ever(machine: Machine) -> None:
    """Two idle tasks hand each other a token for ever."""
    turn, moved = Shared(0, "turn"), WaitQueue("moved")

    def pass_on(me: int) -> None:
        while True:
            moved.wait_event(lambda: turn.read() == me)
            turn.write(1 - me)
            moved.wake_up_all()

    for me in (0, 1):
        machine.kthread(lambda me=me: pass_on(me), f"t{me}", idle=True)


@progress
def busy_lock_is_handed_over(machine: Machine) -> None:
    """A lock that is taken again and again is handed to whoever waits for it."""
    lock = Mutex("lock")

    def busy() -> None:
        while True:
            with lock:
                pass

    def once() -> None:
        with lock:
            pass

    machine.kthread(busy, "busy", idle=True)
    machine.kthread(once, "once")


@progress
def asked_to_stop(machine: Machine) -> None:
    """A thread that looks again each second, until it is told to stop."""
    stop, wake = Shared(0, "stop"), WaitQueue("wake")

    def serve() -> None:
        while not wake.wait_event(lambda: stop.read() == 1, timeout=1.0):
            pass

    machine.kthread(serve, "server")
    machine.kthread(lambda: stop.write(1), "stopper")


@progress
def fences_for_ever(machine: Machine) -> None:
    """There is always some fence pending, but never one for ever."""
    timeline = Timeline("gpu")

    def serve() -> None:
        fence = timeline.fence()
        fence.publish()
        while True:
            following = timeline.fence()
            following.publish()
            fence.signal()
            fence = following

    machine.kthread(serve, "server", idle=True)


def main() -> int:
    """Check them all; 1 if one is not as it should be."""
    wrong = 0
    for name, (design, code) in ENDLESS.items():
        wrong += _tell(name, design, code)
    for name, design in PROGRESS.items():
        wrong += _tell(name, design, "")
    return int(wrong > 0)


def _tell(name: str, design: Design, code: str) -> bool:
    started = time.process_time()
    verdict = check_design(design, name, budget=Budget(seconds=20))
    seconds = time.process_time() - started
    found = [finding.code for finding in verdict.findings]
    good = found[:1] == [code] if code else verdict.status.value == "PROVED"
    says = verdict.findings[0].message if found else verdict.limit
    print(  # noqa: T201 - a command
        f"{'ok   ' if good else 'WRONG'} {name:34} {seconds:6.2f} s  {verdict.status.value:9} "
        f"{verdict.engine:10} {' '.join(found)} {says}"
    )
    return not good


if __name__ == "__main__":
    sys.exit(main())
