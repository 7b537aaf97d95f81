"""Shortages of memory as choices of the explorer."""

import pytest

from dmabuf import Completion, Mutex, Shared, Status, Timeline, check_design, design
from dmabuf.errors import DesignError
from dmabuf.explore.check import replay_design
from dmabuf.explore.portfolio import DPOR, GRAPH, SLEEP
from dmabuf.explore.pressure import Limited, pressure_of
from dmabuf.explore.search import Budget, Search
from dmabuf.machine import Machine
from dmabuf.mm.mm_struct import MmStruct
from dmabuf.mm.shrinker import Shrinker
from dmabuf.rt.threads import Threads
from dmabuf.sync.context import allocate
from dmabuf.sync.gfp import Gfp


def ends_of(body, engine=DPOR):
    """What came out of all executions; `body(machine, log)` makes the tasks."""
    logs, ends = [], set()

    def build(machine):
        logs.append([])
        body(machine, logs[-1])

    search = Search(
        build,
        Budget(seconds=None, executions=5000),
        engine=engine,
        on_complete=lambda _rt, _strategy: ends.add(tuple(logs[-1])),
    ).run()
    assert not search.limit
    return ends, search.executions


@pytest.mark.parametrize("engine", [DPOR, SLEEP])
@pytest.mark.parametrize(
    ("pressure", "failures"), [(0, {0}), (1, {0, 1}), (2, {0, 1, 2}), (5, {0, 1, 2, 3})]
)
def test_pressure_budget_is_how_many_allocations_fail_at_most(engine, pressure, failures):
    """Of three allocations that may fail so many do, whichever they are."""

    def body(machine, log):
        machine.memory(pressure=pressure, kswapd=False)
        machine.kthread(lambda: log.extend(allocate(Gfp.ATOMIC) for _ in range(3)))

    ends, _executions = ends_of(body, engine)

    assert failures == {end.count(False) for end in ends}


def test_pressure_without_memory_world_every_allocation_succeeds():
    """A design that says nothing of memory has no choices of it."""
    ends, executions = ends_of(
        lambda machine, log: machine.kthread(lambda: log.append(allocate(Gfp.ATOMIC)))
    )

    assert ({(True,)}, 1) == (ends, executions)


@pytest.mark.parametrize(("tasks", "executions"), [(1, 2), (2, 3), (3, 4)])
def test_pressure_branches_only_where_something_is_allocated(tasks, executions):
    """One shortage among so many tasks: none, or that of one; what is there commutes."""

    def body(machine, log):
        machine.memory(kswapd=False)
        for _ in range(tasks):
            machine.kthread(lambda: log.append(allocate(Gfp.ATOMIC)))

    _ends, made = ends_of(body)

    assert executions == made


def test_pressure_allocation_that_cannot_be_disturbed_is_no_choice():
    """GFP_KERNEL with nothing to reclaim gets its page, whatever the pressure."""

    def body(machine, log):
        machine.memory(pressure=3, kswapd=False)
        machine.kthread(lambda: log.append(allocate(Gfp.KERNEL)))

    assert ({(True,)}, 1) == ends_of(body)


def test_pressure_reclaims_from_either_kind_or_both():
    """A pass unmaps user pages, asks shrinkers, or both; the kernel stops when it has enough."""

    def body(machine, log):
        machine.memory(kswapd=False)
        mm = MmStruct("mm")
        vma = mm.mmap(0x1000)
        vma.populate()
        Shrinker("cache", lambda _sc: 1, lambda _sc: log.append("cache") or 1)

        def allocates():
            allocate(Gfp.KERNEL)
            log.append(vma.is_present)

        machine.kthread(allocates)

    ends, executions = ends_of(body)

    assert {(True,), (False,), ("cache", True), ("cache", False)} == ends
    assert 4 == executions


def _breaks_at(shortages, most):
    """A design that needs so many shortages to break, and may have more."""

    @design
    def breaks(machine):
        machine.memory(pressure=most, kswapd=False)

        def allocates():
            failed = sum(not allocate(Gfp.ATOMIC) for _ in range(4))
            assert failed < shortages

        machine.kthread(allocates)

    return breaks


@pytest.mark.parametrize(
    ("shortages", "most", "said"),
    [
        (0, 2, "memory need not be short to break it"),
        (1, 1, "memory has to be short once to break it"),
        (2, 4, "memory has to be short 2 times to break it"),
    ],
)
def test_pressure_fewest_that_break_are_reported(shortages, most, said):
    """The answer says how many shortages it takes, and its schedule has no more."""
    verdict = check_design(_breaks_at(shortages, most), "breaks")

    assert Status.VIOLATED is verdict.status
    assert said in verdict.notes


def test_pressure_more_than_the_budget_is_proved():
    """What breaks with three shortages does not with two."""
    assert Status.PROVED is check_design(_breaks_at(3, 2), "breaks").status


def test_pressure_token_of_fewer_shortages_replays():
    """The schedule with the fewest shortages is one of the design as it stands."""
    fn = _breaks_at(2, 4)
    token = check_design(fn, "breaks").findings[0].token

    again = replay_design(fn, "breaks", token)

    assert "DF005" == again.findings[0].code


def test_pressure_of_a_design_is_read_from_its_body():
    """What it asks for, cut to a limit; 0 without a memory world or if it raises."""

    @design
    def raises(machine):
        machine.memory(pressure=3)
        raise KeyError

    designs = [_breaks_at(1, 3), Limited(_breaks_at(1, 3), 2), design(lambda _machine: None)]

    assert [3, 2, 0, 0] == [pressure_of(one) for one in (*designs, raises)]


@pytest.mark.parametrize("how", [{"pages": -1}, {"pressure": -1}, {"reserve": -1}])
def test_pressure_refuses_negative_amounts(how):
    """Amounts of memory are 0 or more."""
    with pytest.raises(DesignError, match="0 or more"):
        Machine(Threads()).memory(**how)


def test_pressure_refuses_a_second_memory():
    """A machine has one memory."""
    machine = Machine(Threads())
    machine.memory()

    with pytest.raises(DesignError, match="once"):
        machine.memory()


@pytest.mark.parametrize(("waits", "found"), [("fence", ["DF005"]), ("lock", ["DF005"]), ("", [])])
def test_never_in_reclaim_is_looked_at(waits, found):
    """Who waits for the fence or the lock inside a shrinker breaks the design's own promise."""

    @design
    def promises(machine):
        machine.memory()
        fence, lock, done = Timeline("camera").fence(), Mutex("lock"), Completion("done")
        machine.never_in_reclaim(fence, lock)

        def scan(_control):
            if waits == "fence":
                fence.wait()
            elif waits == "lock":
                with lock:
                    pass
            elif lock.trylock():
                lock.unlock()
            return 1

        Shrinker("cache", lambda _sc: 1, scan)
        machine.kthread(lambda: allocate(Gfp.KERNEL), "client")
        machine.kthread(lambda: (fence.signal(), done.complete()), "frame")
        machine.kthread(lambda: (fence.wait(), done.wait()), "waiter")

    verdict = check_design(promises, "promises")

    assert found == [finding.code for finding in verdict.findings]
    assert all("nobody waits in reclaim for" in finding.message for finding in verdict.findings)


def test_kswapd_that_waits_for_ever_is_found():
    """What kswapd has begun it owes, though nobody owes it work."""

    @design
    def stops(machine):
        machine.memory()
        event = Completion("of userspace")
        Shrinker("cache", lambda _sc: 1, lambda _sc: event.wait())
        machine.kthread(lambda: allocate(Gfp.ATOMIC), "network")
        machine.userspace(event.complete, "user")

    verdict = check_design(stops, "stops")

    assert ["DF001"] == [finding.code for finding in verdict.findings]


def test_kswapd_that_is_never_woken_owes_nothing():
    """A machine whose memory is never short ends with kswapd asleep."""
    calm = design(lambda machine: (machine.memory(), machine.kthread(lambda: allocate(Gfp.KERNEL))))

    assert Status.PROVED is check_design(calm, "calm").status


@pytest.mark.parametrize("engine", [DPOR, GRAPH])
def test_pressure_states_tell_what_is_left_of_the_budget(engine):
    """A shortage that was spent is not to be had again, in whichever order tasks allocate."""

    def body(machine, log):
        machine.memory(kswapd=False)
        count = Shared(0, "count")
        machine.rt.extras["test.log"] = log

        def allocates():
            if not allocate(Gfp.ATOMIC):
                log.append(count.add(1))

        machine.kthread(allocates, "a")
        machine.kthread(allocates, "b")

    ends, _executions = ends_of(body, engine)

    assert {(), (1,)} == ends


def test_lock_held_across_an_allocation_is_the_lock_s_rule():
    """Who signals allocates nothing: it needs a lock that somebody holds who reclaims."""

    @design
    def holds(machine):
        machine.memory(kswapd=False)
        lock, fence = Mutex("vm"), Timeline("gpu").fence()
        Shrinker("cache", lambda _sc: 1, lambda _sc: fence.wait())

        def bind():
            with lock:
                allocate(Gfp.KERNEL)

        def retire():
            with lock:
                pass
            fence.signal()

        machine.kthread(bind)
        machine.kthread(retire)

    verdict = check_design(holds, "holds")

    assert ["DF202"] == [finding.code for finding in verdict.findings]


def test_two_allocations_on_the_way_are_two_findings():
    """The same wait, in the same task, by two lines that allocate: each rule is told."""

    @design
    def job_allocates(machine):
        machine.memory(kswapd=False)
        fence = Timeline("gpu").fence()
        Shrinker("cache", lambda _sc: 1, lambda _sc: fence.wait())

        def job():
            allocate(Gfp.KERNEL, "a page table")
            allocate(Gfp.NOFS, "a ring entry")
            fence.signal()

        machine.kthread(job)

    verdict = check_design(job_allocates, "job")

    assert ["DF301", "DF302"] == [finding.code for finding in verdict.findings]
