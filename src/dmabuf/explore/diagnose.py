"""From a state of rest to the rule it breaks: follow who waits for whom.

A fence has no holder. Its possible signallers are the tasks that signalled it in any explored
run, so a diagnosis is made when the search has ended. From each pending fence the chain goes to
its signallers, from a blocked one to whoever could end that wait, and so on until it closes,
leaves the kernel (userspace, hung hardware) or ends at a task that has gone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from dmabuf.codes import PRECEDENCE, implied_by
from dmabuf.explore.snapshot import Blocked, Snapshot
from dmabuf.rt.api import Kind

__all__ = ["Diagnosis", "Wakers", "diagnose"]

Wakers = Mapping[int, set[int]]
"""By object number: the tasks that ended a wait on it in some explored run."""

_LOCK_RULES = {"ww_mutex.wait": "DF201"}
"""Rules for locks that everybody knows to be held across waits, by the operation that waits."""

_RANK = {code: rank for rank, code in enumerate(PRECEDENCE)}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The leading rule, what follows from it, one sentence, and the tasks of the chain."""

    code: str
    message: str
    chain: tuple[int, ...]
    implied: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Edge:
    """One link of the chain: `task` waits for an object; `via` is lock, fence, event or irq.

    Of a lock also the operation that waits, and the lock's own rule if it has one.
    """

    task: int
    via: str
    label: str
    op: str = ""
    rule: str = ""


def diagnose(
    snapshot: Snapshot, wakers: Wakers, stoppers: Collection[tuple[int, int]] = ()
) -> Diagnosis:
    """What is wrong in a bad state of rest; the most specific rule leads.

    Args:
        snapshot: the state.
        wakers: who may end a wait on which object.
        stoppers: (task, fence) where the task may stop for ever with the fence pending. A
            userspace task that ended without its part and is none of these left it undone in
            a system call, so the kernel gave up.
    """
    finder = _Finder(snapshot, wakers, stoppers)
    if snapshot.timers:
        return finder.of_timers()
    found = [finder.of_fence(fence) for fence in snapshot.pending]
    found += [finder.of_task(task, ()) for task in snapshot.owed]
    if all(one.code != "DF004" for one in found):
        found += [finder.of_kept(task) for task in snapshot.kept]
    if snapshot.endless and not found:
        found.append(finder.of_loop())
    if not found:
        found = [Diagnosis(code, message, ()) for code, message in snapshot.left]
    if not found:
        found = [finder.of_unmet(name) for name in snapshot.unmet]
    lead = min(found, key=lambda one: (_RANK[one.code], len(one.chain), one.message))
    applies = {one.code for one in found}
    if snapshot.pending:
        applies.add("DF101")
    if finder.closed:
        applies.add("DF001")
    implied = tuple(sorted((applies & implied_by(lead.code)) - {lead.code}))
    return Diagnosis(lead.code, lead.message, lead.chain, implied)


class _Finder:
    """One walk through a snapshot."""

    def __init__(
        self, snapshot: Snapshot, wakers: Wakers, stoppers: Collection[tuple[int, int]]
    ) -> None:
        self.state = snapshot
        self.wakers = wakers
        self.stoppers = stoppers
        self.dead = {task: why for task, why, _starter in snapshot.dead}
        self.starters = {task: who for task, _why, who in snapshot.dead if who >= 0}
        self.acts = dict(snapshot.acts)
        self.failures = dict(snapshot.failures)
        self.closed = False

    def of_timers(self) -> Diagnosis:
        """Only time goes on, and a fence is pending that is to signal without it."""
        state = self.state
        fence = self.label(state.pending[0])
        who = [task for task, _obj in state.timers]
        ways = " or ".join(self._timeout_of(task) for task in who)
        users = [task for task in state.stopped if state.kinds.get(task) is Kind.USER]
        stopped = "".join(f"; userspace task {self.name(task)} may stop for ever" for task in users)
        message = f"only {ways} leads to the signal of {fence}, though no job hangs{stopped}"
        return Diagnosis("DF101", message, (*who, *users))

    def _timeout_of(self, task: int) -> str:
        entry = self.state.blocked.get(task)
        if entry is None or entry.label == self.name(task):
            return self.name(task)
        return f"the timeout of {self.name(task)}'s wait for {entry.label}"

    def of_fence(self, fence: int) -> Diagnosis:
        """Why a published fence stays pending."""
        label = self.label(fence)
        signallers = sorted(self.wakers.get(fence, ()))
        if not signallers:
            message = f"nobody signals {label}, which others may see, in any explored run"
            return Diagnosis("DF101", message, ())
        reasons = [self._not_signalled(task, fence) for task in signallers]
        return min(reasons, key=lambda one: (_RANK[one.code], len(one.chain)))

    def _not_signalled(self, task: int, fence: int) -> Diagnosis:
        state, name, label = self.state, self.name(task), self.label(fence)
        if task in self.dead:
            message = f"{self.dead[task]}, and nothing completes {label}, which {name} would signal"
            return Diagnosis("DF102", message, (task, *self._starter(task)))
        if task in state.blocked:
            return self.of_task(task, (), fence=fence)
        if task in state.loops:
            message = f"{name} {self._repeats()} without signalling {label}"
            return self._in_act(task, label, Diagnosis("DF108", message, (task,)))
        if self._is_userspace(task, fence):
            message = f"{label} is signalled by userspace task {name} only, which may stop for ever"
            return Diagnosis("DF101", message, (task,))
        if task in state.stopped:
            message = f"{name} may hang, and nothing else signals {label} then"
            return Diagnosis("DF101", message, (task,))
        if task in state.names:
            message = f"{name} ended without signalling {label}, which others may see"
            return self._without(task, Diagnosis("DF109", message, (task,)))
        message = f"the task that would signal {label} was never started"
        return Diagnosis("DF101", message, ())

    def _is_userspace(self, task: int, fence: int | None) -> bool:
        """Is it up to userspace whether this task, which is not blocked, does its part?"""
        state = self.state
        if state.kinds.get(task) is not Kind.USER:
            return False
        return fence is None or task not in state.finished or (task, fence) in self.stoppers

    def of_loop(self) -> Diagnosis:
        """Tasks that owe an end and run for ever."""
        state = self.state
        together = [self.name(task) for task in state.loops]
        if len(together) == 1:
            message = f"{together[0]} {self._repeats()}, and nothing ends that"
        else:
            who = ", ".join(together[:-1]) + " and " + together[-1]
            message = f"{who} repeat the same {state.turn} steps for ever"
        return Diagnosis("DF001", message, state.loops)

    def _repeats(self) -> str:
        """What a task does in a run that comes back to the same state."""
        if len(self.state.loops) > 1:
            return f"goes round the same {self.state.turn} steps with others for ever"
        steps = "step" if self.state.turn == 1 else f"{self.state.turn} steps"
        return f"repeats the same {steps} for ever"

    def of_unmet(self, name: str) -> Diagnosis:
        """A property that was to become true."""
        where = "in a run that never ends" if self.state.loops else "where the run comes to rest"
        return Diagnosis("DF005", f"{name} is not true {where}", ())

    def of_kept(self, task: int) -> Diagnosis:
        """What is wrong with a task that has ended and left a lock held."""
        lock = self.label(self.state.holds[task][-1])
        return Diagnosis("DF004", f"{self.name(task)} ended while it held {lock}", (task,))

    def of_task(self, task: int, path: tuple[_Edge, ...], *, fence: int | None = None) -> Diagnosis:
        """Why a blocked task stays blocked; `path` is the chain that led here."""
        if any(edge.task == task for edge in path):
            self.closed = True
            start = next(i for i, edge in enumerate(path) if edge.task == task)
            return self._cycle(path[start:], path, fence)
        entry = self.state.blocked.get(task)
        if entry is None:
            found = self._without(task, self._dead_end(task, path, fence))
        else:
            found = self._of_blocked(entry, path, fence)
        return self._in_act(task, self._signal_ahead(path, fence), found)

    def _of_blocked(self, entry: Blocked, path: tuple[_Edge, ...], fence: int | None) -> Diagnosis:
        task = entry.task
        if entry.interrupted_by is not None:
            edge = _Edge(task, "irq", f"its CPU, which {self.name(entry.interrupted_by)} took")
            return self.of_task(entry.interrupted_by, (*path, edge), fence=fence)
        if entry.owners:
            edge = _Edge(task, "lock", entry.label, entry.op, entry.rule)
            found = [self.of_task(owner, (*path, edge), fence=fence) for owner in entry.owners]
            return min(found, key=lambda one: (_RANK[one.code], len(one.chain)))
        return self._of_event(entry, path, fence)

    def _signal_ahead(self, path: tuple[_Edge, ...], fence: int | None) -> str:
        """The fence that the end of a chain is on the way to, by nothing but what it must do.

        Who merely holds a lock that is needed there is not; that has rules of its own.
        """
        for edge in reversed(path):
            if edge.via != "event":
                return edge.label if edge.via == "fence" else ""
        return "" if fence is None else self.label(fence)

    def _in_act(self, task: int, label: str, found: Diagnosis) -> Diagnosis:
        """The same by the rule that forbids, before a signal, what the task is in the middle of."""
        act = self.acts.get(task)
        if act is None or not label or _RANK[act.code] > _RANK[found.code]:
            return found
        message = f"{self.name(task)} {act.words} on the way to the signal of {label}"
        return replace(found, code=act.code, message=f"{message}; {found.message}")

    def _without(self, task: int, found: Diagnosis) -> Diagnosis:
        """What a task leaves undone that was refused memory."""
        words = self.failures.get(task)
        if not words or found.code != "DF109":
            return found
        return replace(found, code="DF105", message=f"without memory for {words}, {found.message}")

    def _of_event(self, entry: Blocked, path: tuple[_Edge, ...], fence: int | None) -> Diagnosis:
        task = entry.task
        chain = (*(edge.task for edge in path), task)
        if entry.lost:
            message = (
                f"{self.name(task)} sleeps on {entry.label} although its wake-up has come: "
                "it came before the task was queued, or before the condition was true"
            )
            return Diagnosis("DF002", message, chain)
        via = "fence" if entry.fences else "event"
        edge = _Edge(task, via, entry.label)
        objects = entry.fences or (entry.obj,)
        wakers = sorted({waker for obj in objects for waker in self.wakers.get(obj, ())})
        if not wakers:
            return self._no_waker(entry, (*path, edge), fence)
        found = [self.of_task(waker, (*path, edge), fence=fence) for waker in wakers]
        return min(found, key=lambda one: (_RANK[one.code], len(one.chain)))

    def _cycle(
        self, cycle: tuple[_Edge, ...], path: tuple[_Edge, ...], fence: int | None
    ) -> Diagnosis:
        vias = {edge.via for edge in cycle}
        chain = tuple(dict.fromkeys(edge.task for edge in path))
        if "irq" in vias:
            lock = next((edge.label for edge in cycle if edge.via == "lock"), "a lock")
            message = f"a handler spins for {lock}, which the task that it interrupted holds"
            return Diagnosis("DF003", message, chain)
        if "fence" in vias and "lock" in vias:
            return self._held_across(cycle, chain)
        if "fence" in vias:
            return Diagnosis("DF108", self._needs_itself(cycle), chain)
        if fence is not None and "event" in vias:
            message = f"on the way to the signal of {self.label(fence)}: {self._in_words(cycle)}"
            return Diagnosis("DF108", message, chain)
        return Diagnosis("DF001", self._in_words(cycle), chain)

    def _held_across(self, cycle: tuple[_Edge, ...], chain: tuple[int, ...]) -> Diagnosis:
        """DF202, or the rule for that lock: who holds it while it waits for which fence."""
        at = next(i for i, edge in enumerate(cycle) if edge.via == "fence")
        turned = cycle[at:] + cycle[:at]
        waits, locks = turned[0], [edge for edge in turned if edge.via == "lock"]
        lock = locks[-1]
        message = (
            f"{self.name(waits.task)} holds {lock.label} while it waits for {waits.label}; "
            f"{self.name(lock.task)} needs {lock.label} on the way to that signal"
        )
        return Diagnosis(lock.rule or _LOCK_RULES.get(lock.op, "DF202"), message, chain)

    def _needs_itself(self, cycle: tuple[_Edge, ...]) -> str:
        if len(cycle) == 1:
            edge = cycle[0]
            return f"{self.name(edge.task)} waits for {edge.label}, which it would signal itself"
        return "each waits for what the next would signal: " + self._in_words(cycle)

    def _in_words(self, cycle: tuple[_Edge, ...]) -> str:
        return ", ".join(f"{self.name(edge.task)} waits for {edge.label}" for edge in cycle)

    def _dead_end(self, task: int, path: tuple[_Edge, ...], fence: int | None) -> Diagnosis:
        """The chain ends at a task that is not blocked: it has ended, or may stop."""
        edge = path[-1]
        chain = tuple(dict.fromkeys([*(e.task for e in path), task]))
        waiter, name = self.name(edge.task), self.name(task)
        if task in self.dead and edge.via != "lock":
            on_the_way = self._on_the_way(fence)
            message = f"{self.dead[task]}; {waiter} waits for {edge.label}{on_the_way}, from {name}"
            return Diagnosis("DF001" if fence is None else "DF102", message, chain)
        if task in self.state.loops:
            return self._looping(edge, task, chain, fence)
        if edge.via == "lock":
            if task in self.state.finished:
                return Diagnosis("DF004", f"{name} ended while it held {edge.label}", chain)
            code = "DF001" if fence is None else "DF108"
            return Diagnosis(code, self._stops_holding(edge, task), chain)
        on_the_way = self._on_the_way(fence)
        if task in self.state.stopped and self.state.kinds.get(task) is Kind.HARDWARE:
            message = f"{waiter} waits for {edge.label}{on_the_way}; {name} may hang"
            return Diagnosis("DF001" if fence is None else "DF101", message, chain)
        if self._is_userspace(task, fence):
            message = (
                f"{waiter} waits for {edge.label}{on_the_way}, which userspace task {name} controls"
            )
            return Diagnosis("DF001" if fence is None else "DF108", message, chain)
        if edge.via == "fence":
            message = f"{name} ended without signalling {edge.label}, which {waiter} waits for"
            return Diagnosis("DF109", message, chain)
        if fence is not None and (task, self.state.blocked[edge.task].obj) not in self.state.woke:
            undone = f"what {waiter} waits for ({edge.label}){on_the_way}"
            return Diagnosis("DF109", f"{name} ended without doing {undone}", chain)
        message = f"{waiter} waits for {edge.label}{on_the_way}, but {name} has done all it does"
        return Diagnosis("DF001" if fence is None else "DF108", message, chain)

    def _starter(self, job: int) -> tuple[int, ...]:
        return (self.starters[job],) if job in self.starters else ()

    def _on_the_way(self, fence: int | None) -> str:
        return "" if fence is None else f" on the way to the signal of {self.label(fence)}"

    def _looping(
        self, edge: _Edge, task: int, chain: tuple[int, ...], fence: int | None
    ) -> Diagnosis:
        on_the_way = self._on_the_way(fence)
        message = (
            f"{self.name(edge.task)} waits for {edge.label}{on_the_way}; "
            f"{self.name(task)} {self._repeats()} instead"
        )
        return Diagnosis("DF001" if fence is None else "DF108", message, chain)

    def _stops_holding(self, edge: _Edge, task: int) -> str:
        return (
            f"{self.name(task)} may stop while it holds {edge.label}, which "
            f"{self.name(edge.task)} waits for (kernel code belongs inside machine.syscall())"
        )

    def _no_waker(self, entry: Blocked, path: tuple[_Edge, ...], fence: int | None) -> Diagnosis:
        chain = tuple(dict.fromkeys(edge.task for edge in path))
        waiter = self.name(entry.task)
        if entry.fences:
            message = f"{waiter} waits for {entry.label}, which nobody signals in any explored run"
            return Diagnosis("DF101", message, chain)
        message = f"{waiter} waits for {entry.label}, which nobody ends in any explored run"
        if fence is not None:
            way = f"on the way to the signal of {self.label(fence)}"
            return Diagnosis("DF108", f"{way}, {message}", chain)
        return Diagnosis("DF001", message, chain)

    def name(self, task: int) -> str:
        """A task's name."""
        return self.state.names.get(task, "a task that was not started")

    def label(self, obj: int) -> str:
        """An object's name."""
        return self.state.labels.get(obj, "?")
