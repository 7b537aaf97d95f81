"""How many CPUs a machine has, and whether they are taken from tasks."""

from dataclasses import dataclass, replace

import pytest

from dmabuf import Completion, Machine, Mutex, Shared, SpinLock, Status, check_design, design
from dmabuf.errors import DmabufError
from dmabuf.explore.portfolio import DPOR, SLEEP
from dmabuf.rt.explored_task import Names
from dmabuf.sync.context import cond_resched
from tests.explore.oracle import differences, everything, reduced, redundant
from tests.explore.random_programs import generate
from tests.explore.straight_line import Program

PROGRAMS = 10


def codes(fn):
    """The leading rules of all findings of a design."""
    verdict = check_design(fn, "design")
    assert verdict.status is (Status.VIOLATED if verdict.findings else Status.PROVED)
    return [finding.code for finding in verdict.findings]


def _counts(*, cpus=1, preemption=False, between=None):
    """Two tasks that read, then write: an update is lost if one comes between."""

    @design
    def counts(machine: Machine) -> None:
        machine.preemption(preemption)
        machine.cpus(cpus)
        cell, done = Shared(0, "n"), Completion("done")

        def count():
            seen = cell.read()
            if between is not None:
                between()
            cell.write(seen + 1)
            done.complete()

        def looks():
            done.wait()
            done.wait()
            assert cell.read() == 2

        machine.kthread(count, "one")
        machine.kthread(count, "two")
        machine.kthread(looks)

    return counts


def test_without_preemption_nobody_comes_between():
    """On one CPU a task goes on until it waits, so reading and writing are as one."""
    assert [] == codes(_counts())


@pytest.mark.parametrize(
    "how",
    [{"preemption": True}, {"cpus": 2}, {"between": cond_resched}],
    ids=["preemption", "two CPUs", "cond_resched"],
)
def test_update_is_lost_where_somebody_comes_between(how):
    """With preemption, a second CPU or a cond_resched in the middle it is found."""
    assert ["DF005"] == codes(_counts(**how))


def test_task_that_waits_lets_others_run():
    """A sleeping lock in the middle is a place where another task may run."""

    @design
    def waits(machine):
        machine.preemption(False)
        machine.cpus(1)
        lock, gate, order = Mutex("A"), Completion("gate"), []

        def holds():
            with lock:
                gate.wait()
                order.append("holds")

        def wants():
            gate.complete()
            with lock:
                order.append("wants")

        machine.kthread(holds)
        machine.kthread(wants)

    assert [] == codes(waits)


def test_deadlock_on_one_cpu_is_found_without_preemption():
    """Two locks in two orders, with a wait in the middle."""

    @design
    def abba(machine):
        machine.preemption(False)
        machine.cpus(1)
        a, b = Mutex("A"), Mutex("B")

        def forth():
            with a:
                cond_resched()
                with b:
                    pass

        def back():
            with b, a:
                pass

        machine.kthread(forth)
        machine.kthread(back)

    assert ["DF001"] == codes(abba)


def test_deadlock_that_needs_preemption_is_not_made_up():
    """The same without a place to come between: each task has both locks at once."""

    @design
    def abba(machine):
        machine.preemption(False)
        machine.cpus(1)
        a, b = Mutex("A"), Mutex("B")

        def forth():
            with a, b:
                pass

        def back():
            with b, a:
                pass

        machine.kthread(forth)
        machine.kthread(back)

    assert [] == codes(abba)


def test_cond_resched_in_atomic_context_is_found(rt):
    """It may sleep."""

    def main():
        with SpinLock("s", rt=rt.runtime):
            cond_resched()

    [(code, _message)] = rt.reports(main)
    assert "DF003" == code


@pytest.mark.parametrize("count", [0, 65])
def test_number_of_cpus_has_limits(count):
    """Neither none nor more than there are tasks."""

    @design
    def odd(machine):
        with pytest.raises(DmabufError, match="1 to 64 CPUs"):
            machine.cpus(count)

    assert [] == codes(odd)


@dataclass(frozen=True)
class Cooperative:
    """A random program on one or two CPUs that are not taken from tasks."""

    program: Program

    @property
    def __name__(self):
        """What a design is called."""
        return "cooperative"

    def __call__(self, machine):
        """The design."""
        machine.preemption(False)
        self.program(machine)


def cooperative(seed):
    """The program of a seed."""
    families = (("mutex", "shared"), ("completion", "spin"), ("queue", "shared"), ("fence", "time"))
    program = generate(seed, families[seed % 4])
    tasks = [replace(t, cpu=n % (1 + seed % 2)) for n, t in enumerate(program.tasks)]
    return Cooperative(replace(program, tasks=tuple(tasks)))


def compared(seed, cap):
    """Where an engine differs from naive search; None if there are too many schedules."""
    program, names = cooperative(seed), Names()
    naive = everything(program, cap=cap, names=names)
    if naive.capped:
        return None
    found = []
    for engine in (SLEEP, DPOR):
        other = reduced(program, names=names, engine=engine)
        found += [(engine, one) for one in differences(naive, other) + redundant(naive, other)]
    return found


@pytest.mark.slow
def test_schedules_without_preemption_match_naive_search():
    """All ends and findings are those of every schedule, in one execution of each class."""
    done = (found for seed in range(400) if (found := compared(seed, 300)) is not None)

    unlike = [next(done) for _ in range(PROGRAMS)]

    assert [[]] * PROGRAMS == unlike
