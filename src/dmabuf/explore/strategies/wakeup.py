"""Trees of steps that are to be made below a state, each way through them for a race.

A race asks for a whole sequence of steps. It goes into the tree that waits below a branch, unless
what is explored before would do for it: a *weak initial*, a transition that the sequence has before
all that it conflicts with, or that commutes with all of it (P. Abdulla, S. Aronis, B. Jonsson,
K. Sagonas, "Source Sets: A Foundation for Optimal Dynamic Partial Order Reduction", 2017,
section 5). docs/design/0023-wakeup-trees.md says what that is good for.

    >>> tree = Tree()
    >>> _ = tree.insert([(256, (3,)), (512, (5,))], [])
    >>> _ = tree.insert([(512, (5,)), (256, (3,)), (768, (3,))], [])
    >>> list(tree.branches), list(tree.branches[256].branches)
    ([256], [512])
"""

from __future__ import annotations

from dmabuf.explore.dependence import independent
from dmabuf.rt.strategy import VARIANTS

__all__ = ["Planned", "Tree", "begins", "without"]

Footprint = tuple[int, ...]


Planned = tuple[int, Footprint | None]
"""A step that is to be made, and what it will touch, if that is known."""


def begins(transition: int, footprint: Footprint | None, steps: list[Planned]) -> bool | None:
    """Could a transition come before some steps, as one of them or besides? None if not known."""
    task = transition // VARIANTS
    for index, (one, touched) in enumerate(steps):
        if one // VARIANTS == task:
            if one != transition:
                return False
            footprint = touched
            steps = steps[:index]
            break
    for _one, touched in steps:
        if touched is None or footprint is None:
            return None
        if not independent(touched, footprint):
            return False
    return True


def without(transition: int, steps: list[Planned]) -> list[Planned]:
    """The steps but for the first that is that transition, if one is."""
    for index, step in enumerate(steps):
        if step[0] == transition:
            return steps[:index] + steps[index + 1 :]
    return steps


class Tree:
    """What is to be explored below a state.

    Attributes:
        branches: by transition, in the order in which they are explored, what is to follow.
        footprints: of these transitions.
    """

    __slots__ = ("branches", "footprints")

    def __init__(self) -> None:
        self.branches: dict[int, Tree] = {}
        self.footprints: dict[int, Footprint | None] = {}

    def insert(self, steps: list[Planned], used: list[Footprint]) -> bool:
        """Have a sequence explored: below the first branch that could begin it, else in a new one.

        A way through the tree that the sequence goes on from becomes longer.

        Args:
            steps: the sequence.
            used: what branches touch that it goes below and that are none of its steps is added.

        Returns False if it is not known whether a branch before could have begun it.
        """
        tree, is_sure = self, True
        while steps:
            found = -1
            for branch, footprint in tree.footprints.items():
                could = begins(branch, footprint, steps)
                if could:
                    found = branch
                    break
                is_sure = is_sure and could is not None
            if found < 0:
                found, touched = steps[0]
                tree.footprints[found] = touched
                tree.branches[found] = Tree()
            rest = without(found, steps)
            touched = tree.footprints[found]
            if touched is not None and len(rest) == len(steps):
                used.append(touched)
            steps = rest
            tree = tree.branches[found]
        return is_sure
