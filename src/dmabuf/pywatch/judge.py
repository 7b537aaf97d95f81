"""Which dependencies close to a deadlock, and how sure that is.

First the very locks that were seen are followed; where they close no chain, their classes are: two
locks made in one line are then taken for one, as a kernel's validator does, and the conflict is
suspected only. Nesting of two locks of one class is judged by the locks alone, or every tree of
locks would be suspected.

    >>> Judge(Limits(steps=10)).conflicts()
    ()
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dmabuf.pywatch.dependency import TAKES, Dependency, is_possible

__all__ = ["PASSED_ON", "Conflict", "Judge", "Limits"]

PASSED_ON = "passed on"
"""The role of a class whose locks one thread takes and another frees: they are events then."""

_Chain = tuple[Dependency, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a judge keeps and looks at.

    Attributes:
        dependencies: how many are kept in all.
        steps: how many chains are looked at for each new dependency.
        conflicts: how many are kept.
    """

    dependencies: int = 1 << 16
    steps: int = 4000
    conflicts: int = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Conflict:
    """A closed chain; the last dependency is the one that closed it.

    Attributes:
        links: the chain.
        exact: its locks are the same, not only their classes.
        itself: one thread asked for a lock that it held.
    """

    links: _Chain
    exact: bool
    itself: bool = False

    @property
    def one_thread(self) -> bool:
        """Was all this seen of fewer threads than it needs?"""
        return len({link.thread for link in self.links}) < len(self.links)

    @property
    def is_guess(self) -> bool:
        """Is it suspected only?"""
        if self.itself:
            return False
        certain = all(link.is_certain for link in self.links)
        return not (self.exact and certain) or self.one_thread

    @property
    def is_void(self) -> bool:
        """Has it turned out since that a lock held is none?"""
        return any(link.before.role == PASSED_ON and link.kind == TAKES for link in self.links)

    @property
    def key(self) -> object:
        """The same conflict, seen again, has the same key."""
        edges = frozenset((link.before.number, link.after.number) for link in self.links)
        return self.itself, edges


class Judge:
    """All dependencies, and the conflicts among them. Whoever adds keeps others out.

    Attributes:
        full: how many dependencies were not kept.
        cut: how many were not compared with all others.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.full = 0
        self.cut = 0
        self.lost = 0
        self._count = 0
        self._by_lock: dict[int, list[Dependency]] = defaultdict(list)
        self._by_class: dict[int, list[Dependency]] = defaultdict(list)
        self._found: dict[Any, Conflict] = {}

    def conflicts(self) -> tuple[Conflict, ...]:
        """All that still stand, the certain ones first, else in order of being found."""
        found = [one for one in list(self._found.values()) if not one.is_void]
        return tuple(sorted(found, key=lambda one: one.is_guess))

    def add(self, new: Dependency, closes: bool) -> list[Conflict]:
        """One more dependency.

        Args:
            new: the dependency.
            closes: its classes lie on a closed path; if not, nothing is searched.

        Returns:
            The conflicts that it makes and that were not known as well as now.
        """
        if self._count >= self.limits.dependencies:
            self.full += 1
            return []
        self._count += 1
        self._by_lock[new.had].append(new)
        self._by_class[new.before.number].append(new)
        if not closes:
            return []
        conflicts = [Conflict(chain, exact=True) for chain in self._closed(new, exact=True)]
        if all(one.is_guess for one in conflicts) and new.before is not new.after:
            chains = self._closed(new, exact=False)
            conflicts += [Conflict(chain, exact=False) for chain in chains]
        return [one for one in conflicts if self.keep(one)]

    def keep(self, conflict: Conflict) -> bool:
        """Put a conflict down; False if it is known, and no less certain."""
        known = self._found.get(conflict.key)
        if known is None and len(self._found) >= self.limits.conflicts:
            self.lost += 1
            return False
        if known is not None and _rank(known) <= _rank(conflict):
            return False
        self._found[conflict.key] = conflict
        return True

    # -- searching -----------------------------------------------------------------------------

    def _closed(self, new: Dependency, *, exact: bool) -> Iterator[_Chain]:
        """The shortest closed chains through a dependency, breadth first; it comes last in them."""
        queue: deque[_Chain] = deque([(new,)])
        left = self.limits.steps
        shortest = 0
        while queue:
            chain = queue.popleft()
            if shortest and len(chain) >= shortest:
                return
            for dependency in list(self._after(chain[-1], exact)):
                left -= 1
                if left < 0:
                    self.cut += 1
                    return
                if not all(is_possible(dependency, one) for one in chain):
                    continue
                longer = (*chain, dependency)
                if _meets(dependency, new, exact):
                    shortest = len(longer)
                    yield (*longer[1:], new)
                elif not any(_meets(dependency, one, exact) for one in chain[1:]):
                    queue.append(longer)

    def _after(self, last: Dependency, exact: bool) -> list[Dependency]:
        """What may come next in a chain."""
        if exact:
            return self._by_lock.get(last.needed, [])
        return [
            one for one in self._by_class.get(last.after.number, []) if one.before is not one.after
        ]


def _meets(one: Dependency, other: Dependency, exact: bool) -> bool:
    """Does the first ask for what the second has?"""
    return one.needed == other.had if exact else one.after is other.before


def _rank(conflict: Conflict) -> tuple[bool, bool, bool, bool]:
    """How good a conflict is as evidence, the best first."""
    timed = any(link.timed for link in conflict.links)
    return conflict.is_guess, conflict.one_thread, not conflict.exact, timed
