"""The order in which locks are taken: records go in, conflicts come out.

Mirrors: kernel/locking/lockdep.c (facts)

This is the validator's core without tasks and runtimes: whoever feeds it says "this thread takes
that lock". What one thread holds is a chain; a chain seen before costs one look into a table, a
new one puts its edges into the graph, with the stacks of both ends.

    >>> found = []
    >>> order = Order(found.append)
    >>> a, b = (order.classes.of(name, name) for name in "AB")
    >>> one, other = Holder("one"), Holder("other")
    >>> for holder, first, second in ((one, a, b), (other, b, a)):
    ...     order.acquire(holder, first.name, first)
    ...     order.acquire(holder, second.name, second)
    ...     order.release(holder, second.name); order.release(holder, first.name)
    True
    True
    True
    True
    >>> [type(one).__name__ for one in found], [str(link) for link in found[0].links]
    (['Cycle'], ['A -> B', 'B -> A'])
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from types import CodeType
from typing import Any

from dmabuf.contract.classes import Classes, LockClass
from dmabuf.contract.graph import GUESSED, Edge, Graph
from dmabuf.contract.limits import Limits, Reached
from dmabuf.contract.modes import EXCLUSIVE, RECURSIVE, kind_of
from dmabuf.contract.stacks import MECHANISM, Frames, frames_here, places
from dmabuf.contract.usage import INTERRUPT, Usage
from dmabuf.report.finding import Stack

__all__ = [
    "BOOT",
    "NESTED",
    "TRYLOCK",
    "Conflict",
    "Cycle",
    "Holder",
    "Link",
    "Nested",
    "Node",
    "Order",
    "link_of",
]

BOOT = "the contract"
"""The thread that states the order which everybody has to keep, in reports."""

TRYLOCK = 1
NESTED = 2
"""Flags of an acquisition: it did not wait; a lock held says that those of this class may nest."""


class Node:
    """A chain of locks held: the last one, how it was taken, and the chain before it.

    Attributes:
        parent: the chain without it; None where nothing is held.
        key: tells it from other chains of the same parent.
        mode: see `modes`.
        flags: TRYLOCK, NESTED.
        context: what kept interrupts away, see `usage`.
        instance: what people call the lock that first made this chain.
        who: the thread that first did.
        stack: where.
    """

    __slots__ = (
        "cls",
        "context",
        "depth",
        "flags",
        "following",
        "instance",
        "key",
        "mode",
        "parent",
        "stack",
        "who",
    )

    def __init__(
        self,
        parent: Node | None,
        cls: LockClass | None,
        mode: int,
        flags: int,
        context: int,
        key: int,
    ) -> None:
        self.parent = parent
        self.key = key
        self.cls = cls
        self.mode = mode
        self.flags = flags
        self.context = context
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.following: dict[int, Node] = {}
        self.instance = ""
        self.who = ""
        self.stack: Frames = ()


class Holder:
    """What one thread of control holds.

    Attributes:
        name: for people.
        locks: the locks, in order of taking.
        node: the same as a chain.
    """

    __slots__ = ("locks", "name", "node")

    def __init__(self, name: str) -> None:
        self.name = name
        self.locks: list[Any] = []
        self.node: Node | None = None

    def chain(self) -> list[Node]:
        """The locks held as nodes, the last one first."""
        nodes: list[Node] = []
        node = self.node
        while node is not None and node.parent is not None:
            nodes.append(node)
            node = node.parent
        return nodes


@dataclass(frozen=True, slots=True)
class Link:
    """One edge of a conflict, with its evidence.

    Attributes:
        before, after: the classes: held, and asked for meanwhile.
        kind: see `modes`; INTERRUPT for "is held where a handler may come that asks for".
        who: the thread that did it.
        held: what people call the lock that was held.
        taken: and the one asked for.
        held_frames: where the one was taken (when such a chain was first seen).
        taken_frames: and where the other was asked for.
        held_mode, taken_mode: how, see `modes`.
        why: words for a link that is no such pair.
    """

    before: LockClass
    after: LockClass
    kind: int
    who: str
    held: str
    taken: str
    held_frames: Frames
    taken_frames: Frames
    held_mode: int = EXCLUSIVE
    taken_mode: int = EXCLUSIVE
    why: str = ""

    @property
    def held_at(self) -> Stack:
        """The stack with which the lock held was taken."""
        return places(self.held_frames)

    @property
    def taken_at(self) -> Stack:
        """The stack with which the other was asked for."""
        return places(self.taken_frames)

    @property
    def is_stated(self) -> bool:
        """Does the contract state it, and no code?"""
        return self.who == BOOT

    @property
    def is_guess(self) -> bool:
        """Is the dependency suspected only?"""
        return self.kind != INTERRUPT and self.kind >= GUESSED

    def __str__(self) -> str:
        return f"{self.before.name} -> {self.after.name}"


@dataclass(frozen=True, slots=True)
class Cycle:
    """Classes whose locks are taken in an order that has no beginning.

    Attributes:
        links: the cycle; the last link is the one that closed it.
        context: "hardirq" or "softirq" if an interrupt is one of the links, else empty.
    """

    links: tuple[Link, ...]
    context: str = ""

    @property
    def is_guess(self) -> bool:
        """Does it need a link that is suspected only?"""
        return any(link.is_guess for link in self.links)


@dataclass(frozen=True, slots=True)
class Nested:
    """A lock was asked for while one of its class was held.

    Attributes:
        link: from the class to itself.
        same: it is the very same lock.
    """

    link: Link
    same: bool


Conflict = Cycle | Nested


class Order:
    """Everything known of who takes what while holding what.

    Args:
        found: called with each conflict, once for each edge that makes one.
        lock: held while something new is put in; where one thread runs at a time none is needed.
        label: what people call a lock.
        limits: how much is kept.
        skips: beginnings of file names: whose frames are not where a lock is taken.
        look: called with each new way of taking a lock: the holder as it was, the node, the lock.

    Attributes:
        classes: the lock classes.
        graph: the edges between them.
        usage: which of them meet interrupts.
        reached: the limits that were reached.
    """

    def __init__(
        self,
        found: Callable[[Conflict], object],
        *,
        lock: Any = None,
        label: Callable[[Any], str] = str,
        limits: Limits | None = None,
        skips: tuple[str, ...] = MECHANISM,
        look: Callable[[Holder, Node, Any], object] | None = None,
    ) -> None:
        self.found = found
        self.lock = lock or nullcontext()
        self.label = label
        self.reached = Reached(limits or Limits())
        self.classes = Classes(self.reached)
        self.graph = Graph()
        self.usage = Usage(self)
        self.root = Node(None, None, EXCLUSIVE, 0, 0, 0)
        self.chains = 0
        self._contradicts: dict[tuple[int, int, int], tuple[Link, ...]] = {}
        self._skips = skips
        self._look = look
        self._ours: set[CodeType] = set()
        self._theirs: set[CodeType] = set()
        self._sites: dict[tuple[CodeType, int], int] = {}

    # -- records -------------------------------------------------------------------------------

    def acquire(
        self,
        holder: Holder,
        lock: Any,
        cls: LockClass,
        mode: int = EXCLUSIVE,
        flags: int = 0,
        context: int = 0,
    ) -> None:
        """A thread takes a lock, or is about to: before it waits is the time to say so.

        Args:
            holder: the thread.
            lock: the instance.
            cls: its class.
            mode: EXCLUSIVE, READ or RECURSIVE.
            flags: TRYLOCK (it did not wait), NESTED (same-class nesting is covered).
            context: what keeps interrupts away and where it runs, see `usage`.
        """
        node = holder.node or self.root
        frame = sys._getframe(1)
        ours = self._ours
        while (code := frame.f_code) in ours or (code not in self._theirs and self._is_ours(code)):
            if frame.f_back is None:
                break
            frame = frame.f_back
        site = self._sites.get((code, frame.f_lasti))
        if site is None:
            site = self._new_site(code, frame.f_lasti)
        key = site << 32 | cls.number << 12 | context << 4 | flags << 2 | mode
        following = node.following.get(key)
        if following is None:
            following = self._first_time(holder, node, lock, cls, mode, flags, context, key)
            if following is None:
                return
        holder.locks.append(lock)
        holder.node = following

    def release(self, holder: Holder, lock: Any) -> bool:
        """A thread frees a lock; False if it is not known to hold it."""
        locks = holder.locks
        node = holder.node
        if node is not None and locks and locks[-1] is lock:
            locks.pop()
            holder.node = node.parent
            return True
        return self._release_below(holder, lock)

    def touch(self, holder: Holder, lock: Any, cls: LockClass, context: int = 0) -> None:
        """A thread waits for something that it will not hold: acquire and release in one."""
        before = len(holder.locks)
        self.acquire(holder, lock, cls, context=context)
        if len(holder.locks) > before:
            self.release(holder, lock)

    def depend(self, before: LockClass, after: LockClass, link: Link) -> None:
        """Add an edge that no chain shows, for example a guess."""
        with self.lock:
            self._connect(before, after, link)

    # -- sites ---------------------------------------------------------------------------------

    def _is_ours(self, code: CodeType) -> bool:
        """Is it code that takes locks for others? Remembered, as most records ask."""
        is_ours = code.co_filename.startswith(self._skips)
        (self._ours if is_ours else self._theirs).add(code)
        return is_ours

    def _new_site(self, code: CodeType, instruction: int) -> int:
        """A place that takes locks: each has chains of its own, so that stacks are its own."""
        with self.lock:
            return self._sites.setdefault((code, instruction), len(self._sites) + 1)

    # -- what is new ---------------------------------------------------------------------------

    def _first_time(
        self,
        holder: Holder,
        node: Node,
        lock: Any,
        cls: LockClass,
        mode: int,
        flags: int,
        context: int,
        key: int,
    ) -> Node | None:
        """Look at a chain that was not seen before; None if the task holds too many."""
        if node.depth >= self.reached.limits.depth:
            self.reached.note("depth")
            return None
        made = Node(node, cls, mode, flags, context, key)
        made.instance = self.label(lock)
        made.who = holder.name
        made.stack = frames_here(self.reached.limits.frames)
        with self.lock:
            self._remember(node, key, made)
            if not flags & TRYLOCK:
                self._check(holder, made, lock)
            self.usage.taken(made)
            if self._look is not None:
                self._look(holder, made, lock)
        return made

    def _remember(self, parent: Node, key: int, made: Node) -> None:
        if self.chains >= self.reached.limits.chains:
            self.reached.note("chains")
            return
        self.chains += 1
        parent.following[key] = made

    def _check(self, holder: Holder, node: Node, lock: Any) -> None:
        """Put the edges from all locks held into the graph."""
        assert node.cls is not None
        for index, held in enumerate(holder.chain()):
            assert held.cls is not None
            if held.cls is not node.cls:
                self._connect(held.cls, node.cls, link_of(held, node))
            elif not node.flags & NESTED and not (held.mode and node.mode == RECURSIVE):
                same = holder.locks[-1 - index] is lock
                self.found(Nested(link_of(held, node), same))

    def _connect(self, before: LockClass, after: LockClass, link: Link) -> None:
        """Add an edge. One that contradicts the contract is told for each place that makes it."""
        key = (before.number, after.number, link.kind)
        if self.graph.has(*key):
            stated = self._contradicts.get(key)
            if stated is not None:
                self.found(Cycle((*stated, link)))
            return
        cycle = self.graph.add(*key, link)
        self.usage.connected(*key)
        if cycle is None:
            return
        others = tuple(map(_link, cycle[:-1]))
        self.found(Cycle((*others, link)))
        if all(other.is_stated for other in others):
            self._contradicts[key] = others

    def _release_below(self, holder: Holder, lock: Any) -> bool:
        """Free a lock that is not the last one taken: the others stay in their order."""
        for index in range(len(holder.locks) - 1, -1, -1):
            if holder.locks[index] is lock:
                break
        else:
            return False
        nodes = holder.chain()
        nodes.reverse()
        del holder.locks[index]
        node = nodes[index].parent
        assert node is not None
        for later in nodes[index + 1 :]:
            node = self._without(node, later)
        holder.node = node
        return True

    def _without(self, parent: Node, node: Node) -> Node:
        """The same acquisition after another chain; all its edges are known."""
        assert node.cls is not None
        key = node.key
        found = parent.following.get(key)
        if found is None:
            found = Node(parent, node.cls, node.mode, node.flags, node.context, key)
            found.instance, found.who, found.stack = node.instance, node.who, node.stack
            self._remember(parent, key, found)
        return found


def link_of(held: Node, node: Node, guess: bool = False) -> Link:
    """The edge between a lock that is held and one that is asked for."""
    assert held.cls is not None
    assert node.cls is not None
    return Link(
        held.cls,
        node.cls,
        kind_of(held.mode, node.mode) | (GUESSED if guess else 0),
        node.who,
        held.instance,
        node.instance,
        held.stack,
        node.stack,
        held.mode,
        node.mode,
    )


def _link(edge: Edge) -> Link:
    link: Link = edge.best
    return link
