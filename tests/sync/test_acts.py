"""What a task is in the middle of: for whoever explains why it gets no further."""

from dmabuf import Mutex, Timeline
from dmabuf.explore.check import check_design
from dmabuf.machine import design
from dmabuf.rt.threads import Threads
from dmabuf.rules.work import shrinker_waits
from dmabuf.sync.acts import Act, act_of, doing
from dmabuf.sync.work import Work
from dmabuf.sync.workqueue import WorkQueue


class Queue:
    """Somebody who needs a worker, or does not any more."""

    def __init__(self, *, is_starved):
        self.is_starved = is_starved


def words_inside(*acts):
    """What counts while a task does these, the outermost first."""
    rt = Threads()

    def inside(left):
        if not left:
            act = act_of(rt.current())
            return act and act.words
        with doing(rt, left[0]):
            return inside(left[1:])

    return inside(acts)


def test_act_that_counts_is_the_outermost():
    """A rule forbids what code does, not what that leads to inside."""
    assert "allocates" == words_inside(Act("DF301", "allocates"), Act("DF302", "unmaps"))


def test_act_on_behalf_of_somebody_counts_while_that_one_needs_it():
    """Neither it nor what it leads to holds anybody up when nobody needs it any more."""
    inner = Act("DF301", "allocates")

    for starved, words in ((True, "makes a worker"), (False, None)):
        made = Act("DF107", "makes a worker", Queue(is_starved=starved))
        assert words == words_inside(made, inner)


@design
def item_has_been_rescued(machine):
    """The manager is stuck, but the item runs: what keeps it from signalling is a lock."""
    machine.memory(kswapd=False)
    fence, vm = Timeline("gpu").fence(), Mutex("vm")
    shrinker_waits(fence)
    queue = WorkQueue("gpu", mem_reclaim=True)

    def retire():
        with vm:
            pass
        fence.signal()

    def evict():
        with vm:
            fence.wait()

    work = Work(retire, "retire")
    machine.kthread(lambda: queue.queue(work), "gpu done")
    machine.kthread(evict)


def test_worker_that_is_not_needed_any_more_is_not_blamed():
    """A rescuer that runs the item and waits for a lock breaks DF202 only."""
    verdict = check_design(item_has_been_rescued, "d")

    assert {"DF202"} == {finding.code for finding in verdict.findings}
