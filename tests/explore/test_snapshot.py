"""A state of rest as data: who is blocked, what is owed, and when two mean the same."""

import pytest

from dmabuf import Completion, Mutex, SpinLock, Timeline, WaitQueue, wait_any
from dmabuf.core.access import Accesses
from dmabuf.core.dma_map import Direction
from dmabuf.explore.search import Budget, Search


def rests(design):
    """The snapshots of all bad states of rest, and the names of their tasks."""
    search = Search(design, Budget(seconds=None)).run()
    return [case.snapshot for case in search.cases.values() if case.snapshot is not None]


def blocked_names(snapshot):
    """Who is blocked in what on what, by name."""
    return {
        (snapshot.names[entry.task], entry.op, entry.label) for entry in snapshot.blocked.values()
    }


def test_snapshot_names_the_owner_of_a_lock():
    """Whoever waits for a lock waits for the task that holds it."""

    def body(machine):
        mutex, done = Mutex("A"), Completion("done")

        def holder():
            mutex.lock()
            done.wait()

        machine.kthread(holder, "holder")
        machine.kthread(mutex.lock, "waiter")

    snapshot = next(s for s in rests(body) if len(s.blocked) == 2)
    waiter = next(e for e in snapshot.blocked.values() if e.op == "mutex.lock")

    assert {("holder", "completion.wait", "done"), ("waiter", "mutex.lock", "A")} == (
        blocked_names(snapshot)
    )
    assert ["holder"] == [snapshot.names[owner] for owner in waiter.owners]


def test_snapshot_names_the_fences_of_a_wait():
    """A wait for several fences lists them all."""

    def body(machine):
        fences = [Timeline(name).fence() for name in ("a", "b")]
        machine.kthread(lambda: wait_any(fences), "waiter")

    (snapshot,) = rests(body)
    (entry,) = snapshot.blocked.values()

    assert ["fence a:1", "fence b:1"] == [snapshot.labels[fence] for fence in entry.fences]


@pytest.mark.parametrize("kind", ["kthread", "userspace", "idle"])
def test_snapshot_owes_only_what_kernel_tasks_owe(kind):
    """A blocked kernel task is wrong in itself; userspace and idle tasks may wait for ever."""

    def body(machine):
        done = Completion("done")
        if kind == "userspace":
            machine.userspace(done.wait, "task")
        else:
            machine.kthread(done.wait, "task", idle=kind == "idle")

    assert (1 if kind == "kthread" else 0) == len(rests(body))


def test_snapshot_counts_a_fence_only_when_it_is_known_to_others():
    """A fence that nobody but its maker ever touched is owed to nobody."""

    def private(machine):
        timeline = Timeline("gpu")
        machine.kthread(timeline.fence, "maker")

    def published(machine):
        timeline = Timeline("gpu")
        machine.kthread(lambda: timeline.fence().publish(), "maker")

    assert [] == rests(private)
    assert 1 == len(rests(published)[0].pending)


def test_snapshot_keeps_locks_of_the_dead():
    """A task that ended with a lock held is a bad rest, also if nobody wants the lock."""

    def body(machine):
        lock = SpinLock("s")
        machine.kthread(lock.lock, "forgets")

    (snapshot,) = rests(body)

    assert ["forgets"] == [snapshot.names[task] for task in snapshot.kept]


def test_snapshot_tells_a_lost_wake_up():
    """A sleep after the wake-up has come is marked; a sleep before it is none."""

    def body(machine):
        queue = WaitQueue("queue")

        def sleeper():
            queue.prepare_to_wait()
            queue.schedule()
            queue.finish_wait()

        machine.kthread(sleeper, "sleeper")
        machine.kthread(queue.wake_up, "waker")

    snapshots = rests(body)

    assert snapshots
    assert all(entry.lost for snapshot in snapshots for entry in snapshot.blocked.values())


def test_snapshot_key_is_the_same_for_equal_states():
    """Two schedules that end alike are one case, whatever came before."""

    def body(machine):
        done, cell = Completion("done"), Completion("cell")
        for number in range(3):
            machine.kthread(cell.complete, f"t{number}")
        machine.kthread(done.wait, "waiter")

    assert 1 == len(rests(body))


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("bracket", [("DF601", "painter ended and left a CPU bracket of frame for writing open")]),
        ("device", [("DF004", "painter writes frame")]),
        ("ended by another", []),
        ("waits for ever", []),
        ("released", []),
    ],
)
def test_snapshot_names_what_is_left_open(case, expected):
    """A bracket or an access that a task left, and that nobody can end any more."""

    def body(machine):
        frame, begun = Accesses("frame"), Completion("begun")
        span = frame.device(write=True)

        def painter():
            if case == "device":
                span.begin()
            elif case != "released":
                frame.open(Direction.TO_DEVICE)
            begun.complete()
            if case == "waits for ever":
                Completion("input").wait()

        def other():
            begun.wait()
            if case == "ended by another":
                frame.close(Direction.TO_DEVICE)

        machine.userspace(painter, "painter")
        machine.kthread(other, "other")

    found = [
        (code, words.split(" (")[0]) for snapshot in rests(body) for code, words in snapshot.left
    ]
    assert expected == found
