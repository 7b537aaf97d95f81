"""The wait graph and its drawings, in which foreign names stay names."""

import shutil
import subprocess
from xml.etree import ElementTree

import pytest

from dmabuf.report.dot import dot_text
from dmabuf.report.draw_graph import draw_graph
from dmabuf.report.finding import Wait
from dmabuf.report.mermaid import mermaid_text
from dmabuf.report.wait_graph import Edge, Node, WaitGraph, graph_of

EVIL = 'a"]; x -> y [label="<script>alert(1)</script>|\\{}\x1b\n%%{init}%%'

CYCLE = (
    Wait("one", "waits for", "B", ("two",), definite=True, holds=("A",), via="lock", leads=True),
    Wait("two", "waits for", "A", ("one",), definite=True, holds=("B",), via="lock", leads=True),
    Wait("user", "may stop for ever"),
)


def test_graph_of_a_cycle_of_locks():
    """Tasks point to locks they wait for, locks to holders; what became of others is said."""
    graph = graph_of(CYCLE)

    names = [(node.name, node.kind, node.state) for node in graph.nodes]
    assert [
        ("one", "task", ""),
        ("A", "lock", ""),
        ("B", "lock", ""),
        ("two", "task", ""),
        ("user", "task", "may stop for ever"),
    ] == names
    told = {(names[e.source][0], e.kind, names[e.target][0], e.leads) for e in graph.edges}
    assert {
        ("one", "waits for", "B", True),
        ("B", "held by", "two", True),
        ("two", "waits for", "A", True),
        ("A", "held by", "one", True),
    } == told


def test_graph_survives_data():
    """What is read back is the graph that was written."""
    graph = graph_of(CYCLE)

    assert graph == WaitGraph.from_data(graph.to_data())


def test_graph_tells_a_task_from_a_lock_of_the_same_name():
    """They are two nodes."""
    graph = graph_of((Wait("A", "waits for", "A", ("A",), via="lock"),))

    assert [("A", "task"), ("A", "lock")] == [(node.name, node.kind) for node in graph.nodes]


def test_mermaid_reads_no_syntax_in_names():
    """A name that would close its node, or is markup, is text; lines are as many as things."""
    graph = graph_of((Wait(EVIL, "waits for", EVIL, (EVIL,), via="lock"),))

    lines = mermaid_text(graph).splitlines()

    assert 1 + len(graph.nodes) + len(graph.edges) == len(lines)
    assert not any(char in line for line in lines for char in "<\\%")
    assert [2] * len(lines[1:]) == [line.count('"') for line in lines[1:]]


def test_dot_reads_no_syntax_in_names():
    """Quotes and backslashes of a name are escaped, so each statement stays one line."""
    graph = graph_of((Wait(EVIL, "waits for", EVIL, (EVIL,), via="lock"),))

    text = dot_text(graph)

    assert 3 + len(graph.nodes) + len(graph.edges) == len(text.splitlines())
    assert '\\"]; x -> y' in text


@pytest.mark.skipif(not shutil.which("dot"), reason="graphviz is not installed")
def test_dot_is_what_graphviz_reads():
    """Graphviz parses it and finds the nodes and edges that there are."""
    graph = graph_of((*CYCLE, Wait(EVIL, "waits for", EVIL, (EVIL,), via="event")))

    ran = subprocess.run(
        ["dot", "-Tplain"], input=dot_text(graph), capture_output=True, text=True, check=True
    )

    kinds = [line.split()[0] for line in ran.stdout.splitlines()]
    assert (len(graph.nodes), len(graph.edges)) == (kinds.count("node"), kinds.count("edge"))


def test_drawing_of_a_graph_is_well_formed():
    """It is XML with a node and an arrow each, and foreign names are text in it."""
    graph = graph_of((*CYCLE, Wait(EVIL, "waits for", EVIL, ("one",), via="event")))

    drawing = ElementTree.fromstring(draw_graph(graph))

    svg = "{http://www.w3.org/2000/svg}"
    assert len(graph.nodes) == len(drawing.findall(f"{svg}g"))
    assert len(graph.edges) == len(drawing.findall(f"{svg}path"))
    assert [] == drawing.findall(f".//{svg}script")


def test_drawing_of_a_very_large_graph_stays_small():
    """Of thousands of nodes a screenful is drawn."""
    nodes = tuple(Node(str(n), "task") for n in range(5000))
    graph = WaitGraph(nodes, tuple(Edge(n, n + 1, "waits for") for n in range(4999)))

    assert len(draw_graph(graph)) < 20_000
