"""The search that explores no state twice."""

import inspect
import random
import re

import pytest

from dmabuf import Shared, Timeline
from dmabuf.explore.search import Budget
from dmabuf.explore.states.fingerprint import LEFT_OUT, Fingerprints
from dmabuf.rt.explored_task import ExploredTask, Names
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.waitqueue import WaitQueue
from tests.explore.oracle import _key, _outcome, everything
from tests.explore.random_programs import FAMILIES, generate
from tests.explore.stateful import edges_of, explored, prepared


def back_off_pair(machine):
    """Two tasks that take two locks in opposite orders, the second one by trylock."""
    a, b = Mutex("a"), Mutex("b")

    def take(one, other):
        while True:
            with one:
                if other.trylock():
                    other.unlock()
                    return

    machine.kthread(lambda: take(a, b), "A")
    machine.kthread(lambda: take(b, a), "B")


def buffer(producers, consumers, items):
    """A bounded buffer of one place with two condition variables."""

    def design(machine):
        held = Shared(0, "held")
        not_full, not_empty = WaitQueue("not full"), WaitQueue("not empty")

        def put():
            for _ in range(items):
                not_full.wait_event(lambda: held.read() < 1)
                held.add(1)
                not_empty.wake_up()

        def get():
            for _ in range(items * producers // consumers):
                not_empty.wait_event(lambda: held.read() > 0)
                held.add(-1)
                not_full.wake_up()

        for number in range(producers):
            machine.kthread(put, f"p{number}")
        for number in range(consumers):
            machine.kthread(get, f"c{number}")

    return design


def compare_with_naive(program, *, cap):
    """Where the stateful search differs from the naive one; None if that has too many schedules."""
    names = Names()
    naive = everything(program, cap=cap, names=names)
    if naive.capped:
        return None
    outcomes = set()
    search, graph = prepared(program)
    search.names = names
    search.on_complete = lambda rt, _strategy: outcomes.add(_outcome(rt))
    search.run()
    found = {_key(case.key, case.failure) for case in search.cases.values()}
    said = [f"outcomes {naive.outcomes ^ outcomes}"] if naive.outcomes != outcomes else []
    said += [f"findings {set(naive.found) ^ found}"] if set(naive.found) != found else []
    said += [f"wakers {naive.wakers} {search.wakers}"] if naive.wakers != search.wakers else []
    return [*said, graph.bound] if graph.bound else said


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 45, 15))
def test_graph_equals_naive_search(start):
    """On random programs the outcomes, findings and wakers are those of all schedules."""
    compared = [compare_with_naive(generate(seed), cap=150) for seed in range(start, start + 15)]

    assert [] == [said for said in compared if said]
    assert not all(said is None for said in compared)


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_graph_equals_naive_search_on_each_family(family):
    """Programs of one family of primitives only, so that its tasks meet often."""
    compared = [compare_with_naive(generate(seed, (family,)), cap=100) for seed in range(2)]

    assert [] == [said for said in compared if said]


@pytest.mark.parametrize("design", [back_off_pair, buffer(1, 1, 1)], ids=["pair", "buffer"])
def test_graph_with_and_without_sleep_sets_is_the_same(design):
    """Sleep sets leave out no state, and the edges they leave out are worked out as they are."""
    _search, whole = explored(design, sleep=False)
    search, reduced = explored(design)

    assert edges_of(whole) == edges_of(reduced)
    assert search.steps < sum(len(state.enabled) for state in whole.states)


@pytest.mark.slow
def test_graph_edges_of_random_programs_are_the_same():
    """The same on programs without loops."""
    for seed in range(0, 36, 6):
        program = generate(seed, ("mutex", "shared", "completion"))
        _search, whole = explored(program, sleep=False, budget=Budget(executions=150))
        if len(whole.path) == 0:
            _search, reduced = explored(program)

            assert edges_of(whole) == edges_of(reduced)


def random_loops(seed):
    """Two or three tasks that do a few random things again and again."""
    rng = random.Random(seed)
    sizes = [rng.choice((1, 2)) for _task in range(rng.choice((2, 2, 3)))]
    acts = [[rng.randrange(6) for _act in range(size)] for size in sizes]

    def design(machine):
        cells = [Shared(0, "x"), Shared(0, "y")]
        lock = Mutex("lock")

        def do(act):
            cell = cells[act % 2]
            if act < 2:
                cell.exchange(1 - cells[0].read())
            elif act < 4:
                with lock:
                    cell.write(cell.read() ^ 1)
            elif lock.trylock():
                cell.write(0)
                lock.unlock()

        def run(mine):
            while True:
                for act in mine:
                    do(act)

        for number, mine in enumerate(acts):
            machine.kthread(lambda mine=mine: run(mine), f"t{number}", idle=True)

    return design


@pytest.mark.slow
def test_graph_of_random_loops_is_the_same():
    """Where ways lead back, sleep sets leave out no state either, and edges are worked out."""
    compared = 0
    for seed in range(9):
        _search, whole = explored(random_loops(seed), sleep=False, states=150)
        if not whole.bound:
            _search, reduced = explored(random_loops(seed))
            compared += 1

            assert edges_of(whole) == edges_of(reduced)

    assert compared > 3


def test_every_field_of_a_task_is_told_or_left_out():
    """A field that is added to a task belongs to the state, unless somebody says why not."""
    told = set(re.findall(r"task\.(\w+)", inspect.getsource(Fingerprints._task)))
    fields = {*ExploredTask.__slots__}

    assert fields == (told & fields) | LEFT_OUT
    assert not told & LEFT_OUT


def test_graph_ends_a_loop():
    """A loop of steps without end is two states, however often it turns."""

    def design(machine):
        flag = Shared(0, "flag")

        def poll():
            while flag.read() == 0:
                pass

        machine.kthread(poll)

    search, graph = explored(design)

    assert (0, 2, "") == (search.cut, len(graph.states), search.limit)


def test_graph_on_threads_is_the_same():
    """Greenlets and threads have the same states."""
    sizes = [len(explored(back_off_pair, carrier=c)[1].states) for c in ("greenlet", "threads")]

    assert sizes[0] == sizes[1]


def test_graph_counts_a_loop_by_its_stack():
    """A sum whose left side lies on the stack is not confused with another sum."""

    def design(machine):
        left, right = Shared(0, "left"), Shared(0, "right")
        seen = Shared(0, "seen")
        machine.kthread(lambda: seen.write(left.read() + right.read()))
        machine.kthread(lambda: (left.write(1), right.write(2)))
        machine.rt.extras["world"] = World(seen)

    outcomes = set()
    search, _graph = prepared(design)
    search.on_complete = lambda rt, _strategy: outcomes.add(_outcome(rt))
    search.run()

    assert outcomes == everything(design, cap=100).outcomes
    assert 4 == len(outcomes)


class World:
    """What the oracle asks of a design."""

    def __init__(self, cell):
        self.cell = cell

    def observed(self):
        """Nothing on the way."""
        return ()

    def final(self, _rt):
        """What the cell holds."""
        return self.cell._value


def test_graph_with_too_many_states_is_no_proof():
    """A limit of states ends the search, which says so."""

    def design(machine):
        count = Shared(0, "count")

        def forever():
            while True:
                count.add(1)

        machine.kthread(forever)

    search, graph = explored(design, states=50)

    assert ("50 states", 50) == (graph.bound, len(graph.states))
    assert not search.cases


def test_graph_refuses_what_it_cannot_see():
    """A step inside a function of C that keeps state is named, and nothing is explored by it."""

    def design(machine):
        cells = [Shared(n, f"cell{n}") for n in range(2)]
        machine.kthread(lambda: sorted(cells, key=lambda cell: cell.read()))

    _search, graph = explored(design)

    assert graph.bound.startswith("states cannot be compared: there is a step inside sorted() in")
    assert not graph.states


def test_graph_closes_a_loop_that_makes_fences():
    """Seqnos and times of signals do not keep a loop apart from its last turn."""

    def design(machine):
        timeline = Timeline("gpu")

        def forever():
            while True:
                fence = timeline.fence()
                fence.signal()
                fence.wait(timeout=1.0)

        machine.kthread(forever)

    search, graph = explored(design)

    assert "" == search.limit
    assert len(graph.states) < 20


def test_graph_closes_a_loop_of_timeouts():
    """A wait that times out again and again comes back to where it was."""

    def design(machine):
        queue, flag = WaitQueue("queue"), Shared(0, "flag")

        def forever():
            while not queue.wait_event(lambda: flag.read() > 0, timeout=1.0):
                pass

        machine.kthread(forever)

    search, graph = explored(design)

    assert "" == search.limit
    assert len(graph.states) < 20


def test_graph_tells_clocks_apart_that_are_read():
    """A design that reads the time is in another state when it is later."""

    def design(machine):
        queue = WaitQueue("queue")

        def forever():
            while True:
                queue.wait_event(lambda: False, timeout=1.0)
                machine.rt.now()

        machine.kthread(forever)

    _search, graph = explored(design, states=60)

    assert "60 states" == graph.bound
