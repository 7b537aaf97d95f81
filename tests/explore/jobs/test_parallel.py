"""A search by several workers: the same answer, however many there are and whatever they do."""

import functools
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path

import pytest

from dmabuf import Mutex, Shared, Status, check_design, design
from dmabuf.explore import portfolio
from dmabuf.explore.foreign.load import Target
from dmabuf.explore.foreign.sandbox import Job, explore_file
from dmabuf.explore.foreign.wire import Limits
from dmabuf.explore.jobs import parallel, workers
from dmabuf.explore.jobs.parallel import Crew, Given, InProcess
from dmabuf.explore.jobs.workers import FileSource
from dmabuf.explore.phases import explore
from dmabuf.explore.portfolio import DPOR, NAIVE, SLEEP
from dmabuf.explore.search import Budget
from dmabuf.rules import RULES
from tests.explore.designs import two_orders
from tests.explore.jobs.parallel_designs import crashes_workers

ENDLESS = Budget(seconds=None)
DESIGNS = Path(__file__).with_name("parallel_designs.py")
LARGEST = ("DF202", "DF207", "DF106", "DF002", "DF603", "DF601")


def disputed(busy):
    """Two orders of locks, a task that fails in some orders, and others that only take time."""

    @design
    def fn(machine):
        a, b, cell = Mutex("A"), Mutex("B"), Shared(0, "cell")

        def one():
            with a, b:
                cell.write(9)

        def other():
            with b, a:
                if cell.read() == 9:
                    raise OSError(f"seen by {other.__name__}")

        machine.kthread(one, "one")
        machine.kthread(other, "other")
        for number in range(busy):
            machine.kthread(lambda number=number: cell.write(number), f"busy {number}")

    return fn


def writers(count):
    """Tasks that each write the same cell once."""

    @design
    def fn(machine):
        cell = Shared(0, "cell")
        for number in range(count):
            machine.kthread(lambda number=number: cell.write(number), f"t{number}")

    return fn


@design
def for_ever(machine):
    """Executions are cut; a deadlock beside the loop is found."""
    cell = Shared(0, "cell")

    def loop():
        while not cell.read():
            pass

    two_orders(machine)
    machine.kthread(loop, "loop")


class Backwards(Executor):
    """Does what was submitted only when somebody waits for a result, and the last piece first."""

    def __init__(self):
        self.waiting = []

    def submit(self, fn, /, *args, **kwargs):
        future = _Awaited(self)
        self.waiting.append((future, functools.partial(fn, *args, **kwargs)))
        return future


class _Awaited(Future):
    def __init__(self, executor):
        super().__init__()
        self.executor = executor

    def done(self):
        while self.executor.waiting:
            future, call = self.executor.waiting.pop()
            future.set_result(call())
        return super().done()


class Unreliable(Executor):
    """Every so many pieces something else goes wrong."""

    def __init__(self, every):
        self.every = every
        self.count = 0

    def submit(self, fn, /, *args, **kwargs):
        self.count += 1
        future = Future()
        way = self.count // self.every % 4 if self.count % self.every == 0 else 4
        if way == 0:
            future.set_exception(BrokenExecutor("a process died"))
        elif way == 1:
            future.set_result("garbage")
        elif way == 2:
            raise RuntimeError("no thread can be started")
        elif way == 3:
            future.set_exception(MemoryError())
        else:
            future.set_result(fn(*args, **kwargs))
        return future


@pytest.fixture
def small_pieces(monkeypatch):
    """Divide even small searches, after few executions and into small pieces."""
    monkeypatch.setattr(portfolio, "FIRST_EXECUTIONS", 3)
    monkeypatch.setattr(parallel, "EXECUTIONS", 4)


def told(fn, make=None, *, budget=ENDLESS, engine=SLEEP, notes=True, helps=False, **how):
    """Everything that a verdict says but its seconds."""
    crew = Crew(make, Given(fn), helps=helps) if make else None
    data = check_design(fn, "fn", budget=budget, engine=engine, crew=crew, **how).to_data()
    del data["seconds"]
    if not notes:
        del data["notes"]
    return data


BOUND = Budget(seconds=None, steps_per_execution=25)
CASES = [
    pytest.param(disputed(2), ENDLESS, id="disputed"),
    pytest.param(writers(4), ENDLESS, id="writers"),
    pytest.param(for_ever, BOUND, id="for ever"),
    *(
        pytest.param(fn, ENDLESS, id=fn.__name__)
        for code in LARGEST
        for fn in (RULES[code].counterexample, RULES[code].fix)
    ),
]


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(("fn", "budget"), CASES)
def test_workers_give_the_answer_of_one_search(fn, budget):
    """Findings, schedules and all counts are those of the search that nobody divided."""
    alone = told(fn, budget=budget)

    assert alone == told(fn, InProcess, budget=budget)


@pytest.mark.usefixtures("small_pieces")
def test_workers_keep_the_schedules_that_one_search_keeps():
    """Of equally simple schedules of a finding the first one is kept, and findings in order."""

    @design
    def fn(machine):
        cell, other = Shared(0, "cell"), Shared(0, "other")

        def complain(number):
            cell.write(number)
            other.add(number)
            if cell.read() != number:
                raise ValueError(number)

        for number in range(3):
            machine.kthread(lambda number=number: complain(number), f"t{number}")

    alone = explore(fn, ENDLESS, engine=SLEEP)
    divided = explore(fn, ENDLESS, engine=SLEEP, crew=Crew(InProcess, Given(fn)))

    kept, same = ([case.moves for case in one.cases.values()] for one in (alone, divided))
    assert 2 <= len(kept)
    assert kept == same


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(("fn", "budget"), CASES)
def test_workers_below_stems_find_what_one_search_finds(fn, budget):
    """With source-DPOR they complete as many executions; as many others need not fall asleep."""
    alone = told(fn, budget=budget, engine=DPOR)

    divided = told(fn, InProcess, budget=budget, engine=DPOR)

    for key in ("asleep", "cut", "steps", "replayed"):
        del alone[key], divided[key]
    assert alone == divided


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("engine", [SLEEP, NAIVE, DPOR])
def test_workers_may_answer_in_any_order(engine):
    """The order in which work is done does not matter."""
    budget = ENDLESS if engine == DPOR else Budget(seconds=None, executions=120)

    forwards = told(disputed(2), InProcess, engine=engine, budget=budget)

    assert forwards == told(disputed(2), Backwards, engine=engine, budget=budget)
    assert 2 <= len(forwards["findings"])


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("engine", [SLEEP, DPOR])
@pytest.mark.parametrize("every", [1, 2, 5])
def test_lost_workers_change_nothing_but_a_note(every, engine):
    """What a worker did not bring back is explored again; the report says so."""
    alone = told(disputed(2), InProcess, engine=engine)

    lost = told(disputed(2), functools.partial(Unreliable, every), engine=engine)

    notes = lost.pop("notes")
    del alone["notes"]
    assert alone == lost
    assert any("a worker was lost" in note for note in notes)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("executions", [2, 3, 4, 10, 23])
def test_workers_keep_to_a_budget_of_executions(executions):
    """No more executions are made than asked for, and an end by the budget is no pass."""
    budget = Budget(seconds=None, executions=executions)

    found = told(writers(4), Backwards, budget=budget)

    assert (Status.INCONCLUSIVE.value, executions) == (found["status"], found["executions"])
    assert f"{executions} executions" == found["limit"]


@pytest.mark.usefixtures("small_pieces")
def test_workers_that_end_with_the_budget_prove():
    """As many executions as there are suffice."""
    found = told(writers(4), InProcess, budget=Budget(seconds=None, executions=24))

    assert (Status.PROVED.value, 24) == (found["status"], found["executions"])


@pytest.mark.usefixtures("small_pieces")
def test_stop_keeps_what_is_known():
    """Asked to stop, a search by workers ends with the findings so far and is inconclusive."""
    asked = iter(range(40))
    stop = lambda: next(asked, None) is None  # noqa: E731

    found = told(writers(5), InProcess, stop=stop)

    assert (Status.INCONCLUSIVE.value, "interrupted") == (found["status"], found["limit"])
    assert 0 < found["executions"] < 120


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("engine", [SLEEP, DPOR])
def test_design_that_differs_from_worker_to_worker_is_reported(engine):
    """A design that goes another way elsewhere is not deterministic, and not proved."""
    elsewhere = []

    @design
    def differs(machine):
        cell = Shared(0, "cell")
        for number in range(4):
            write = lambda number=number: cell.write(number)  # noqa: E731
            machine.kthread(cell.read if elsewhere and number == 1 else write, f"t{number}")

    class Elsewhere(InProcess):
        def submit(self, fn, /, *args, **kwargs):
            elsewhere.append(1)
            try:
                return super().submit(fn, *args, **kwargs)
            finally:
                elsewhere.clear()

    found = told(differs, Elsewhere, engine=engine)

    assert Status.VIOLATED.value == found["status"]
    assert ["DF005"] == [finding["code"] for finding in found["findings"]]


def test_stems_are_not_for_a_budget_of_executions():
    """They are explored to their end, so such a budget is kept by one search."""
    fn, budget = writers(4), Budget(seconds=None, executions=20)

    assert told(fn, engine=DPOR, budget=budget) == told(fn, Backwards, engine=DPOR, budget=budget)


# -- processes -------------------------------------------------------------------------------------


def in_processes(name, jobs, engine=""):
    """The verdict about a design of the file, by so many processes."""
    job = Job(ENDLESS, engine=engine, jobs=jobs)
    (verdict,) = explore_file(Target(str(DESIGNS), DESIGNS.name, name), job)
    return verdict


@pytest.mark.slow
def test_processes_give_the_answer_of_one():
    """Two workers and no worker at all find the same, schedule by schedule."""
    found = [in_processes("disputed", jobs, SLEEP).to_data() for jobs in (0, 2)]

    for data in found:
        del data["seconds"]
    assert found[0] == found[1]
    assert 400 < found[0]["executions"] + found[0]["asleep"]


@pytest.mark.slow
def test_process_that_dies_is_made_up_for():
    """A worker that crashes is reported, and what it had to do is done by another process."""
    source = FileSource(Target(str(DESIGNS), DESIGNS.name), "crashes_workers", Limits())
    crew = Crew(functools.partial(workers._processes, 2), source)

    search = explore(crashes_workers, ENDLESS, engine=DPOR, crew=crew).lead

    assert (720, True) == (search.executions, search.exhausted)
    assert "a worker was lost (BrokenProcessPool); its part was explored again" in crew.notes


class Asleep(Executor):
    """Never begins what it is given."""

    def submit(self, fn, /, *args, **kwargs):
        return Future()


class Begins(Executor):
    """Does the first piece it is given, and begins no other."""

    def __init__(self):
        self.given = 0

    def submit(self, fn, /, *args, **kwargs):
        self.given += 1
        future = Future()
        if self.given == 1:
            future.set_result(fn(*args, **kwargs))
        return future


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("engine", [DPOR, SLEEP])
@pytest.mark.parametrize("make", [Asleep, Begins])
def test_collector_does_what_nobody_has_begun(make, engine):
    """It need not wait for workers that are slow to start; the answer is that of others."""
    fn = disputed(2)
    others = told(fn, InProcess, engine=engine)

    assert others == told(fn, make, engine=engine, helps=True)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("engine", [DPOR, SLEEP])
def test_collector_that_helps_can_be_stopped(engine):
    """Between any two executions of a piece that it does; what was left is not forgotten."""
    asked = []

    def stop():
        asked.append(1)
        return len(asked) > 12

    crew = Crew(Asleep, Given(writers(5)), helps=True)
    search = explore(writers(5), ENDLESS, engine=engine, crew=crew, stop=stop).lead

    assert not search.exhausted
    assert search.made < 120


@pytest.mark.slow
def test_process_that_hangs_is_no_hang():
    """A worker that a design keeps ends itself; the design is reported with the line."""
    verdict = in_processes("hangs_late", 2)

    assert Status.VIOLATED is verdict.status
    assert "computes on and on at parallel_designs.py" in verdict.findings[0].message


@pytest.mark.slow
def test_cluster_gives_the_answer_of_one_search():
    """The executor of `dask.distributed`, on a local cluster, is an executor like others."""
    distributed = pytest.importorskip("distributed", reason="no extra `cluster` is installed")
    from tests.explore.jobs import parallel_designs

    fn = parallel_designs.disputed
    alone = told(fn)

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        crew = Crew(client.get_executor, Given(fn), close=False)
        found = check_design(fn, "fn", budget=ENDLESS, engine=SLEEP, crew=crew).to_data()

    del found["seconds"]
    assert alone == found
