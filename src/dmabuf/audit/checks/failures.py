"""Completion that depends on an allocation: where there is no memory, nothing signals (DF105)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dmabuf.audit.checks.found import local_finding
from dmabuf.audit.checks.look import calls, ends
from dmabuf.audit.checks.roots import Grade, Root
from dmabuf.audit.front.code import CALL, GOTO, IF, LABEL, RETURN, Code, Expr
from dmabuf.report.source_finding import Hop, Level, SourceFinding

__all__ = ["lost_completions"]

_ALLOCATES_TEXT = """
kmalloc kzalloc kcalloc kmalloc_array kvmalloc kvzalloc kvcalloc kmemdup kstrdup
kmem_cache_alloc kmem_cache_zalloc alloc_page alloc_pages __get_free_page vmalloc vzalloc
krealloc
"""
_ALLOCATES = frozenset(_ALLOCATES_TEXT.split())
_SIGNALS_TEXT = """
dma_fence_signal dma_fence_signal_locked dma_fence_signal_timestamp
dma_fence_signal_timestamp_locked
"""
_SIGNALS = frozenset(_SIGNALS_TEXT.split())
_GRADES = (Grade.IRQ, Grade.REPAIR, Grade.WORK, Grade.PREEMPTION)


def lost_completions(roots: Iterable[Root]) -> Iterator[SourceFinding]:
    """Handlers that give up where an allocation fails, before they signal."""
    for root in roots:
        index = _lost(root.routine.function.code) if root.grade in _GRADES else None
        if index is not None:
            yield _found(root, index)


def _found(root: Root, index: int) -> SourceFinding:
    instruction = root.routine.function.code[index]
    name = instruction[2][1]
    hops = (Hop(root.routine.place(instruction[1]), f"{name}(), and returns without it"),)
    return local_finding(
        "DF105",
        Level.WARNING,
        f"returns where {name}() fails, before the fence is signalled",
        hops,
        entry=root.entry,
        scheduled=root.scheduled,
        detail=name,
    )


def _lost(code: Code) -> int | None:
    """The index of an allocation whose failure ends the function before it signals; else None."""
    signals = [index for index, name, _call in calls(code) if name in _SIGNALS]
    if not signals or any(name == "dma_fence_init" for _index, name, _call in calls(code)):
        return None
    closed = ends(code)
    for index, name, call in calls(code):
        if index > signals[0]:
            return None
        if name in _ALLOCATES and call[4] is not None:
            test = _test_of(code, index, call[4])
            if test is not None and _gives_up(code, test, closed[test], signals):
                return index
    return None


def _test_of(code: Code, index: int, result: Expr) -> int | None:
    """The IF after an allocation that holds where it failed."""
    for at in range(index + 1, min(index + 4, len(code))):
        if code[at][0] == IF:
            condition = code[at][2]
            failed = (
                ("unary", "!", result),
                ("op", "==", result, ("name", "NULL")),
                ("call", ("name", "IS_ERR"), (result,)),
            )
            return at if condition in failed else None
    return None


def _gives_up(code: Code, start: int, end: int, signals: list[int]) -> bool:
    """Does the failing branch leave, for a place from which nothing signals any more?"""
    inside = code[start:end]
    if any(start < one < end for one in signals) or signals[-1] < end:
        return False
    for instruction in inside:
        if instruction[0] == RETURN:
            return True
        if instruction[0] == GOTO:
            labels = [
                i for i, one in enumerate(code) if one[0] == LABEL and one[2] == instruction[2]
            ]
            return (
                bool(labels)
                and not any(one > labels[0] for one in signals)
                and not any(one[0] == CALL and "signal" in str(one[2]) for one in code[labels[0] :])
            )
    return False
