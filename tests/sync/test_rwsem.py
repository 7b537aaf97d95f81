"""struct rw_semaphore: readers share, writers exclude, arrival decides."""

import pytest

from dmabuf.errors import Interrupted
from dmabuf.sync.context import local_irq_save
from dmabuf.sync.irq_work import IrqWork
from dmabuf.sync.rwsem import RwSem
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SpinLock


def queue_up(rt, sem, kinds, order, *, hold=None):
    """Let tasks queue one after the other: "r1" reads, "w1" writes; each notes that it is in."""

    def enter(name):
        with sem.read() if name[0] == "r" else sem.write():
            order.append(name)
            if hold is not None:
                hold()

    for name in kinds:
        rt.spawn(lambda n=name: enter(n), name=name)
        rt.settle()


def test_rwsem_writers_exclude_everybody(rt):
    """While a writer is inside nobody else is, whatever the order of steps."""

    def main():
        sem, inside, seen = RwSem("S"), Shared(0, "inside"), []

        def write():
            for _ in range(3):
                with sem.write():
                    seen.append(inside.add(10))
                    inside.add(-10)

        def read():
            for _ in range(3):
                with sem.read():
                    seen.append(inside.add(1) // 10)
                    inside.add(-1)

        for body in (write, read, write, read):
            rt.spawn(body)
        rt.settle()
        return sorted(seen)

    assert [0] * 6 + [10] * 6 == rt.run(main)


def test_rwsem_readers_share(rt):
    """Two tasks read at once."""

    def main():
        sem, order = RwSem("S"), []
        with sem.read():
            queue_up(rt, sem, ["r1"], order)
            return list(order), set(sem.readers) == {rt.current()}

    assert (["r1"], True) == rt.run(main)


def test_rwsem_knows_its_holders(rt):
    """Owner of the writer, readers with their counts, and the list of the task itself."""

    def main():
        sem, task = RwSem("S"), rt.current()
        seen = []
        with sem.write():
            seen.append((sem.owner is task, len(sem.readers), task.held == {sem: 1}))
        with sem.read(), sem.read():
            seen.append((sem.owner, sem.readers == {task: 2}, task.held == {sem: 2}))
        return [*seen, (sem.owner, sem.readers, task.held)]

    assert [(True, 0, True), (None, True, True), (None, {}, {})] == rt.run(main)


@pytest.mark.parametrize(
    ("holder", "arrivals", "expected"),
    [
        pytest.param("write", ["w1", "w2", "w3"], ["w1", "w2", "w3"], id="writers in order"),
        pytest.param("read", ["w1", "r1"], ["w1", "r1"], id="a reader behind a waiting writer"),
        pytest.param("write", ["r1", "w1", "r2"], ["r1", "r2", "w1"], id="readers all in together"),
    ],
)
def test_rwsem_lets_in_by_arrival(rt, holder, arrivals, expected):
    """Writers in order, a reader behind a writer, and readers all at once."""

    def main():
        sem, order = RwSem("S"), []
        with sem.read() if holder == "read" else sem.write():
            queue_up(rt, sem, arrivals, order)
            assert order == []
        rt.settle()
        return order

    order = rt.run(main)
    if arrivals[0] == "r1":
        order = sorted(order[:2]) + order[2:]
    assert expected == order


@pytest.mark.parametrize("how", ["read", "write"])
def test_rwsem_trylock_fails_while_anybody_waits(rt, how):
    """A reader that only tries does not pass a waiting writer."""

    def main():
        sem = RwSem("S")
        attempt = sem.down_read_trylock if how == "read" else sem.down_write_trylock
        seen = []
        with sem.read():
            queue_up(rt, sem, ["w1"], [])
            seen.append(attempt())
        rt.settle()
        seen.append(attempt())
        seen.append(len(rt.current().held))
        (sem.up_read if how == "read" else sem.up_write)()
        return seen

    assert [False, True, 1] == rt.run(main)


@pytest.mark.parametrize(
    ("holder", "attempt", "expected"),
    [
        ("read", "read", True),
        ("read", "write", False),
        ("write", "read", False),
        ("write", "write", False),
    ],
)
def test_rwsem_trylock_takes_what_is_compatible(rt, holder, attempt, expected):
    """Readers share and nothing else; a failure leaves nothing behind."""

    def main():
        sem, seen = RwSem("S"), []

        def other():
            seen.append(getattr(sem, f"down_{attempt}_trylock")())
            seen.append(len(rt.current().held))
            if seen[0]:
                sem.up_read()

        with getattr(sem, holder)():
            rt.spawn(other)
            rt.settle()
        return seen

    assert [expected, int(expected)] == rt.run(main)


def test_rwsem_downgrade_lets_readers_in_and_no_writer(rt):
    """The writer goes on as a reader, together with those that come next."""

    def main():
        sem, order = RwSem("S"), []
        with sem.write():
            queue_up(rt, sem, ["r1", "w1", "r2"], order)
            sem.downgrade_write()
            rt.settle()
            during = sorted(order), sem.owner, list(sem.readers) == [rt.current()]
        rt.settle()
        return during, order[2:], sem.is_locked()

    assert ((["r1", "r2"], None, True), ["w1"], False) == rt.run(main)


def test_rwsem_downgrade_leaves_a_reader_behind_a_writer_waiting(rt):
    """Arrival still counts."""

    def main():
        sem, order = RwSem("S"), []
        with sem.write():
            queue_up(rt, sem, ["w1", "r1"], order)
            sem.downgrade_write()
            rt.settle()
            return list(order)

    assert [] == rt.run(main)


@pytest.mark.parametrize("call", ["down_read", "down_write"])
def test_rwsem_killable_wait_ends_with_a_signal(rt, call):
    """Interrupted, without the lock and out of the queue."""

    def main():
        sem, seen = RwSem("S"), []

        def take():
            with pytest.raises(Interrupted):
                getattr(sem, call)(killable=True)
            seen.append(list(rt.current().held))

        with sem.write():
            waiter = rt.spawn(take)
            rt.settle()
            rt.interrupt(waiter)
            rt.settle()
            seen.append(dict(sem.queue))
        return seen, sem.is_locked()

    assert ([[], {}], False) == rt.run(main)


def test_rwsem_interrupted_writer_lets_readers_pass(rt):
    """Those that queued behind it read at once with the readers inside."""

    def main():
        sem, order = RwSem("S"), []

        def write():
            with pytest.raises(Interrupted):
                sem.down_write(killable=True)

        with sem.read():
            writer = rt.spawn(write)
            rt.settle()
            queue_up(rt, sem, ["r1"], order)
            before = list(order)
            rt.interrupt(writer)
            rt.settle()
            return before, list(order)

    assert ([], ["r1"]) == rt.run(main)


def test_rwsem_takes_a_free_one_despite_a_signal(rt):
    """Nothing is waited for, so nothing is interrupted."""

    def main():
        rt.current().signal_pending = True
        sem = RwSem("S")
        sem.down_read(interruptible=True)
        sem.up_read()
        sem.down_write(killable=True)
        return sem.owner is rt.current() and sem.up_write() is None

    assert rt.run(main)


def test_rwsem_plain_wait_ignores_signals(rt):
    """The plain form waits on."""

    def main():
        sem = RwSem("S")
        with sem.write():
            waiter = rt.spawn(lambda: sem.down_read() or sem.up_read(), name="waiter")
            rt.settle()
            rt.interrupt(waiter)
            rt.settle()
            return rt.waiting()

    assert {"waiter": "rwsem.wait"} == rt.run(main)


@pytest.mark.parametrize(
    ("holder", "call"), [("write", "down_read"), ("write", "down_write"), ("read", "down_write")]
)
def test_rwsem_locked_by_its_holder_is_reported(rt, holder, call):
    """A task that would wait for itself at once."""

    def main():
        sem = RwSem("S")
        with getattr(sem, holder)():
            getattr(sem, call)()

    assert [("DF004", "main locks S, which it holds already")] == rt.reports(main)


@pytest.mark.parametrize(
    ("holder", "call", "message"),
    [
        ("", "up_read", "main unlocks S for reading, which nobody holds"),
        ("", "up_write", "main unlocks S for writing, which nobody holds"),
        ("", "downgrade_write", "main unlocks S for writing, which nobody holds"),
        ("down_read", "up_read", "main unlocks S for reading, which other holds"),
        ("down_write", "up_write", "main unlocks S for writing, which other holds"),
        ("down_read", "downgrade_write", "main unlocks S for writing, which other holds"),
    ],
)
def test_rwsem_unlocked_by_somebody_else_is_reported(rt, holder, call, message):
    """DF004 names who unlocks and who holds."""

    def main():
        sem = RwSem("S")
        if holder:
            rt.spawn(getattr(sem, holder))
            rt.settle()
        getattr(sem, call)()

    assert [("DF004", message)] == rt.reports(main)


@pytest.mark.parametrize("call", ["down_read", "down_write"])
@pytest.mark.parametrize("where", ["spinlock", "irqs off", "handler"])
def test_rwsem_in_atomic_context_is_reported(rt, call, where):
    """It may sleep, even if it is free: DF003, saying why the task may not."""

    def main():
        take = getattr(RwSem("S"), call)
        if where == "handler":
            IrqWork(take).queue()
            rt.settle()
        else:
            with SpinLock("spin") if where == "spinlock" else local_irq_save():
                take()

    why = {"spinlock": "holds spinlock spin", "irqs off": "interrupts off", "handler": "handler"}
    [(code, message)] = rt.reports(main)
    assert "DF003" == code
    assert f"{call} of S may sleep" in message
    assert why[where] in message


def test_rwsem_trylock_and_unlock_in_atomic_context_are_fine(rt):
    """Only what may sleep is refused."""

    def main():
        sem = RwSem("S")
        with SpinLock("spin"):
            taken = sem.down_write_trylock()
            sem.downgrade_write()
            sem.up_read()
        return taken

    assert rt.run(main)


def test_rwsem_answers_locked_and_contended(rt):
    """Locked while held, contended while somebody waits."""

    def main():
        sem = RwSem("S")
        seen = [(sem.is_locked(), sem.is_contended())]
        with sem.read():
            seen.append((sem.is_locked(), sem.is_contended()))
            queue_up(rt, sem, ["w1"], [])
            seen.append((sem.is_locked(), sem.is_contended()))
        rt.settle()
        return [*seen, (sem.is_locked(), sem.is_contended())]

    assert [(False, False), (True, False), (True, True), (False, False)] == rt.run(main)


@pytest.mark.parametrize("how", ["read", "write"])
def test_rwsem_with_statement_unlocks_on_the_way_out(rt, how):
    """Also when the body raises."""

    def main():
        sem = RwSem("S")
        with pytest.raises(KeyError), getattr(sem, how)():
            raise KeyError("x")
        return sem.is_locked()

    assert rt.run(main) is False


def test_rwsem_names_itself(rt):
    """repr says who holds it and how."""

    def main():
        sem = RwSem("S")
        seen = [repr(sem)]
        with sem.read():
            seen.append(repr(sem))
        with sem.write():
            seen.append(repr(sem))
        return seen

    expected = ["<RwSem S free>", "<RwSem S read by main>", "<RwSem S written by main>"]
    assert expected == rt.run(main)
