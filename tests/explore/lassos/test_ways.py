"""Who is on the way to a signal, and who is opportunistic."""

from dmabuf import Completion, Timeline
from dmabuf.explore.lassos.ways import Ways
from tests.explore.stateful import explored


def ways_of(design):
    """The answers about a design's only fence, by task name."""
    numbers = {}

    def noting(machine):
        design(machine)
        rt = machine.rt
        numbers["fence"] = next(rt.number_of(one) for one in rt.objects if is_fence(one))
        numbers["tasks"] = {task.name: task.number for task in rt.tasks}

    search, graph = explored(noting)
    ways = Ways(graph)
    fence = numbers["fence"]
    on = {name for name, task in numbers["tasks"].items() if ways.is_on_the_way(task, fence)}
    free = ways.opportunistic(fence, search.wakers.get(fence, set()))
    names = {task: name for name, task in numbers["tasks"].items()}
    return on, {names[task] for task in free}


def is_fence(obj):
    """Is it one?"""
    return type(obj).__name__ == "Fence"


def known_fence():
    """A fence that others know."""
    fence = Timeline("gpu").fence()
    fence.publish()
    return fence


def test_task_that_never_signals_is_on_the_way():
    """Whoever lets the signaller run is, and whoever does something else is not."""

    def design(machine):
        fence, ready = known_fence(), Completion("ready")
        machine.kthread(ready.complete, "scheduler")
        machine.kthread(lambda: (ready.wait(), fence.signal()), "signaller")
        machine.kthread(lambda: None, "other")
        machine.kthread(fence.wait, "waiter")

    on, free = ways_of(design)

    assert ({"scheduler", "signaller"}, set()) == (on, free)


def test_signallers_that_stand_in_for_each_other_are_opportunistic():
    """If either stops the other signals."""

    def design(machine):
        fence = known_fence()
        machine.kthread(fence.signal, "one")
        machine.kthread(fence.signal, "other")

    on, free = ways_of(design)

    assert (set(), {"one", "other"}) == (on, free)


def test_task_that_keeps_another_spinning_is_on_the_way():
    """Also where its stop leaves a run that never ends instead of one at rest."""

    def design(machine):
        fence, ready = known_fence(), Completion("ready")

        def spin():
            while not ready.is_done():
                pass
            fence.signal()

        machine.kthread(ready.complete, "setter")
        machine.kthread(spin, "spinner")

    on, _free = ways_of(design)

    assert {"setter", "spinner"} == on
