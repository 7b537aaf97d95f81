"""Who waits for whom as a graph: tasks, what they wait for, and who could end that.

Derived from the waits of a finding; `mermaid`, `dot` and `svg` draw it.

>>> graph = graph_of((Wait("a", "waits for", "L", ("b",), definite=True, via="lock"),))
>>> [(node.name, node.kind) for node in graph.nodes]
[('a', 'task'), ('L', 'lock'), ('b', 'task')]
>>> [(edge.source, edge.kind, edge.target) for edge in graph.edges]
[(0, 'waits for', 1), (1, 'held by', 2)]
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from dmabuf.report.finding import Wait

__all__ = ["Edge", "Node", "WaitGraph", "graph_of"]


@dataclass(frozen=True, slots=True)
class Node:
    """A task, or what is waited for.

    Attributes:
        kind: "task", "lock", "fence" or "event".
        state: of a task that does not wait, what became of it ("may stop for ever").
    """

    name: str
    kind: str
    state: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow from one node to another, by their index.

    Attributes:
        kind: "waits for", "sleeps on", "is interrupted by", "held by" (only that task can end the
            wait), "in some run" (in some run that task ended such a wait).
        leads: it is part of the chain that the finding's sentence tells.
    """

    source: int
    target: int
    kind: str
    leads: bool = False


@dataclass(frozen=True, slots=True)
class WaitGraph:
    """Nodes and the edges between them."""

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()

    def to_data(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return asdict(self)

    @staticmethod
    def from_data(data: dict[str, Any]) -> WaitGraph:
        """The graph that `to_data` wrote."""
        return WaitGraph(
            tuple(Node(**one) for one in data["nodes"]),
            tuple(Edge(**one) for one in data["edges"]),
        )


class _Builder:
    def __init__(self) -> None:
        self.numbers: dict[tuple[str, bool], int] = {}
        self.nodes: list[Node] = []
        self.edges: dict[tuple[int, int, str], bool] = {}

    def node(self, name: str, kind: str, state: str = "") -> int:
        """The node of that name; a task and an object of one name are two."""
        key = (name, kind == "task")
        if key not in self.numbers:
            self.numbers[key] = len(self.nodes)
            self.nodes.append(Node(name, kind, state))
        number = self.numbers[key]
        if state and not self.nodes[number].state:
            self.nodes[number] = Node(name, kind, state)
        return number

    def edge(self, source: int, target: int, kind: str, *, leads: bool) -> None:
        key = (source, target, kind)
        self.edges[key] = self.edges.get(key, False) or leads


def graph_of(waits: Iterable[Wait]) -> WaitGraph:
    """The graph that a finding's waits make."""
    waits = tuple(waits)
    made = _Builder()
    leading = {wait.task for wait in waits if wait.leads}
    for wait in waits:
        task = made.node(wait.task, "task", "" if wait.target else wait.state)
        for lock in wait.holds:
            made.edge(made.node(lock, "lock"), task, "held by", leads=False)
        if wait.via == "irq":
            handler = made.node(wait.target, "task")
            made.edge(task, handler, wait.state, leads=wait.leads)
        elif wait.target:
            _add_wait(made, wait, task, leading)
    edges = (Edge(*key, leads=leads) for key, leads in made.edges.items())
    return WaitGraph(tuple(made.nodes), tuple(edges))


def _add_wait(made: _Builder, wait: Wait, task: int, leading: set[str]) -> None:
    awaited = made.node(wait.target, wait.via or "event")
    made.edge(task, awaited, wait.state, leads=wait.leads)
    for name in wait.wakers:
        kind = "held by" if wait.definite else "in some run"
        leads = wait.leads and name in leading
        made.edge(awaited, made.node(name, "task"), kind, leads=leads)
