"""When two steps commute: the one place that says so.

Steps of one task never commute. Steps of different tasks commute unless they touch a common
object that one of them changes; what a step touches in the present state is its operation's
`footprint` (a lock that `trylock` finds taken is only read, and so is a fence that is signalled
once more). Footprints are tuples of numbers: twice the object's number, plus one for a change.

    >>> independent((4, 7), (4, 8)), independent((4,), (5,))
    (True, False)
"""

from __future__ import annotations

__all__ = ["independent"]


def independent(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Do two steps with these footprints lead to the same state in either order?"""
    for mine in one:
        if mine & 1:
            if mine in other or mine - 1 in other:
                return False
        elif mine + 1 in other:
            return False
    return True
