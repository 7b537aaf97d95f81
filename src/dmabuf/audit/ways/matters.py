"""Which names matter: calling them may lead to anything that a way can end in.

Most functions and macros of a driver only compute and write registers. The names of those that do
not are found once, from the known functions upwards through their callers; everything else is
never walked through. Names, not functions: two static functions of one name matter together.
"""

from __future__ import annotations

from collections import defaultdict

from dmabuf.audit.front.code import CALL, Code
from dmabuf.audit.program.program import Program
from dmabuf.audit.ways.beyond import NOTHING, Beyond
from dmabuf.audit.ways.known import KNOWN
from dmabuf.audit.ways.known.acts import Nothing

__all__ = ["names_that_matter"]


def names_that_matter(program: Program, beyond: Beyond = NOTHING) -> frozenset[str]:
    """The names of functions and macros that may do something; calls through pointers may."""
    names = program.names
    matter = {name for name, acts in KNOWN.items() if not isinstance(acts[0], Nothing)}
    matter |= {
        name
        for name, (_, types) in names.prototypes.items()
        if any(one.startswith("gfp_t") for one in types)
    }
    matter |= {name for name, doing in beyond.functions().items() if doing.acts or doing.leaves}
    harmless = {name for name, acts in KNOWN.items() if isinstance(acts[0], Nothing)}
    matter -= harmless
    callers: dict[str, set[str]] = defaultdict(set)
    todo = list(matter | {routine.name for routine in program.tables.calling.pointed})
    for name, macros in names.macros.items():
        for _, macro in macros:
            if macro.code and _reads(macro.code, name, callers):
                todo.append(name)
    matter.update(todo)
    while todo:
        name = todo.pop()
        above = {routine.name for routine in program.tables.calling.of(name)}
        for caller in above | callers.get(name, set()):
            if caller not in matter and caller not in KNOWN:
                matter.add(caller)
                todo.append(caller)
    return frozenset(matter - harmless)


def _reads(code: Code, name: str, callers: dict[str, set[str]]) -> bool:
    """Take down whom a macro calls by name, and say whether it calls anybody through a pointer."""
    pointed = False
    for instruction in code:
        if instruction[0] == CALL:
            callee = instruction[2]
            if callee[0] == "name":
                callers[callee[1]].add(name)
            else:
                pointed = True
    return pointed
