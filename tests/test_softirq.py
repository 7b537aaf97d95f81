"""Softirqs interrupt the task of their CPU: what is found, and near-misses that stay silent."""

import pytest

from dmabuf import Machine, Shared, SpinLock, Status, check_design, design
from dmabuf.explore.portfolio import DPOR, SLEEP
from dmabuf.rt.explored_task import Names
from dmabuf.sync.context import local_irq_save
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.rcu import call_rcu
from dmabuf.sync.rwlock import RwLock
from dmabuf.sync.softirq import in_softirq, local_bh_disable
from dmabuf.sync.timer import Timer
from tests.explore.oracle import differences, everything, reduced, redundant


def codes(fn):
    """The leading rules of all findings of a design."""
    verdict = check_design(fn, "design")
    assert verdict.status is (Status.VIOLATED if verdict.findings else Status.PROVED)
    return [finding.code for finding in verdict.findings]


def _sharing(section, *, fires=SpinLock.__enter__, leaves=SpinLock.__exit__):
    """A task that arms a timer and enters `section(lock)`; the timer's function locks plainly."""

    @design
    def shares(machine: Machine) -> None:
        lock = SpinLock("ring")

        def fire():
            fires(lock)
            leaves(lock)

        timer = Timer(fire, "watchdog")

        def submit():
            timer.mod(1)
            with section(lock):
                pass

        machine.kthread(submit)

    return shares


def test_plain_lock_that_a_timer_takes_is_found():
    """The timer interrupts the holder and spins for the lock: irq-unsafe (DF003)."""
    verdict = check_design(_sharing(lambda lock: lock), "design")

    message = "a handler spins for ring, which the task that it interrupted holds"
    assert [("DF003", message)] == [(one.code, one.message) for one in verdict.findings]


@pytest.mark.parametrize("section", [SpinLock.bh, SpinLock.irqsave])
def test_lock_with_softirqs_or_interrupts_off_is_proved(section):
    """With softirqs or interrupts off no timer starts on the holder's CPU."""
    assert [] == codes(_sharing(section))


def test_plain_lock_with_softirqs_off_around_it_is_proved():
    """What `local_bh_disable` keeps away need not be kept away by the lock."""

    @design
    def surrounds(machine):
        lock = SpinLock("ring")

        def fire():
            with lock:
                pass

        timer = Timer(fire, "watchdog")

        def submit():
            timer.mod(1)
            with local_bh_disable(), lock:
                pass

        machine.kthread(submit)

    assert [] == codes(surrounds)


def test_softirqs_off_too_late_is_found():
    """Between taking the lock and turning softirqs off the timer may start."""

    @design
    def late(machine):
        lock = SpinLock("ring")

        def fire():
            with lock:
                pass

        timer = Timer(fire, "watchdog")

        def submit():
            timer.mod(1)
            with lock, local_bh_disable():
                pass

        machine.kthread(submit)

    assert ["DF003"] == codes(late)


def test_trylock_in_a_timer_is_proved():
    """A function that only tries the lock does not spin for its holder."""

    @design
    def tries(machine):
        lock = SpinLock("ring")

        def fire():
            if lock.trylock():
                lock.unlock()

        timer = Timer(fire, "watchdog")

        def submit():
            timer.mod(1)
            with lock:
                pass

        machine.kthread(submit)

    assert [] == codes(tries)


def test_two_timers_share_a_plain_lock():
    """Softirqs do not interrupt each other, so a lock among them may be plain."""

    @design
    def two(machine):
        lock = SpinLock("ring")

        def fire():
            with lock:
                pass

        timers = [Timer(fire, name) for name in ("one", "two")]
        machine.kthread(lambda: [timer.mod(1) for timer in timers], "arms")

    assert [] == codes(two)


@pytest.mark.parametrize(("section", "found"), [("__enter__", ["DF003"]), ("bh", [])])
def test_lock_that_an_rcu_callback_takes(section, found):
    """A callback after a grace period is a softirq as well."""

    @design
    def calls(machine):
        lock = SpinLock("list")

        def free():
            with lock:
                pass

        def remove():
            call_rcu(free)
            if section == "bh":
                with lock.bh():
                    pass
            else:
                with lock:
                    pass

        machine.kthread(remove)

    assert found == codes(calls)


def test_reader_writer_lock_is_found_too():
    """A timer that writes interrupts a reader."""

    @design
    def reads(machine):
        lock = RwLock("table")

        def fire():
            with lock.write():
                pass

        timer = Timer(fire, "ages")

        def look():
            timer.mod(1)
            with lock.read():
                pass

        machine.kthread(look)

    assert ["DF003"] == codes(reads)


def test_lock_behind_another_is_found():
    """The timer spins for a lock whose holder spins for one of the interrupted task's."""

    @design
    def chain(machine):
        outer, inner = SpinLock("outer"), SpinLock("inner")

        def fire():
            with inner:
                pass

        timer = Timer(fire, "watchdog")

        def submit():
            timer.mod(1)
            with outer:
                pass

        def other():
            with inner.bh(), outer:
                pass

        machine.kthread(submit)
        machine.kthread(other)

    assert "DF003" in codes(chain)


@pytest.mark.parametrize(("irqs", "found"), [(False, ["DF003"]), (True, [])])
def test_handler_interrupts_a_softirq(irqs, found):
    """A handler's lock is not safe in a timer's function with interrupts on."""

    @design
    def nested(machine):
        lock = SpinLock("regs")

        def handle():
            with lock:
                pass

        line = machine.irq(handle, "line")

        def fire():
            with lock.irqsave() if irqs else lock:
                pass

        timer = Timer(fire, "watchdog")
        machine.kthread(lambda: timer.mod(1), "arms")
        machine.hardware(line.raise_irq, "device", hangs=False)

    assert found == codes(nested)


def test_interrupted_softirq_goes_on():
    """Handler over softirq over task: each ends before the one below goes on, none is lost."""
    seen = set()

    @design
    def nested(machine):
        task_lock, timer_lock, order = SpinLock("a"), SpinLock("b"), []

        line = machine.irq(lambda: order.append("handler"), "line")

        def fire():
            order.append("begins")
            with timer_lock:
                pass
            order.append("ends")

        timer = Timer(fire, "watchdog")

        def submit():
            timer.mod(1)
            with task_lock:
                line.raise_irq()
            seen.add(tuple(order))

        machine.kthread(submit)

    assert [] == codes(nested)
    assert ("begins", "handler", "ends") in seen


def test_sleep_with_softirqs_off_is_found(rt):
    """Softirqs off is atomic context."""

    def main():
        with local_bh_disable():
            Mutex("m", rt=rt.runtime).lock()

    [(code, message)] = rt.reports(main)
    assert ("DF003", True) == (code, message.endswith("has softirqs off"))


def test_softirqs_nest(rt):
    """Inside two sections they are off until both have ended."""

    def main():
        seen = [in_softirq()]
        with local_bh_disable():
            with local_bh_disable():
                seen.append(in_softirq())
            seen.append(in_softirq())
        return [*seen, in_softirq(), rt.current().is_atomic]

    assert [False, True, True, False, False] == rt.run(main)


def test_softirqs_on_with_interrupts_off_warns(rt):
    """They could not run."""

    def main():
        lock = SpinLock("ring", rt=rt.runtime)
        with local_irq_save(), lock.bh():
            pass

    assert [("DF003", "main turns softirqs on with interrupts off")] == rt.reports(main)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_softirq_schedules_match_naive_search(seed):
    """All ends and findings are those of every schedule."""

    @design
    def program(machine):
        one, cell = SpinLock("one"), Shared(0, "x")

        def fire():
            with one:
                cell.add(1)

        timer = Timer(fire, "t")

        def arms():
            timer.mod(1)
            with one.bh() if seed % 2 else one:
                if seed < 2:
                    cell.write(5)

        def works():
            with one:
                pass

        machine.kthread(arms)
        machine.kthread(works)

    names = Names()
    naive = everything(program, cap=4_000, names=names)

    found = [reduced(program, engine=engine, names=names) for engine in (SLEEP, DPOR)]

    assert not naive.capped
    assert [[], []] == [differences(naive, one) for one in found]
    assert [[], []] == [redundant(naive, one) for one in found]
