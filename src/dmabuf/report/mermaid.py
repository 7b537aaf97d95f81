"""The wait graph in Mermaid's words, for pages that draw them (GitHub, GitLab).

>>> from dmabuf.report.finding import Wait
>>> from dmabuf.report.wait_graph import graph_of
>>> print(mermaid_text(graph_of((Wait("a", "waits for", "L", ("b",), definite=True, via="lock"),))))
flowchart TD
    n0(["a"])
    n1["L"]
    n2(["b"])
    n0 -->|"waits for"| n1
    n1 -->|"held by"| n2
"""

from __future__ import annotations

from dmabuf.report.columns import clean
from dmabuf.report.wait_graph import WaitGraph

__all__ = ["mermaid_text"]

_SHAPES = {"task": ("([", "])"), "lock": ("[", "]"), "fence": ("{{", "}}")}
_EVENT = ("(", ")")


def mermaid_text(graph: WaitGraph) -> str:
    """A flowchart; names are quoted, so that nothing in them is read as syntax."""
    lines = ["flowchart TD"]
    for number, node in enumerate(graph.nodes):
        start, end = _SHAPES.get(node.kind, _EVENT)
        name = f"{node.name}: {node.state}" if node.state else node.name
        lines.append(f'    n{number}{start}"{_quoted(name)}"{end}')
    for edge in graph.edges:
        arrow = "-.->" if edge.kind == "in some run" else "==>" if edge.leads else "-->"
        lines.append(f'    n{edge.source} {arrow}|"{_quoted(edge.kind)}"| n{edge.target}')
    return "\n".join(lines)


def _quoted(words: str) -> str:
    """Everything that Mermaid or the page around it may read as more than text, as a number."""
    return "".join(
        char if char.isalnum() or char in " .,_-" else f"#{ord(char)};" for char in clean(words)
    )
