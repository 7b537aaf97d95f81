"""A wait for the fence that a ring's slot still holds, before the slot gets the next one.

A table of fences as long as the ring: whoever comes round waits for the one that stands where his
own shall stand. That one is earlier on the same ring, so it cannot depend on what comes after it,
and the rule about waits (DF108) allows it.

    ptr = &ring->fences[seq & ring->mask];
    old = dma_fence_get_rcu_safe(ptr);
    dma_fence_wait(old, false);
    rcu_assign_pointer(*ptr, fence);
"""

from __future__ import annotations

from dmabuf.audit.checks.look import assignments, calls, name_of, parts, words_in
from dmabuf.audit.front.code import Code, Expr
from dmabuf.audit.program.program import Program
from dmabuf.audit.ways.effect import Kind, Way

__all__ = ["makes_room"]

_ROUND = ("&", "%")
"""What keeps an index within a ring."""
_STORES = (
    "rcu_assign_pointer",
    "RCU_INIT_POINTER",
    "WRITE_ONCE",
    "swap",
    "xchg",
    "smp_store_release",
)


def makes_room(way: Way, program: Program) -> bool:
    """Does a way end in a wait for the fence in a slot that is filled afterwards?

    Args:
        way: from any root.
        program: where its last function is looked up.
    """
    place = way.hops[-1].place
    routine = program.function(place.function, place.file)
    if way.effect.kind is not Kind.FENCE_WAIT or routine is None:
        return False
    code, line = routine.function.code, routine.line_of(place)
    waits = [
        (index, call)
        for index, name, call in calls(code)
        if name == way.effect.name and call[1] == line and call[3]
    ]
    return any(
        _is_filled(code, index, slot)
        for index, call in waits
        for slot in _slots(code, index, words_in(call[3][0]))
    )


def _slots(code: Code, end: int, names: set[str]) -> list[Expr]:
    """The slots that some variables were read from: `*ptr`, `ring->fences[seq & mask]`."""
    before = code[:end]
    values = [(target, value) for _line, target, value in assignments(before)]
    values += [
        (call[4], argument)
        for _index, _name, call in calls(before)
        if call[4] is not None
        for argument in call[3]
    ]
    found: list[Expr] = []
    for target, value in values:
        if target[0] != "name" or target[1] not in names:
            continue
        found += [
            ("deref", read)
            for read, slot in values
            if slot[0] == "addr" and _is_round(slot[1]) and name_of(read) in words_in(value)
        ]
        found += [one for one in parts(value) if _is_round(one)]
    return found


def _is_round(value: Expr) -> bool:
    if len(value) != 3 or value[0] != "index":
        return False
    return any(len(one) == 4 and one[0] == "op" and one[1] in _ROUND for one in parts(value[2]))


def _is_filled(code: Code, start: int, slot: Expr) -> bool:
    after = code[start:]
    if any(target == slot for _line, target, _value in assignments(after)):
        return True
    return any(name in _STORES and slot in call[3][:1] for _i, name, call in calls(after))
