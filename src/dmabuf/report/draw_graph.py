"""The wait graph as SVG: one node below the other along the chain, other arrows at the sides.

>>> draw_graph(WaitGraph())
''
"""

from __future__ import annotations

from dmabuf.report.columns import clean, cut, width_of
from dmabuf.report.svg import element, text
from dmabuf.report.wait_graph import Edge, WaitGraph

__all__ = ["draw_graph"]

_MOST_NODES = 24
_HEIGHT = 30.0
_GAP = 34.0
_LETTER = 6.9
_LONGEST = 34
_SIDE = 26.0


def draw_graph(graph: WaitGraph, prefix: str = "g") -> str:
    """The graph; empty without nodes. Of a very large one only the chain is drawn."""
    order = _order(graph)[:_MOST_NODES]
    if not order:
        return ""
    names = {n: cut(clean(graph.nodes[n].name), _LONGEST) for n in order}
    widest = max(max(width_of(name) for name in names.values()) * _LETTER + 28, 96.0)
    rows = {node: index for index, node in enumerate(order)}
    edges = [edge for edge in graph.edges if edge.source in rows and edge.target in rows]
    far = [edge for edge in edges if rows[edge.target] - rows[edge.source] != 1]
    back = [edge for edge in far if rows[edge.target] <= rows[edge.source]]
    ahead = [edge for edge in far if edge not in back]
    left = 8 + _SIDE * len(ahead)
    middle = left + widest / 2
    width = left + widest + 8 + max(_SIDE * len(back) + 70.0 * bool(back), 62.0)
    height = len(order) * (_HEIGHT + _GAP) - _GAP + 4
    parts = [_heads(prefix)]
    parts += [_down(edge, rows, middle, prefix) for edge in edges if edge not in far]
    for number, edge in enumerate(back, 1):
        parts.append(_aside(edge, rows, left + widest, _SIDE * number, prefix))
    for number, edge in enumerate(ahead, 1):
        parts.append(_aside(edge, rows, left, -_SIDE * number, prefix))
    parts += [_node(graph, node, names[node], rows[node], left, widest) for node in order]
    return element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "class": "drawing graph",
            "role": "img",
            "aria-label": "Who waits for whom",
            "width": width,
            "height": height,
            "viewBox": f"0 0 {width:.0f} {height:.0f}",
        },
        "".join(parts),
    )


def _order(graph: WaitGraph) -> list[int]:
    """Nodes along the leading edges first, each followed by what it leads to."""
    leading = [edge for edge in graph.edges if edge.leads]
    rest = [edge for edge in graph.edges if not edge.leads]
    following: dict[int, list[int]] = {}
    for edge in (*leading, *rest):
        following.setdefault(edge.source, []).append(edge.target)
    starts = [edge.source for edge in leading] + [
        number for number, node in enumerate(graph.nodes) if node.kind == "task"
    ]
    order: dict[int, None] = {}
    for start in (*starts, *range(len(graph.nodes))):
        todo = [start]
        while todo:
            node = todo.pop()
            if node not in order:
                order[node] = None
                todo += reversed(following.get(node, []))
    return list(order)


def _heads(prefix: str) -> str:
    made: list[str] = []
    for name, kind in (("a", "head"), ("s", "head stuck")):
        shape = element("path", {"d": "M0 0 8 4 0 8Z", "class": kind})
        at = {"viewBox": "0 0 8 8", "refX": 7, "refY": 4, "markerWidth": 8, "markerHeight": 8}
        more = {"markerUnits": "userSpaceOnUse", "orient": "auto"}
        made.append(element("marker", {"id": f"{prefix}{name}", **at, **more}, shape))
    return element("defs", {}, "".join(made))


def _node(graph: WaitGraph, number: int, name: str, row: int, left: float, widest: float) -> str:
    node = graph.nodes[number]
    y = 2 + row * (_HEIGHT + _GAP)
    round_ = {"task": 15, "lock": 3, "fence": 8}.get(node.kind, 8)
    box = {"x": left, "y": y, "width": widest, "height": _HEIGHT, "rx": round_}
    shape = element("rect", {**box, "class": f"node {node.kind}"})
    title = element("title", {}, text(f"{node.kind} {node.name} {node.state}".rstrip()))
    at = {"x": left + widest / 2, "y": y + 19.5, "text-anchor": "middle"}
    return element("g", {}, title + shape + element("text", at, text(name)))


def _look(edge: Edge, prefix: str) -> dict[str, object]:
    some = " some" if edge.kind == "in some run" else ""
    head = "s" if edge.leads else "a"
    return {
        "class": f"edge{' leads' if edge.leads else ''}{some}",
        "marker-end": f"url(#{prefix}{head})",
    }


def _down(edge: Edge, rows: dict[int, int], middle: float, prefix: str) -> str:
    """To the node right below."""
    y = 2 + rows[edge.source] * (_HEIGHT + _GAP) + _HEIGHT
    path = f"M{middle:.1f} {y:.1f}v{_GAP - 1:.1f}"
    at = {"x": middle + 8, "y": y + _GAP / 2 + 3, "class": "small dim"}
    return element("path", {"d": path, **_look(edge, prefix)}) + element(
        "text", at, text(edge.kind)
    )


def _aside(edge: Edge, rows: dict[int, int], x: float, out: float, prefix: str) -> str:
    """Past other nodes, or back: an arc at the side."""
    start = 2 + rows[edge.source] * (_HEIGHT + _GAP) + _HEIGHT / 2
    end = 2 + rows[edge.target] * (_HEIGHT + _GAP) + _HEIGHT / 2
    bend = x + out
    if start == end:
        start, end = start - 8, end + 8
    path = f"M{x:.1f} {start:.1f}C{bend:.1f} {start:.1f} {bend:.1f} {end:.1f} {x:.1f} {end:.1f}"
    anchor = "start" if out > 0 else "end"
    at = {"x": x + out * 0.78 + (4 if out > 0 else -4), "y": (start + end) / 2 + 3}
    label = element("text", {**at, "class": "small dim", "text-anchor": anchor}, text(edge.kind))
    return element("path", {"d": path, **_look(edge, prefix)}) + (label if out > 0 else "")
