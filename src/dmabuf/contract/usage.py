"""Which locks are taken in interrupts, and which are held where one may come.

Mirrors: kernel/locking/lockdep.c (usage bits, facts)

A lock that a handler takes must not wait for one that is ever held with interrupts on: whoever
holds that one may be interrupted by the handler. So from the first kind to the second there may
be no strong path (see `modes`), an interrupt being the edge that closes it. What can be reached
from a lock of the first kind is kept as marks that grow with the graph, a few bits a class; so a
new edge costs what it changes. Hard and soft irqs are told apart, and so are readers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dmabuf.contract.modes import EXCLUSIVE, RECURSIVE, RECURSIVE_END, SHARED_START, may_follow

if TYPE_CHECKING:
    from dmabuf.contract.order import Node, Order

__all__ = ["HARDIRQ", "HARDIRQS_OFF", "INTERRUPT", "SOFTIRQ", "SOFTIRQS_OFF", "Usage"]

HARDIRQ = 1
SOFTIRQ = 2
HARDIRQS_OFF = 4
SOFTIRQS_OFF = 8
"""The bits of a context: where it runs, and what cannot come in between."""
NO_IRQ = 16
"""The lock cannot meet interrupts: it is no lock but something that is said."""

INTERRUPT = 99
"""The kind of a link that is an interrupt."""

_IRQS = ("hardirq", "softirq")


class Usage:
    """What is known of locks and interrupts.

    Args:
        order: whose locks they are.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._used: dict[tuple[int, int], Any] = {}
        self._open: dict[tuple[int, int, int], Any] = {}
        self._marks: dict[int, int] = {}
        self._told: set[tuple[int, int]] = set()

    # -- what happens --------------------------------------------------------------------------

    def taken(self, node: Node) -> None:
        """A lock was taken in a way not seen before."""
        context = node.context
        if context & NO_IRQ:
            return
        if context & HARDIRQ:
            self._use(0, node)
        else:
            if context & SOFTIRQ:
                self._use(1, node)
            if not context & HARDIRQS_OFF:
                self.exposed(0, node)
        if not context & (HARDIRQ | SOFTIRQ | HARDIRQS_OFF | SOFTIRQS_OFF):
            self.exposed(1, node)

    def exposed(self, irq: int, node: Node) -> None:
        """A lock is held while interrupts of a kind (0 hard, 1 soft) may come."""
        assert node.cls is not None
        key = (irq, node.cls.number, SHARED_START if node.mode != EXCLUSIVE else 0)
        if key not in self._open:
            self._open[key] = node
            self._judge(irq, node.cls.number)

    def connected(self, before: int, after: int, kind: int) -> None:
        """An edge was added: what was reached before it reaches further now."""
        marks = self._marks.get(before, 0)
        if marks:
            self._spread([(after, _through(marks, kind & 3))])

    def _use(self, irq: int, node: Node) -> None:
        assert node.cls is not None
        number = node.cls.number
        recursive = RECURSIVE_END if node.mode == RECURSIVE else 0
        if (irq, number * 2 + recursive) in self._used:
            return
        self._used[irq, number * 2 + recursive] = node
        self._spread([(number, 1 << (irq * 2 + recursive))])

    # -- marks ---------------------------------------------------------------------------------

    def _spread(self, left: list[tuple[int, int]]) -> None:
        """Put marks on classes and all that follow them."""
        graph = self._order.graph
        changed: list[int] = []
        while left:
            number, marks = left.pop()
            known = self._marks.get(number, 0)
            if marks & ~known == 0:
                continue
            self._marks[number] = known | marks
            changed.append(number)
            if number >= len(graph.out):
                continue
            for edge in graph.out[number].values():
                kinds = [kind for kind in range(4) if edge.kinds >> kind & 1]
                left += [(edge.after, _through(marks, kind)) for kind in kinds]
        for number in changed:
            for irq in (0, 1):
                self._judge(irq, number)

    def _judge(self, irq: int, number: int) -> None:
        """Does a handler's lock lead to this one, which is held where the handler may come?"""
        marks = self._marks.get(number, 0) >> irq * 2 & 3
        if not marks or (irq, number) in self._told:
            return
        for shared in (0, SHARED_START):
            node = self._open.get((irq, number, shared))
            ends = [end for end in (0, RECURSIVE_END) if marks >> end & 1]
            if node is not None and any(may_follow(end, shared) for end in ends):
                self._told.add((irq, number))
                self._tell(irq, node, shared)
                return

    def _tell(self, irq: int, node: Node, shared: int) -> None:
        """Find the way from a handler's lock to this one, and report it."""
        from dmabuf.contract.order import Cycle, Link

        order = self._order
        assert node.cls is not None
        for (kind, code), user in self._used.items():
            start = (code // 2, code % 2)
            path = (
                order.graph.path(start, node.cls.number, shared)
                if code // 2 < len(order.graph.out)
                else ([] if code // 2 == node.cls.number and may_follow(code % 2, shared) else None)
            )
            if kind != irq or path is None:
                continue
            interrupt = Link(
                node.cls,
                user.cls,
                INTERRUPT,
                node.who,
                node.instance,
                user.instance,
                node.stack,
                user.stack,
                node.mode,
                user.mode,
                why=f"a {_IRQS[irq]} may come ({user.who} is one)",
            )
            links = tuple(replace(edge.best) for edge in path)
            order.found(Cycle((*links, interrupt), _IRQS[irq]))
            return


def _through(marks: int, kind: int) -> int:
    """What becomes of marks along an edge of a kind."""
    end = kind & RECURSIVE_END
    passed = 0
    for irq in (0, 1):
        for came in (0, RECURSIVE_END):
            if marks >> (irq * 2 + came) & 1 and may_follow(came, kind):
                passed |= 1 << (irq * 2 + end)
    return passed
