"""Walks that hold tasks back where they have to meet."""

from dmabuf import Mutex, design
from dmabuf.explore.search import Budget, Search
from dmabuf.explore.strategies.directed import Directed


@design
def inversion(machine):
    """Two orders, with so much around them that chance rarely finds it."""
    a, b, own = Mutex("A"), Mutex("B"), [Mutex("own 0"), Mutex("own 1")]

    def use(number, first, second):
        for _ in range(40 * number):
            with own[number]:
                pass
        with first, second:
            pass

    machine.kthread(lambda: use(0, a, b), "one")
    machine.kthread(lambda: use(1, b, a), "two")


def executions_until_found(**how):
    """After how many of at most 100 the first case came."""
    search = Search(inversion, Budget(executions=100), **how)
    search.stop = lambda: bool(search.cases)
    search.run()
    return search.made


def takes_the_second(task):
    """Is it about to take one of the two while it holds the other?"""
    return task.op is not None and task.op.name == "mutex.lock" and len(task.held) == 1


def test_directed_walk_meets_where_random_walks_do_not():
    """Of a hundred random walks few or none, of two directed ones at least one."""
    directed = executions_until_found(make=lambda s: Directed(takes_the_second, s))
    by_chance = executions_until_found(engine="random")

    assert directed <= 2
    assert by_chance >= 10


def test_walk_in_which_nobody_is_held_back_is_random():
    """It goes on for ever, like any random walk, and every task runs."""
    search = Search(
        inversion,
        Budget(executions=3),
        make=lambda setup: Directed(lambda _task: False, setup),
    )

    search.run()

    assert (3, False) == (search.made, search.exhausted)


def test_task_held_back_goes_on_when_nobody_else_can():
    """All are held back everywhere: each walk ends all the same."""
    search = Search(
        inversion,
        Budget(executions=3),
        make=lambda setup: Directed(lambda _task: True, setup),
    )

    search.run()

    assert 3 == search.executions
