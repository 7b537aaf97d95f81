"""Plain acquisition records: chains, edges, nesting, interrupts, limits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from dmabuf.contract.classes import LockClass
from dmabuf.contract.limits import Limits
from dmabuf.contract.modes import EXCLUSIVE, READ, RECURSIVE
from dmabuf.contract.order import NESTED, TRYLOCK, Conflict, Cycle, Holder, Nested, Order
from dmabuf.contract.usage import HARDIRQ, HARDIRQS_OFF, SOFTIRQ, SOFTIRQS_OFF


class _Book:
    """An order, its classes by letter, and a thread of its own for each line of records."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.found: list[Conflict] = []
        self.order = Order(self.found.append, limits=limits)

    def cls(self, name: str) -> LockClass:
        found = self.order.classes.of(name, name)
        assert found is not None
        return found

    def does(self, *taken: str | tuple[Any, ...]) -> None:
        """A thread takes the locks in this order and frees them in the opposite one."""
        holder = Holder(f"thread {len(self.found)}")
        for one in taken:
            name, mode, flags, context = (*((one,) if isinstance(one, str) else one), 0, 0, 0)[:4]
            self.order.acquire(holder, name, self.cls(name[0]), mode, flags, context)
        while holder.locks:
            assert self.order.release(holder, holder.locks[-1])

    @property
    def told(self) -> list[str]:
        """Each cycle as the classes in their order; a nesting as the class twice."""
        return [
            one.link.before.name * 2
            if isinstance(one, Nested)
            else "".join(link.before.name for link in one.links) + one.context
            for one in self.found
        ]


@pytest.mark.parametrize(
    ("records", "told"),
    [
        ([("a", "b"), ("b", "a")], ["ab"]),
        ([("a", "b"), ("b", "c"), ("c", "a")], ["abc"]),
        ([("a", "b", "c"), ("a", "c"), ("b", "c")], []),
        ([("a", "b"), ("a", "b"), ("b",), ("a",)], []),
        ([("a", "b"), ("b", ("a", EXCLUSIVE, TRYLOCK))], []),
        ([("a", "b"), (("b", EXCLUSIVE, TRYLOCK), "a")], ["ab"]),
        ([(("a", READ), "b"), ("b", ("a", READ))], ["ab"]),
        ([(("a", READ), "b"), ("b", ("a", RECURSIVE))], []),
        ([(("a", RECURSIVE), "b"), ("b", ("a", RECURSIVE))], []),
        ([("a", "b"), ("b", ("a", RECURSIVE))], ["ab"]),
        ([(("a", RECURSIVE), "b"), ("b", "a")], ["ab"]),
        ([("x", ("r", RECURSIVE), "y"), ("y", "x")], ["xy"]),
        ([("a1", "a2")], ["aa"]),
        ([("a1", ("a2", EXCLUSIVE, NESTED))], []),
        ([("a1", ("a2", EXCLUSIVE, TRYLOCK))], []),
        ([(("a1", READ), ("a2", READ))], ["aa"]),
        ([(("a1", READ), ("a2", RECURSIVE))], []),
        ([(("a1", EXCLUSIVE), ("a2", RECURSIVE))], ["aa"]),
    ],
    ids=str,
)
def test_order_tells_what_can_deadlock(records: list[tuple[Any, ...]], told: list[str]) -> None:
    """Each list of chains has exactly the conflicts beside it."""
    book = _Book()

    for taken in records:
        book.does(*taken)

    assert told == ["".join(sorted(one)) for one in book.told]


_OFF = HARDIRQS_OFF


@pytest.mark.parametrize(
    ("records", "told"),
    [
        ([[("a", 0, 0, HARDIRQ)], ["a"]], ["ahardirq"]),
        ([["a"], [("a", 0, 0, HARDIRQ)]], ["ahardirq"]),
        ([[("a", 0, 0, HARDIRQ)], [("a", 0, 0, _OFF)]], []),
        ([[("a", 0, 0, HARDIRQ)], [("a", 0, 0, _OFF), ("b", 0, 0, _OFF)], ["b"]], ["abhardirq"]),
        ([["b"], [("a", 0, 0, _OFF), ("b", 0, 0, _OFF)], [("a", 0, 0, HARDIRQ)]], ["abhardirq"]),
        ([["b"], [("a", 0, 0, HARDIRQ)], [("a", 0, 0, _OFF), ("b", 0, 0, _OFF)]], ["abhardirq"]),
        ([[("a", 0, 0, HARDIRQ)], ["b", ("a", 0, 0, _OFF)]], []),
        ([[("a", RECURSIVE, 0, HARDIRQ)], [("a", RECURSIVE)]], []),
        ([[("a", RECURSIVE, 0, HARDIRQ)], ["a"]], ["ahardirq"]),
        ([[("a", READ, 0, HARDIRQ)], [("a", READ)]], ["ahardirq"]),
        ([[("a", 0, 0, SOFTIRQ)], ["a"]], ["asoftirq"]),
        ([[("a", 0, 0, SOFTIRQ)], [("a", 0, 0, SOFTIRQS_OFF)]], []),
        ([[("a", 0, 0, HARDIRQ)], [("a", 0, 0, SOFTIRQS_OFF)]], ["ahardirq"]),
        ([[("a", 0, 0, SOFTIRQ)], [("a", 0, 0, HARDIRQS_OFF)]], []),
    ],
    ids=str,
)
def test_order_tells_locks_that_meet_interrupts(records: list[list[Any]], told: list[str]) -> None:
    """A handler's lock leads to none that is held where the handler may come, however it came."""
    book = _Book()

    for taken in records:
        book.does(*taken)

    assert told == book.told


def test_release_below_the_top_keeps_the_rest() -> None:
    """Locks may be freed in any order; what is held then is ordered before what comes."""
    book = _Book()
    holder = Holder("hand over hand")
    first, second, third = "abc"
    book.order.acquire(holder, first, book.cls("a"))
    book.order.acquire(holder, second, book.cls("b"))

    assert book.order.release(holder, first)
    book.order.acquire(holder, third, book.cls("c"))
    edges = [edge for edges in book.order.graph.out for edge in edges.values()]
    after = {edge.before for edge in edges if edge.after == 2}

    assert {1} == after


def test_release_of_what_is_not_held_says_so() -> None:
    """Whoever frees a lock that it does not hold is told so."""
    book = _Book()

    freed = book.order.release(Holder("nobody"), "a")

    assert not freed


def test_every_link_of_a_cycle_has_both_stacks() -> None:
    """Each edge names its thread, the locks, and the functions that took them."""
    book = _Book()

    def forward() -> None:
        book.does("a", "b")

    def backward() -> None:
        book.does("b", "a")

    forward()
    backward()

    (cycle,) = book.found
    assert isinstance(cycle, Cycle)
    for link, function in zip(cycle.links, ("forward", "backward"), strict=True):
        assert {function} <= {place.function for place in link.held_at}
        assert {function} <= {place.function for place in link.taken_at}


def test_the_same_cycle_is_told_once() -> None:
    """However often the locks are taken so, by whomever, there is one conflict."""
    book = _Book()

    for _ in range(5):
        book.does("a", "b")
        book.does("b", "a")

    assert 1 == len(book.found)


def test_every_cycle_is_told() -> None:
    """The first conflict does not silence the others."""
    book = _Book()

    for first, second in ("ab", "cd", "ef"):
        book.does(first, second)
        book.does(second, first)

    assert ["ab", "cd", "ef"] == ["".join(sorted(one)) for one in book.told]


def _too_many_classes(book: _Book) -> None:
    assert book.order.classes.of("a", "a") is not None
    assert book.order.classes.of("b", "b") is None


def _too_many_chains(book: _Book) -> None:
    for name in "abcdefg":
        book.does(name)


def _too_deep(book: _Book) -> None:
    book.does(*"abcdefg")


@pytest.mark.parametrize(
    ("limits", "fill", "word"),
    [
        (Limits(classes=1), _too_many_classes, "lock classes"),
        (Limits(chains=3), _too_many_chains, "chains"),
        (Limits(depth=3), _too_deep, "held by one task"),
    ],
)
def test_a_limit_that_is_reached_is_told(
    limits: Limits, fill: Callable[[_Book], None], word: str
) -> None:
    """What does not fit any more is counted and said."""
    book = _Book(limits)

    fill(book)

    assert [True] == [word in sentence for sentence in book.order.reached.told()]


def test_without_room_for_chains_conflicts_are_found_all_the_same() -> None:
    """The table of chains saves time only."""
    book = _Book(Limits(chains=0))

    book.does("a", "b")
    book.does("b", "a")

    assert ["ab"] == book.told


def test_a_thousand_classes_are_no_burden() -> None:
    """1,000 classes in chains of three take a moment (benchmarks/validator.py has 10,000)."""
    book = _Book()
    names = [chr(0x4E00 + number) for number in range(1_000)]

    began = time.process_time()
    for number in range(len(names) - 9):
        book.does(names[number], names[number + 3], names[number + 9])
    took = time.process_time() - began

    assert not book.found
    assert took < 3
