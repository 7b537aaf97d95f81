"""The graph of lock classes: which edges close a strong cycle."""

from __future__ import annotations

import itertools
import random
import time

import pytest

from dmabuf.contract.graph import GUESSED, Graph
from dmabuf.contract.modes import RECURSIVE_END, SHARED_START, may_follow

Arcs = dict[tuple[int, int], set[int]]


def _closes(arcs: Arcs, before: int, after: int, kind: int) -> bool:
    """Is there a strong cycle through that edge? By growing all paths, without any cleverness."""
    reached = {(after, kind & RECURSIVE_END)}
    while True:
        more = {
            (end, next_kind & RECURSIVE_END)
            for (number, came), ((start, end), kinds) in itertools.product(reached, arcs.items())
            for next_kind in kinds
            if start == number and may_follow(came, next_kind)
        }
        if more <= reached:
            break
        reached |= more
    return any(number == before and may_follow(came, kind) for number, came in reached)


@pytest.mark.parametrize("kinds", [(0,), (0, 1, 2, 3)], ids=["exclusive", "readers"])
@pytest.mark.parametrize("seed", range(12))
def test_add_tells_exactly_the_edges_that_close_a_strong_cycle(
    seed: int, kinds: tuple[int, ...]
) -> None:
    """Random edges close a cycle in the graph when growing all paths says so."""
    chance = random.Random(seed)
    graph = Graph()
    arcs: Arcs = {}
    expected, actual = [], []

    for _ in range(60):
        before, after = chance.sample(range(9), 2)
        kind = chance.choice(kinds)
        known = kind in arcs.setdefault((before, after), set())
        expected.append(not known and _closes(arcs, before, after, kind))
        arcs[before, after].add(kind)
        actual.append(graph.add(before, after, kind, None) is not None)

    assert expected == actual


def test_add_returns_the_shortest_cycle() -> None:
    """Of two ways round the shorter one is told."""
    graph = Graph()
    for before, after in ((0, 1), (1, 2), (2, 3), (1, 3)):
        graph.add(before, after, 0, None)

    cycle = graph.add(3, 0, 0, None)

    assert [(0, 1), (1, 3), (3, 0)] == [(edge.before, edge.after) for edge in cycle or ()]


def test_add_prefers_a_cycle_without_guesses() -> None:
    """A longer way that needs no guess is told rather than a shorter one that does."""
    graph = Graph()
    graph.add(0, 1, GUESSED, "a guess")
    graph.add(0, 2, 0, "seen")
    graph.add(2, 1, 0, "seen")

    cycle = graph.add(1, 0, 0, "seen")

    assert ["seen"] * 3 == [edge.best for edge in cycle or ()]


def test_add_tells_a_cycle_that_needs_a_guess() -> None:
    """Where only a guess closes the cycle, that cycle is told."""
    graph = Graph()
    graph.add(0, 1, GUESSED, "a guess")

    cycle = graph.add(1, 0, 0, "seen")

    assert ["a guess", "seen"] == [edge.best for edge in cycle or ()]


def test_path_is_found_in_a_graph_far_deeper_than_the_stack() -> None:
    """A chain of 5,000 classes is closed without recursion."""
    graph = Graph()
    for number in range(5_000):
        graph.add(number, number + 1, 0, None)

    cycle = graph.add(5_000, 0, 0, None)

    assert 5_001 == len(cycle or ())


@pytest.mark.parametrize("order", ["up", "down", "mixed"])
def test_add_of_edges_without_cycles_costs_little(order: str) -> None:
    """A ladder of 2,000 classes takes no more than a search of a few classes for each edge."""
    edges = [(n, n + step) for n in range(2000) for step in (1, 7)]
    if order != "up":
        edges.reverse()
    if order == "mixed":
        random.Random(3).shuffle(edges)
    graph = Graph()

    began = time.process_time()
    closed = [graph.add(before, after, 0, None) for before, after in edges]
    took = time.process_time() - began

    assert not any(closed)
    assert took < 5


@pytest.mark.parametrize(
    ("first", "second", "closes"),
    [
        (0, 0, True),
        (RECURSIVE_END, SHARED_START, False),
        (RECURSIVE_END, 0, True),
        (0, SHARED_START, True),
        (RECURSIVE_END | SHARED_START, RECURSIVE_END | SHARED_START, False),
        (SHARED_START, SHARED_START, True),
    ],
)
def test_add_closes_two_edges_as_readers_allow(first: int, second: int, closes: bool) -> None:
    """Two opposite edges are a deadlock unless a recursive reader meets readers."""
    graph = Graph()
    graph.add(0, 1, first, None)

    cycle = graph.add(1, 0, second, None)

    assert closes is (cycle is not None)
