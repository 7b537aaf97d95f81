r"""The wait graph in DOT, for graphviz.

>>> print(dot_text(WaitGraph((Node('a "quoted" task', "task"),))))
digraph waits {
    node [fontname="sans-serif"];
    n0 [label="a \"quoted\" task", shape=box, style="rounded,filled", fillcolor="#eef1f3"];
}
"""

from __future__ import annotations

from dmabuf.report.columns import clean
from dmabuf.report.wait_graph import Node, WaitGraph

__all__ = ["dot_text"]

_LOOKS = {
    "task": 'shape=box, style="rounded,filled", fillcolor="#eef1f3"',
    "lock": "shape=box",
    "fence": "shape=hexagon",
    "event": 'shape=box, style="rounded,dashed"',
}


def dot_text(graph: WaitGraph) -> str:
    """A digraph; names are quoted, so that nothing in them is read as syntax."""
    lines = ["digraph waits {", '    node [fontname="sans-serif"];']
    for number, node in enumerate(graph.nodes):
        lines.append(f"    n{number} [label={_quoted(_name(node))}, {_LOOKS[node.kind]}];")
    for edge in graph.edges:
        look = f"label={_quoted(edge.kind)}"
        if edge.kind == "in some run":
            look += ", style=dashed"
        if edge.leads:
            look += ', color="#b3261e", penwidth=1.6'
        lines.append(f"    n{edge.source} -> n{edge.target} [{look}];")
    return "\n".join([*lines, "}"])


def _name(node: Node) -> str:
    return f"{node.name}: {node.state}" if node.state else node.name


def _quoted(words: str) -> str:
    """In quotes; a backslash would begin one of graphviz' own escapes."""
    inner = clean(words).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'
