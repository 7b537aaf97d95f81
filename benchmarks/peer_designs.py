"""The designs of benchmarks/peers.py: each explored by us and by SPIN.

Most go straight, so SPIN gets the export of `dmabuf.explore.export`. Those that loop or grow large
have Promela written by hand beside them: SPIN shall have it as easy as its users would make it.
"""

from __future__ import annotations

from dmabuf.core.timeline import Timeline
from dmabuf.machine import Design, Machine, design
from dmabuf.sync.completion import Completion
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.rwsem import RwSem
from dmabuf.sync.semaphore import Semaphore
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SpinLock
from dmabuf.sync.waitqueue import WaitQueue

__all__ = ["BY_HAND", "DESIGNS"]


def _table(machine: Machine, guests: int, *, in_order: bool) -> None:
    forks = [Mutex(f"fork{n}") for n in range(guests)]

    def eat(n: int) -> None:
        left, right = n, (n + 1) % guests
        if in_order and left > right:
            left, right = right, left
        with forks[left], forks[right]:
            pass

    for n in range(guests):
        machine.kthread(lambda n=n: eat(n), f"guest{n}")  # type: ignore[misc]


@design
def abba(machine: Machine) -> None:
    """Two locks in two orders."""
    a, b = Mutex("A"), Mutex("B")

    def forth() -> None:
        with a, b:
            pass

    def back() -> None:
        with b, a:
            pass

    machine.kthread(forth)
    machine.kthread(back)


@design
def lock_across_wait(machine: Machine) -> None:
    """The seed: a lock held across a wait for a fence whose signaller takes it."""
    lock, fence = Mutex("A"), Timeline("gpu").fence()

    def waits() -> None:
        with lock:
            fence.wait()

    def signals() -> None:
        with lock:
            pass
        fence.signal()

    machine.kthread(waits)
    machine.kthread(signals)


@design
def wait_without_lock(machine: Machine) -> None:
    """The seed, corrected."""
    lock, fence = Mutex("A"), Timeline("gpu").fence()

    def waits() -> None:
        with lock:
            pass
        fence.wait()

    def signals() -> None:
        with lock:
            pass
        fence.signal()

    machine.kthread(waits)
    machine.kthread(signals)


@design
def dining_3(machine: Machine) -> None:
    """Three philosophers, left fork first."""
    _table(machine, 3, in_order=False)


@design
def dining_5(machine: Machine) -> None:
    """Five of them."""
    _table(machine, 5, in_order=False)


@design
def dining_7(machine: Machine) -> None:
    """Seven of them."""
    _table(machine, 7, in_order=False)


@design
def dining_3_in_order(machine: Machine) -> None:
    """Three who take the lower fork first."""
    _table(machine, 3, in_order=True)


@design
def dining_6_in_order(machine: Machine) -> None:
    """Six of them."""
    _table(machine, 6, in_order=True)


@design
def dining_8_in_order(machine: Machine) -> None:
    """Eight of them."""
    _table(machine, 8, in_order=True)


@design
def dining_10_in_order(machine: Machine) -> None:
    """Ten of them: three million states for SPIN."""
    _table(machine, 10, in_order=True)


@design
def ring_of_jobs(machine: Machine) -> None:
    """Each job waits for the one before; the eviction waits for all under a lock of the last."""
    line, lock = Timeline("ring"), Mutex("resv")
    fences = [line.fence() for _ in range(6)]

    def job(n: int) -> None:
        if n:
            fences[n - 1].wait()
        if n == len(fences) - 1:
            with lock:
                pass
        fences[n].signal()

    def evict() -> None:
        with lock:
            for fence in fences:
                fence.wait()

    for n in range(len(fences)):
        machine.kthread(lambda n=n: job(n), f"job{n}")  # type: ignore[misc]
    machine.kthread(evict)


@design
def pipeline(machine: Machine) -> None:
    """Eight stages that complete one another."""
    stages = [Completion(f"stage{n}") for n in range(9)]

    def run(n: int) -> None:
        stages[n].wait()
        stages[n + 1].complete()

    for n in range(8):
        machine.kthread(lambda n=n: run(n), f"worker{n}")  # type: ignore[misc]
    machine.kthread(stages[0].complete, "start")


@design
def slots(machine: Machine) -> None:
    """Four users of two slots."""
    ring = Semaphore(2, "slots")

    def use() -> None:
        ring.down()
        ring.up()

    for n in range(4):
        machine.kthread(use, f"user{n}")


@design
def readers_and_writers(machine: Machine) -> None:
    """Two readers and two writers of a semaphore."""
    sem = RwSem("mmap_lock")

    def reads() -> None:
        with sem.read():
            pass

    def writes() -> None:
        with sem.write():
            pass

    machine.kthread(reads, "reader1")
    machine.kthread(reads, "reader2")
    machine.kthread(writes, "writer1")
    machine.kthread(writes, "writer2")


@design
def counters(machine: Machine) -> None:
    """Three tasks that add to two cells."""
    one, two = Shared(0, "one"), Shared(0, "two")

    def count() -> None:
        one.add(1)
        two.add(1)
        one.read()

    for n in range(3):
        machine.kthread(count, f"counter{n}")


@design
def far_apart(machine: Machine) -> None:
    """Six tasks that share nothing."""
    for n in range(6):
        lock = Mutex(f"lock{n}")

        def work(lock: Mutex = lock) -> None:
            for _ in range(4):
                with lock:
                    pass

        machine.kthread(work, f"task{n}")


@design
def hung_job(machine: Machine) -> None:
    """A job that may hang signals what two tasks wait for."""
    fence = Timeline("gpu").fence()
    machine.hardware(fence.signal, "gpu")
    machine.kthread(fence.wait, "driver1")
    machine.kthread(fence.wait, "driver2")


@design
def two_rings(machine: Machine) -> None:
    """Two rings, each with a lock of its own, waiting for each other's first fence."""
    locks = [SpinLock("ring0"), SpinLock("ring1")]
    fences = [Timeline("a").fence(), Timeline("b").fence()]

    def submit(n: int) -> None:
        with locks[n]:
            pass
        fences[n].signal()
        fences[1 - n].wait()
        with locks[1 - n]:
            pass

    for n in range(2):
        machine.kthread(lambda n=n: submit(n), f"ring{n}")  # type: ignore[misc]
        machine.kthread(lambda n=n: submit(n), f"ring{n}b")  # type: ignore[misc]


@design
def missed_wakeup(machine: Machine) -> None:
    """A flag tested before the waiter is queued."""
    queue, flag = WaitQueue("queue"), Shared(False, "flag")

    def waiter() -> None:
        if not flag.read():
            queue.prepare_to_wait()
            queue.schedule()
            queue.finish_wait()

    def waker() -> None:
        flag.write(True)
        queue.wake_up()

    machine.kthread(waiter)
    machine.kthread(waker)


@design
def bounded_buffer(machine: Machine) -> None:
    """Two producers and a consumer of a buffer with one place: loops around condition waits."""
    lock, queue = Mutex("lock"), WaitQueue("queue")
    full = Shared(0, "full")

    def put() -> None:
        while True:
            queue.wait_event(lambda: full.read() == 0)
            with lock:
                if full.read() == 0:
                    full.write(1)
                    break
        queue.wake_up_all()

    def get() -> None:
        for _ in range(2):
            while True:
                queue.wait_event(lambda: full.read() == 1)
                with lock:
                    if full.read() == 1:
                        full.write(0)
                        break
            queue.wake_up_all()

    machine.kthread(put, "producer1")
    machine.kthread(put, "producer2")
    machine.kthread(get, "consumer")


DESIGNS: tuple[Design, ...] = (
    abba,
    lock_across_wait,
    wait_without_lock,
    dining_3,
    dining_5,
    dining_7,
    dining_3_in_order,
    dining_6_in_order,
    dining_8_in_order,
    dining_10_in_order,
    ring_of_jobs,
    pipeline,
    slots,
    readers_and_writers,
    counters,
    far_apart,
    hung_job,
    two_rings,
    missed_wakeup,
    bounded_buffer,
)


def _table_by_hand(guests: int, *, in_order: bool) -> str:
    """Philosophers as in a textbook of SPIN."""
    sides = [(n, (n + 1) % guests) for n in range(guests)]
    if in_order:
        sides = [(min(pair), max(pair)) for pair in sides]
    eats = [
        f"active proctype guest{n}() {{ atomic {{ !fork[{a}] -> fork[{a}] = true }}; "
        f"atomic {{ !fork[{b}] -> fork[{b}] = true }}; fork[{b}] = false; fork[{a}] = false }}"
        for n, (a, b) in enumerate(sides)
    ]
    return "\n".join([f"bool fork[{guests}];", *eats]) + "\n"


BY_HAND = {
    "dining_3": _table_by_hand(3, in_order=False),
    "dining_5": _table_by_hand(5, in_order=False),
    "dining_7": _table_by_hand(7, in_order=False),
    "dining_3_in_order": _table_by_hand(3, in_order=True),
    "dining_6_in_order": _table_by_hand(6, in_order=True),
    "dining_8_in_order": _table_by_hand(8, in_order=True),
    "dining_10_in_order": _table_by_hand(10, in_order=True),
    "missed_wakeup": """
bool flag, queued, woken;
active proctype waiter() {
  if
  :: !flag -> queued = true; woken -> queued = false
  :: else
  fi
}
active proctype waker() {
  flag = true;
  atomic { woken = queued }
}
""",
    "bounded_buffer": """
byte lock, place;
bool queued[3], woken[3];
inline lock_it() { atomic { lock == 0 -> lock = 1 + _pid } }
inline free_it() { lock = 0 }
inline wake_all() { atomic { woken[0] = woken[0] || queued[0]; woken[1] = woken[1] || queued[1];
  woken[2] = woken[2] || queued[2]; queued[0] = 0; queued[1] = 0; queued[2] = 0 } }
inline await(value) {
  do
  :: atomic { queued[_pid] = 1; woken[_pid] = 0 };
     if :: place == value -> break :: place != value fi;
     woken[_pid]
  od;
  atomic { queued[_pid] = 0; woken[_pid] = 0 }
}
inline move(before) {
  do
  :: await(before);
     lock_it();
     if :: place == before -> place = 1 - before; free_it(); break :: place != before; free_it() fi
  od;
  wake_all()
}
active [2] proctype producer() { move(0) }
active proctype consumer() { move(1); move(1) }
""",
}
"""Promela as a SPIN user would write it: of what no export takes, and of what grows large."""
