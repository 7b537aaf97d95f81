"""Ways to weaken our objects, each of which random calls must notice: how strong is the comparison?

The answers of a program by the weakened objects are compared with those of the sound ones, which
are those of the real kernel. So a mutant that is noticed here would be noticed in the VM.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from dmabuf.core import fence_unwrap, resv, syncobj, syncobj_steps
from dmabuf.core.fence_chain import FenceChain, chain_for_each
from dmabuf.core.syncobj import SyncObj

__all__ = ["MUTANTS", "Mutant"]

Apply = Callable[[pytest.MonkeyPatch], None]


class Mutant(NamedTuple):
    """One mistake, and how to make it."""

    name: str
    apply: Apply


def _replacing(rule: Callable[[Any, Any, Any, Any], bool]) -> Apply:
    return lambda patch: patch.setattr(resv, "_replaces", rule)


def _chain_keeps_context(patch: pytest.MonkeyPatch) -> None:
    """A point out of order stays in the context of those before."""
    init = FenceChain.init

    def weakened(self: FenceChain, prev: Any, fence: Any, seqno: int) -> None:
        init(self, prev, fence, seqno)
        if isinstance(prev, FenceChain):
            self.timeline, self.prev_seqno = prev.timeline, prev.seqno

    patch.setattr(FenceChain, "init", weakened)


def _chain_keeps_number(patch: pytest.MonkeyPatch) -> None:
    """A point out of order keeps its own number."""
    init = FenceChain.init

    def weakened(self: FenceChain, prev: Any, fence: Any, seqno: int) -> None:
        init(self, prev, fence, seqno)
        self.seqno = seqno

    patch.setattr(FenceChain, "init", weakened)


def _find_beside(patch: pytest.MonkeyPatch) -> None:
    """The node before the one that is wanted."""
    find = syncobj_steps.find_seqno

    def weakened(fence: Any, seqno: int) -> Any:
        return find(fence, seqno - 1 if seqno > 1 else seqno)

    patch.setattr(syncobj_steps, "find_seqno", weakened)


def _query(patch: pytest.MonkeyPatch, **given: bool) -> None:
    query = SyncObj.query
    patch.setattr(SyncObj, "query", lambda self, *, last_submitted=False: query(self, **given))


def _query_head_only(patch: pytest.MonkeyPatch) -> None:
    """What is before the newest point does not count."""
    patch.setattr(syncobj, "chain_for_each", lambda head: iter([*chain_for_each(head)][:1]))


def _oldest(fences: Any) -> list[Any]:
    """Of each context the one with the lowest number."""
    found: dict[int, Any] = {}
    for fence in sorted(fences, key=lambda one: one.seqno):
        found.setdefault(fence.context, fence)
    return [found[context] for context in sorted(found)]


MUTANTS = [
    Mutant(
        "a fence replaces one of a stronger usage",
        _replacing(lambda f, _u, old, _o: old.context == f.context and f.is_later_or_same(old)),
    ),
    Mutant(
        "a fence replaces one of a weaker usage only",
        _replacing(
            lambda f, u, old, o: old.context == f.context and o > u and f.is_later_or_same(old)
        ),
    ),
    Mutant(
        "an earlier fence replaces a later one",
        _replacing(lambda f, u, old, o: old.context == f.context and o >= u),
    ),
    Mutant("no fence replaces another", _replacing(lambda _f, _u, _old, _o: False)),
    Mutant("a fence replaces those of other contexts", _replacing(lambda _f, u, _old, o: o >= u)),
    Mutant("a point out of order stays in its context", _chain_keeps_context),
    Mutant("a point out of order keeps its number", _chain_keeps_number),
    Mutant("a wait for a point takes the one before", _find_beside),
    Mutant("query answers the last point", lambda patch: _query(patch, last_submitted=True)),
    Mutant("query-last answers what is reached", lambda patch: _query(patch, last_submitted=False)),
    Mutant("query looks at the newest point only", _query_head_only),
    Mutant(
        "a merge keeps the oldest of a context",
        lambda patch: patch.setattr(fence_unwrap, "dedup_array", _oldest),
    ),
]
