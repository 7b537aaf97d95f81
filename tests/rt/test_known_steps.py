"""Steps that are known from an execution before: made again without asking, or asked about."""

import pytest

from dmabuf.explore.search import Budget, Search
from dmabuf.explore.strategies.dfs import DepthFirst
from dmabuf.machine import design
from dmabuf.rt.explored_task import Names
from dmabuf.rt.tasks import Tasks
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.shared import Shared
from tests.support import needs_python_engines

pytestmark = needs_python_engines


class Asked(DepthFirst):
    """Counts how often it is asked for a step on the known path."""

    asked = 0

    def pick(self, runtime):
        self.asked += self._depth < len(self.path)
        return super().pick(runtime)


def twice(first, second):
    """The strategy after an execution of one body and a repetition of it with another."""
    strategy, names = Asked(), Names()
    for body, repeat in ((first, False), (second, True)):
        strategy.begin(repeat=repeat)
        Tasks(strategy, names=names).run(body)
    return strategy


def one_task(*steps):
    """A body with a lock, two cells and one task that makes some of the named steps."""

    def body(rt):
        lock, here, there = Mutex("A"), Shared(0, "here"), Shared(0, "there")
        ways = {
            "lock": lock.lock,
            "unlock": lock.unlock,
            "try": lock.trylock,
            "here": lambda: here.add(1),
            "there": lambda: there.add(1),
            "read": here.read,
        }
        rt.spawn(lambda: [ways[step]() for step in steps], name="T")

    return body


def test_known_steps_are_made_without_asking():
    """A strategy is not asked about steps that are what they were."""
    body = one_task("lock", "here", "read", "unlock", "try")

    strategy = twice(body, body)

    assert (5, 0) == (len(strategy.path), strategy.asked)
    assert strategy.diverged is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("here", "read"), ("here", "here")),
        (("here", "here"), ("here", "there")),
        (("lock", "unlock"), ("lock",)),
        (("try", "try"), ("unlock", "try")),
    ],
    ids=["operation", "object", "nothing", "first"],
)
def test_known_step_that_is_another_one_is_noticed(before, after):
    """Another operation, object, or none at all, is said to be a divergence as ever."""
    strategy = twice(one_task(*before), one_task(*after))

    assert strategy.diverged is not None


@pytest.mark.parametrize("how", [Mutex.trylock, Mutex.lock], ids=["footprint", "guard"])
def test_known_step_in_another_state_is_noticed(how):
    """The same operation on the same object where it touches something else, or has to wait."""
    taken = []

    def body(rt):
        lock = Mutex("A")
        lock.owner = rt._body if taken else None
        taken.append(1)
        rt.spawn(lambda: how(lock), name="T")

    strategy = twice(body, body)

    assert strategy.diverged is not None


def test_states_of_a_known_prefix_are_judged_once():
    """What holds always is asked where a step is new, and not again where it is repeated."""
    asked = []

    @design
    def two(machine):
        cell = Shared(0, "cell")
        machine.always(lambda: not asked.append(1), "asked")
        for name in "AB":
            machine.kthread(lambda: [cell.add(1) for _ in range(4)], name)

    search = Search(two, Budget(), engine="sleep sets").run()

    new = search.steps + search.made  # after each new step, and where each execution went on
    again = 8 * 4  # the first schedule is run some more times, to compare
    assert len(asked) <= new + again < new + search.replayed
