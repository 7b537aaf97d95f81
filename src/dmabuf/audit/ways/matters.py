"""Which names matter: calling them may lead to anything that a way can end in.

Most functions and macros of a driver only compute and write registers. The names of those that do
not are found once, from the known functions upwards through their callers; everything else is
never walked through. Names, not functions: two static functions of one name matter together.
"""

from __future__ import annotations

from collections import defaultdict

from dmabuf.audit.program.asked import Asked
from dmabuf.audit.program.program import Program
from dmabuf.audit.ways.beyond import NOTHING, Beyond
from dmabuf.audit.ways.known import KNOWN
from dmabuf.audit.ways.known.acts import Nothing

__all__ = ["Matter", "names_that_matter"]


class Matter:
    """The names that matter; who asks for one is taken down.

    Attributes:
        names: all of them; what is asked of these is not taken down.
    """

    def __init__(self, names: frozenset[str], asked: Asked) -> None:
        self.names, self._asked = names, asked

    def __contains__(self, name: str) -> bool:
        self._asked.now.add(name)
        return name in self.names


def names_that_matter(program: Program, beyond: Beyond = NOTHING) -> Matter:
    """The names of functions and macros that may do something; calls through pointers may."""
    outlines = program.names.outlines.values()
    matter = {name for name, acts in KNOWN.items() if not isinstance(acts[0], Nothing)}
    declared: dict[str, bool] = {}
    for outline in outlines:
        for name, allocates in outline.prototypes:
            declared.setdefault(name, allocates)
    matter |= {name for name, allocates in declared.items() if allocates}
    matter |= {name for name, doing in beyond.functions().items() if doing.acts or doing.leaves}
    harmless = {name for name, acts in KNOWN.items() if isinstance(acts[0], Nothing)}
    matter -= harmless
    callers: dict[str, set[str]] = defaultdict(set)
    todo = list(matter | program.tables.calling.pointing)
    for outline in outlines:
        for macro in outline.calling:
            for name in macro.calls:
                callers[name].add(macro.name)
            if macro.pointed:
                todo.append(macro.name)
    matter.update(todo)
    while todo:
        name = todo.pop()
        above = program.tables.calling.above(name)
        for caller in above | callers.get(name, set()):
            if caller not in matter and caller not in KNOWN:
                matter.add(caller)
                todo.append(caller)
    return Matter(frozenset(matter - harmless), program.asked)
