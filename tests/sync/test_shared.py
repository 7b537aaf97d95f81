"""A shared word: each access one indivisible step."""

from dmabuf.sync.completion import Completion
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SpinLock


def test_shared_holds_what_was_written_last(rt):
    """Any value, and identity is kept."""

    def main():
        value = object()
        cell = Shared("first", "cell")
        seen = [cell.read()]
        cell.write(value)
        return [*seen, cell.read() is value]

    assert ["first", True] == rt.run(main)


def test_shared_add_is_indivisible(rt):
    """No sum is lost or answered twice."""

    def main():
        cell, sums = Shared(0, "cell"), []
        for _ in range(3):
            rt.spawn(lambda: sums.extend(cell.add(1) for _ in range(20)))
        rt.settle()
        return cell.read(), sorted(sums)

    assert (60, list(range(1, 61))) == rt.run(main)


def test_shared_exchange_is_indivisible(rt):
    """Each value put in comes out exactly once."""

    def main():
        cell, out = Shared(-1, "cell"), []

        def swap(first):
            out.extend(cell.exchange(n) for n in range(first, first + 20))

        for first in (0, 20, 40):
            rt.spawn(lambda f=first: swap(f))
        rt.settle()
        return sorted([*out, cell.read()])

    assert list(range(-1, 60)) == rt.run(main)


def test_shared_accesses_are_fine_in_atomic_context(rt):
    """None of them waits."""

    def main():
        cell = Shared(1, "cell")
        with SpinLock("A"):
            cell.write(cell.read() + 1)
            return cell.add(5), cell.exchange(0), cell.read()

    assert (7, 7, 0) == rt.run(main)


def test_shared_read_and_write_are_two_steps(explored):
    """A read, then a write of the sum, can lose a sum: some order shows it (explored only)."""
    lost = []

    def main():
        cell, gate = Shared(0, "cell"), Completion("gate")

        def increment():
            gate.wait()
            cell.write(cell.read() + 1)

        for _ in range(4):
            explored.spawn(increment)
        gate.complete_all()
        explored.settle()
        lost.append(cell.read() < 4)

    explored.run(main)

    assert [True] == lost
