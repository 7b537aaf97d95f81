"""What tests of the stateful search share: a search with that engine, and its whole graph."""

from __future__ import annotations

from typing import Any

from dmabuf.explore.search import Budget, Search
from dmabuf.explore.strategies.graph import MAX_STATES, Graph
from dmabuf.explore.strategies.setup import Setup
from dmabuf.rt.explored_task import Names

__all__ = ["edges_of", "explored", "prepared"]


def prepared(
    design: Any,
    *,
    sleep: bool = True,
    carrier: str = "",
    states: int = MAX_STATES,
    budget: Budget | None = None,
    **how: Any,
) -> tuple[Search, Graph]:
    """A search that is about to explore the states of a design."""
    search = Search(design, budget or Budget(seconds=None), carrier=carrier, names=Names(), **how)
    steps = search.budget.steps_per_execution
    setup = Setup(limit=steps, at_rest=search._at_rest, at_cut=search._at_cut, sleep=sleep)
    graph = Graph(setup, states=states)
    search.strategy = graph
    return search, graph


def explored(design: Any, **how: Any) -> tuple[Search, Graph]:
    """The same, run to its end."""
    search, graph = prepared(design, **how)
    return search.run(), graph


def edges_of(graph: Graph) -> set[tuple[bytes, int, bytes]]:
    """All edges, between states by what they are; a step that ends the run leads nowhere."""
    names = {number: name for name, number in graph._numbers.items()} | {-1: b""}
    return {
        (names[number], transition, names[graph.edge(number, transition)])
        for number, state in enumerate(graph.states)
        for transition in state.enabled
    }
