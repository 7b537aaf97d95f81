"""Two parsers, one source: what tree-sitter finds in C, and whether our front end finds it, too.

`python -m tests.audit.oracle TREE [--folder drivers/gpu/drm] [--every 10]` compares names of
functions and the calls in them, over all functions that tree-sitter reads without an error, and
prints what only one of both has. tree-sitter is no part of the auditor: it is a second opinion.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from dmabuf.audit.front.code import CALL
from dmabuf.audit.front.extract import extract
from dmabuf.audit.front.facts import Function
from dmabuf.audit.front.tree import find

# What looks like a call to one of both parsers only.
WORDS = {
    *("sizeof", "typeof", "__typeof__", "defined", "offsetof", "__attribute__", "__alignof__"),
    *("_Alignof", "asm", "__asm__", "guard", "scoped_guard", "scoped_cond_guard", "CLASS"),
}


@dataclass
class Outcome:
    """What both found, and what only one did."""

    functions: int = 0
    missing: list[str] = field(default_factory=list)
    calls: int = 0
    lost: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    not_asked: int = 0


@cache
def parser() -> Any:
    """The other parser."""
    import tree_sitter
    import tree_sitter_c

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_c.language()))


def walk(node: Any) -> Iterator[Any]:
    """All nodes below one, without recursion."""
    stack = [node]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(node.children)


def name_of(definition: Any) -> str:
    """The name of a function."""
    node = definition.child_by_field_name("declarator")
    while node is not None and node.type != "identifier":
        node = node.child_by_field_name("declarator")
    return "" if node is None else node.text.decode(errors="replace")


def calls_of(definition: Any) -> Counter[str]:
    """The names that are called in a function, `field` of what is called through a pointer."""
    found: Counter[str] = Counter()
    for node in walk(definition.child_by_field_name("body")):
        if node.type != "call_expression":
            continue
        callee = node.child_by_field_name("function")
        if callee.type == "identifier":
            found[callee.text.decode()] += 1
        elif callee.type == "field_expression":
            found["." + callee.child_by_field_name("field").text.decode()] += 1
    return found


def our_calls(function: Function) -> Counter[str]:
    """The same of ours."""
    found: Counter[str] = Counter()
    for one in function.code:
        if one[0] == CALL and one[2][0] == "name":
            found[one[2][1]] += 1
        elif one[0] == CALL and one[2][0] == "field":
            found["." + one[2][2]] += 1
    return found


def compare(path: str, data: bytes, out: Outcome) -> None:
    """Compare the functions of one file."""
    ours = {(one.name, one.end): one for one in extract(path, data).functions}
    for node in walk(parser().parse(data).root_node):
        if node.type != "function_definition":
            continue
        if node.has_error:
            out.not_asked += 1
            continue
        name, line = name_of(node), node.end_point[0] + 1
        function = ours.get((name, line))
        out.functions += 1
        if function is None:
            out.missing.append(f"{path}:{node.start_point[0] + 1}: {name}")
            continue
        compare_calls(f"{path}:{function.line}: {name}", calls_of(node), our_calls(function), out)


def compare_calls(place: str, theirs: Counter[str], ours: Counter[str], out: Outcome) -> None:
    """Compare the calls of one function."""
    out.calls += theirs.total()
    for name, count in theirs.items():
        if ours[name] < count and name not in WORDS:
            out.lost.append(f"{place}: {name}")
    more = [name for name, count in ours.items() if theirs[name] < count and name not in WORDS]
    out.extra.extend(f"{place}: {name}" for name in more)


def main() -> None:
    """Compare a tree."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("tree", type=Path)
    arguments.add_argument("--folder", action="append")
    arguments.add_argument("--every", type=int, default=1)
    arguments.add_argument("--show", type=int, default=20)
    given = arguments.parse_args()
    out = Outcome()
    files = find(given.tree, given.folder or ["drivers/gpu/drm"]).files
    for path in files[:: given.every]:
        data = (given.tree / path).read_bytes()
        if len(data) < 1 << 20:
            compare(path, data, out)
    lines = [
        f"{out.functions} functions, {len(out.missing)} not found; {out.not_asked} with an error",
        f"{out.calls} calls, {len(out.lost)} not found; {len(out.extra)} only found by us",
    ]
    for what in (out.missing, out.lost, out.extra):
        lines += ["--", *what[: given.show]]
    print("\n".join(lines))  # noqa: T201 - a command


if __name__ == "__main__":
    main()
