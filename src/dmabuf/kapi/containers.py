"""Arrays, chains and merging in the kernel's signatures; no memory is None, as NULL is there.

Mirrors: include/linux/dma-fence-array.h, include/linux/dma-fence-chain.h,
include/linux/dma-fence-unwrap.h
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dmabuf.core.fence import Fence
from dmabuf.core.fence_array import FenceArray
from dmabuf.core.fence_chain import FenceChain, chain_for_each, find_seqno
from dmabuf.core.fence_unwrap import dedup_array, merge, unwrap
from dmabuf.kapi.spell import returns_errno, spelled

__all__ = ["dma_fence_unwrap"]


def _or_null(make: Callable[..., Any], *args: Any, **how: Any) -> Any:
    """What was made, or None if there was no memory for it."""
    try:
        return make(*args, **how)
    except OSError:
        return None


# -- arrays ------------------------------------------------------------------------------------


@spelled("dma_fence_array_create")
def dma_fence_array_create(
    num_fences: int, fences: Sequence[Fence], context: int, seqno: int
) -> FenceArray | None:
    """An array of the first `num_fences` of `fences`, whose references it takes over."""
    members = fences[:num_fences]
    made: FenceArray | None = _or_null(FenceArray.create, members, context=context, seqno=seqno)
    return made


@spelled("dma_fence_array_alloc")
def dma_fence_array_alloc(num_fences: int) -> FenceArray | None:
    """Memory for an array."""
    made: FenceArray | None = _or_null(FenceArray.alloc, num_fences)
    return made


@spelled("dma_fence_array_init")
def dma_fence_array_init(
    array: FenceArray, num_fences: int, fences: Sequence[Fence], context: int, seqno: int
) -> None:
    """Make memory an array of fences, whose references it takes over."""
    array.init(fences[:num_fences], context=context, seqno=seqno)


@spelled("to_dma_fence_array")
def to_dma_fence_array(fence: Fence | None) -> FenceArray | None:
    """The fence, if it is an array."""
    return fence if isinstance(fence, FenceArray) else None


# -- chains ------------------------------------------------------------------------------------


@spelled("dma_fence_chain_alloc")
def dma_fence_chain_alloc() -> FenceChain | None:
    """Memory for a node."""
    made: FenceChain | None = _or_null(FenceChain.alloc)
    return made


@spelled("to_dma_fence_chain")
def to_dma_fence_chain(fence: Fence | None) -> FenceChain | None:
    """The fence, if it is a node of a chain."""
    return fence if isinstance(fence, FenceChain) else None


@spelled("dma_fence_chain_find_seqno")
@returns_errno
def dma_fence_chain_find_seqno(pfence: list[Fence | None], seqno: int) -> int:
    """0 and `pfence[0]` becomes the point's node, or None; -EINVAL leaves it alone."""
    fence = pfence[0]
    if seqno:
        pfence[0] = find_seqno(fence, seqno)  # type: ignore[arg-type]
    return 0


@spelled("dma_fence_chain_for_each")
def dma_fence_chain_for_each(head: Fence | None) -> Iterator[Fence]:
    """The head, then what is pending before it, from new to old."""
    return chain_for_each(head)


# -- unwrap and merge --------------------------------------------------------------------------


class dma_fence_unwrap:  # noqa: N801 - C spells it so
    """A cursor of an iteration over what containers contain."""

    __slots__ = ("rest",)

    rest: Iterator[Fence]


@spelled("dma_fence_unwrap_first")
def dma_fence_unwrap_first(head: Fence | None, cursor: dma_fence_unwrap) -> Fence | None:
    """The first fence inside `head`; the cursor goes on from there."""
    cursor.rest = unwrap(head)
    return next(cursor.rest, None)


@spelled("dma_fence_unwrap_next")
def dma_fence_unwrap_next(cursor: dma_fence_unwrap) -> Fence | None:
    """The next one, None at the end."""
    return next(cursor.rest, None)


@spelled("dma_fence_unwrap_for_each")
def dma_fence_unwrap_for_each(head: Fence | None) -> Iterator[Fence]:
    """All of them."""
    return unwrap(head)


@spelled("dma_fence_unwrap_merge")
def dma_fence_unwrap_merge(*fences: Fence | None) -> Fence | None:
    """One fence for all; None if there was no memory."""
    made: Fence | None = _or_null(merge, *fences)
    return made


@spelled("__dma_fence_unwrap_merge")
def merge_of(
    num_fences: int, fences: Sequence[Fence | None], _cursors: object = None
) -> Fence | None:
    """The same for the first `num_fences` of an array."""
    return dma_fence_unwrap_merge(*fences[:num_fences])


@spelled("dma_fence_dedup_array")
def dma_fence_dedup_array(fences: list[Fence], num_fences: int) -> int:
    """Sort the first `num_fences` and keep the latest of each context; returns how many.

    References to the others are put. For no fences the answer is 1, as in the kernel.
    """
    given = fences[:num_fences]
    kept = dedup_array(given)
    fences[:num_fences] = kept
    for fence in given:
        if all(fence is not one for one in kept):
            fence.put()
    return max(len(kept), 1)
