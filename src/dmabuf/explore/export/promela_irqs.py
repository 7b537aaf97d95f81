"""Interrupt lines in Promela: which CPU a handler takes, and whose steps that keeps back.

Written from how interrupts work. A handler starts on an idle CPU, or on that of a task with
interrupts on; interrupting a task that holds no spinlock is no different from having it wait, so
only holders of one are interrupted. Until the handler has ended, they make no step.

Variables: `taken[t]` is the handler on the CPU of task t, `on[h]` the task that handler h has
interrupted, `off[t]` how often t has turned interrupts off.

    >>> [way.guard for way in IRQ_WORDS["irq.enable"](Words("line", 1, None, "assert(false)"))]
    ['line_depth > 0', 'line_depth == 0']
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dmabuf.explore.export.lines import Line, Recording
from dmabuf.explore.export.promela_words import Described, Untranslatable, Way, Words
from dmabuf.irq import IrqLine

__all__ = ["IRQ_WORDS", "Handlers", "describe_line"]

_OFF = {"spinlock.lock_irqsave": "++", "spinlock.unlock_irqrestore": "--"}
_SPINNING = "spinlock."
_BEYOND = "rwlock."


def describe_line(line: IrqLine) -> Described:
    """The variables of a line."""
    counts = tuple((kind, suffix, "", "0") for kind, suffix in (("byte", ""), ("byte", "_depth")))
    flags = ("_masked", "_freed", "_wanted", "_threading")
    constants = (("_threaded", line.thread_fn is not None), ("_oneshot", line.oneshot))
    return Described(
        "irq",
        (
            *counts,
            ("byte", "_runner", "", "0"),
            *(("bool", suffix, "", "0") for suffix in flags),
            *(("bool", suffix, "", str(int(value))) for suffix, value in constants),
        ),
    )


def _does(*statements: str) -> Callable[[Words], list[Way]]:
    return lambda w: [Way("", tuple(one.format(x=w.x) for one in statements))]


def _enable(w: Words) -> list[Way]:
    return [Way(f"{w.x}_depth > 0", (f"{w.x}_depth--",)), Way(f"{w.x}_depth == 0", (w.wrong,))]


def _free(w: Words) -> list[Way]:
    return [Way(f"!{w.x}_freed", (f"{w.x}_freed = 1",)), Way(f"{w.x}_freed", (w.wrong,))]


def _enter(w: Words) -> list[Way]:
    may = f"{w.x} > 0 && {w.x}_depth == 0 && !{w.x}_masked && !{w.x}_freed"
    return [Way(may, (f"{w.x}--", f"{w.x}_runner = {w.me}"))]


def _leave(w: Words) -> list[Way]:
    wakes = (
        f"{w.x}_wanted = {w.x}_wanted || {w.x}_threaded",
        f"{w.x}_masked = {w.x}_threaded && {w.x}_oneshot",
    )
    return [Way("", (f"{w.x}_runner = 0", *(wakes if w.arg else ())))]


def _begin_thread(w: Words) -> list[Way]:
    return [Way(f"{w.x}_wanted", (f"{w.x}_wanted = 0", f"{w.x}_threading = 1"))]


def _synchronize(w: Words) -> list[Way]:
    return [Way(f"{w.x}_runner == 0 && !{w.x}_wanted && !{w.x}_threading")]


IRQ_WORDS: dict[str, Callable[[Words], list[Way]]] = {
    "irq.disable": _does("{x}_depth++"),
    "irq.enable": _enable,
    "irq.enter": _enter,
    "irq.free": _free,
    "irq.leave": _leave,
    "irq.raise": _does("{x}++"),
    "irq.synchronize": _synchronize,
    "irq.thread": _begin_thread,
    "irq.thread_end": _does("{x}_threading = 0", "{x}_masked = {x}_masked && {x}_wanted"),
}


class Handlers:
    """Who interrupts whom in a design.

    Args:
        recording: the design.
        me: by task number, its number in the model, from 1.
        variable: by object number.
        prefix: of names.

    Attributes:
        open: by task number, what is true while it holds a spinlock; of tasks that ever do.
    """

    def __init__(
        self, recording: Recording, me: dict[int, int], variable: dict[int, str], prefix: str
    ) -> None:
        self._me = me
        self._prefix = prefix
        objects = recording.objects.values()
        self.exist = any(isinstance(one, Described) and one.kind == "irq" for one in objects)
        self.open: dict[int, str] = {}
        for line in recording.lines if self.exist else ():
            locks = {e.obj for e in line.entries if e.op.startswith(_SPINNING)}
            held = [f"{variable[lock]} == {me[line.number]}" for lock in sorted(locks)]
            if held and not any(e.op == "irq.enter" for e in line.entries):
                self.open[line.number] = " || ".join(held)

    def variables(self, size: int) -> list[str]:
        """Declarations."""
        if not self.exist:
            return []
        said = {"taken": "by a handler", "on": "whose CPU", "off": "interrupts"}
        return [f"byte {self._prefix}{x}[{size}]; /* {why} */" for x, why in said.items()]

    def ways(self, line: Line, op: str, ways: list[Way]) -> list[Way]:
        """The ways of a step where handlers exist. Raises Untranslatable."""
        if not self.exist:
            return ways
        if op.startswith(_BEYOND):
            raise Untranslatable("reader-writer spinlocks and irq lines do not go together here")
        me = self._me[line.number]
        if op == "irq.enter":
            return [ways[0], *(self._interrupts(ways[0], me, other) for other in self.open)]
        if op == "irq.leave":
            on = f"{self._prefix}on[{me}]"
            gives = (f"{self._prefix}taken[{on}] = 0", f"{on} = 0")
            return [replace(way, does=(*way.does, *gives)) for way in ways]
        if op in _OFF:
            counts = f"{self._prefix}off[{me}]{_OFF[op]}"
            ways = [replace(w, does=(*w.does, counts)) if _is_change(w) else w for w in ways]
        if line.number not in self.open:
            return ways
        return [self._if_not_taken(way, me) for way in ways]

    def _interrupts(self, way: Way, me: int, task: int) -> Way:
        """The handler starts on the CPU of a task that holds a spinlock."""
        other, p = self._me[task], self._prefix
        may = f"({self.open[task]}) && {p}off[{other}] == 0 && {p}taken[{other}] == 0"
        takes = (f"{p}taken[{other}] = {me}", f"{p}on[{me}] = {other}")
        return Way(f"{way.guard} && {may}", (*way.does, *takes))

    def _if_not_taken(self, way: Way, me: int) -> Way:
        free = f"{self._prefix}taken[{me}] == 0"
        then = None if way.then is None else self._if_not_taken(way.then, me)
        guard = f"{free} && ({way.guard})" if way.guard else free
        return replace(way, guard=guard, then=then)


def _is_change(way: Way) -> bool:
    """Does the lock change hands, rather than a rule break?"""
    return any("=" in one and "assert" not in one for one in way.does)
