"""Which runtime an object captures."""

import threading

import pytest

from dmabuf.core.timeline import Timeline
from dmabuf.rt.ambient import ambient, set_ambient, use
from dmabuf.rt.threads import Threads
from dmabuf.sync.completion import Completion
from dmabuf.sync.irq_work import IrqWork
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SpinLock
from dmabuf.sync.waitqueue import WaitQueue

MAKERS = {
    "mutex": lambda **how: Mutex("A", **how),
    "spinlock": lambda **how: SpinLock("A", **how),
    "completion": lambda **how: Completion("A", **how),
    "waitqueue": lambda **how: WaitQueue("A", **how),
    "shared": lambda **how: Shared(0, "A", **how),
    "irq_work": lambda **how: IrqWork(print, "A", **how),
    "timeline": lambda **how: Timeline("A", **how),
}


def on_another_thread(fn):
    """What `fn` answers on a thread of its own."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(fn()))
    thread.start()
    thread.join()
    return answers[0]


def test_ambient_is_one_live_runtime_for_the_whole_process():
    """Every thread that was given none has the same, made when first needed."""
    assert ambient() is ambient() is on_another_thread(ambient)
    assert isinstance(ambient(), Threads)


def test_use_nests_and_restores():
    """Inside, the runtime is the given one, and afterwards the one before, also on errors."""
    default, a, b = ambient(), Threads(), Threads()
    seen = []

    with pytest.raises(KeyError), use(a) as given:
        with use(b):
            seen.append(ambient())
        seen.append(ambient())
        raise KeyError("x")

    assert [b, a] == seen
    assert a is given
    assert default is ambient()


def test_use_is_for_the_calling_thread():
    """Other threads keep theirs."""
    default = ambient()

    with use(Threads()):
        assert default is on_another_thread(ambient)


def test_set_ambient_answers_the_one_before():
    """So that whoever sets it can put it back; None is the default again."""
    default, mine = ambient(), Threads()

    first = set_ambient(mine)
    second = set_ambient(None)

    assert (None, mine) == (first, second)
    assert default is ambient()


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_objects_capture_the_ambient_runtime_when_constructed(make):
    """What is ambient later does not matter."""
    runtime = Threads()

    with use(runtime):
        made = make()

    assert runtime is made.rt


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_objects_take_a_runtime_that_is_given(make):
    """`rt=` overrides the ambient one."""
    runtime = Threads()

    with use(Threads()):
        made = make(rt=runtime)

    assert runtime is made.rt


def test_ambient_of_a_task_is_its_runtime(rt):
    """Also of a task that another task started."""

    def main():
        seen = [ambient()]
        rt.spawn(lambda: (seen.append(ambient()), rt.spawn(lambda: seen.append(ambient()))))
        rt.settle()
        return [one is rt.runtime for one in seen]

    assert [True] * 3 == rt.run(main)


def test_ambient_outside_a_run_is_as_before(rt):
    """A run leaves the caller's ambient runtime alone."""
    before = ambient()

    rt.run(lambda: None)

    assert before is ambient()
