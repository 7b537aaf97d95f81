"""The validator: listens to a runtime and tells every rule that its run shows to be broken.

    from dmabuf.contract.validator import Validator

    validator = Validator()
    with validator.watching():
        ...                                   # locks, fences, workers, of any driver
    for finding in validator.findings:
        print(finding.code, finding.message)

It works on threads and under exploration alike, and one validator may watch many executions: what
it learns of classes adds up. It never stops at the first finding. Two locks taken in two orders
are told though neither run deadlocked; so is a lock on the way to a signal that is held across a
wait somewhere, or memory that is allocated there. Attach it before locks are made: then their
class is the place where they are made.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from dmabuf._names import no_kernel
from dmabuf.contract.alphabet import (
    ABANDONED,
    ASKED,
    AWAITED,
    BEGUN,
    CANCELLED,
    ENDED,
    FREED,
    QUEUED,
    TRIED,
)
from dmabuf.contract.calls import Calls
from dmabuf.contract.classes import LockClass
from dmabuf.contract.cross_release import GuessedEnds, GuessedSections
from dmabuf.contract.ends import Ends
from dmabuf.contract.fences import Fences
from dmabuf.contract.known import Known, TaskHolder, context_of, has_ended
from dmabuf.contract.limits import Limits
from dmabuf.contract.modes import EXCLUSIVE, READ, RECURSIVE
from dmabuf.contract.nesting import Nesting
from dmabuf.contract.order import NESTED, TRYLOCK, Order
from dmabuf.contract.prediction import Found, Prediction
from dmabuf.contract.prime import NOTIFIER, RECLAIM, prime
from dmabuf.contract.sections import NEWEST, Sections, Semantics
from dmabuf.contract.stacks import frames_here
from dmabuf.contract.usage import NO_IRQ
from dmabuf.report.finding import Finding
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import Op, Outcome, Task
from dmabuf.rt.notes import Note, attach, detach
from dmabuf.sync import completion, mutex, ww_mutex
from dmabuf.sync.gfp import Gfp

__all__ = ["Validator"]

_FS = int(Gfp.FS)
_NOT_IN_HANDLERS = frozenset({mutex.TRYLOCK, ww_mutex.TRYLOCK})

Handler = Callable[[TaskHolder, Op, Any], None]


class Validator:
    """An instrument that judges locks, fences and contexts.

    Args:
        semantics: of which kernel the fence annotation is: NEWEST or V6_12; CROSS_RELEASE to
            guess instead of reading it.
        mmu_notifier: as in a kernel with MMU notifiers; without them GFP_NOFS and GFP_NOIO in a
            signalling section go unnoticed, as there.
        limits: how much is kept; what was reached is in `limits`.

    Attributes:
        order: the order of locks, the core of it.
    """

    def __init__(
        self,
        *,
        semantics: Semantics = NEWEST,
        mmu_notifier: bool = True,
        limits: Limits | None = None,
    ) -> None:
        self._label: Callable[[Any], str] = str
        self.order = Order(self._conflict, label=self._name, limits=limits, look=self._look)
        self._found = Found(self.order.reached)
        self._nesting = Nesting(self._found) if semantics.looks_at_raw else None
        self._known = Known(self.order, prime(self.order, mmu_notifier=mmu_notifier))
        ends, sections = (GuessedEnds, GuessedSections) if semantics.guesses else (Ends, Sections)
        self._ends = ends(self._known)
        self._sections = sections(self._known, self._found, semantics, mmu_notifier=mmu_notifier)
        self._fences = Fences(self._known, self._sections, self._ends)
        self._calls = Calls(self._known)
        self._nests: dict[TaskHolder, tuple[int, Any]] = {}
        self._holders = self._known.holders
        self._classes = self._known.classes
        self._runtime: Any = None
        self._before: dict[Op, Handler] = self._make_before()
        self._after: dict[Op, Handler] = self._make_after()
        self._said = self._make_said()

    # -- what it is for ------------------------------------------------------------------------

    @contextmanager
    @no_kernel("booting a kernel with CONFIG_PROVE_LOCKING")
    def watching(self, runtime: Any = None) -> Generator[Validator]:
        """Listen to a runtime inside, and look at the end what was left behind.

        Args:
            runtime: of whatever kind; the ambient one if not given.
        """
        self.attach(runtime or ambient())
        try:
            yield self
        finally:
            self.detach()

    @no_kernel("booting a kernel with CONFIG_PROVE_LOCKING")
    def attach(self, runtime: Any) -> None:
        """Listen to a runtime from now on; what it knows of classes from other runs stays.

        In the body of a design this makes it watch every execution of a search.
        """
        if getattr(self._runtime, "over", False):
            self.detach()
        if self._runtime is not None:
            raise ValueError("a validator listens to one runtime at a time: detach it first")
        self._runtime = runtime
        self._label = runtime.label
        if not runtime.explored:
            self.order.lock = runtime.mutex
        self._known.forget()
        attach(runtime, self)

    @no_kernel("there is no way back in a kernel")
    def detach(self) -> None:
        """Listen no more; locks that ended tasks still hold are findings."""
        if self._runtime is not None:
            detach(self._runtime, self)
            self._look_at_the_end()
            self._runtime = None

    @property
    @no_kernel("the kernel log")
    def findings(self) -> list[Finding]:
        """What is wrong, each thing once, in the order in which it was noticed."""
        return [one.finding for one in self._found if not one.is_suspicion]

    @property
    @no_kernel("what lockdep cannot say")
    def suspicions(self) -> list[Finding]:
        """What may be wrong: it rests on guesses, and wants a search that confirms it."""
        return [one.finding for one in self._found if one.is_suspicion]

    @property
    @no_kernel("what lockdep leaves to the reader")
    def predictions(self) -> list[Prediction]:
        """Findings and suspicions with what they rest on: where a directed search starts."""
        return list(self._found)

    @property
    @no_kernel("what lockdep forgets")
    def said(self) -> frozenset[str]:
        """Names of the tasks that opened a signalling section in some run."""
        return frozenset(self._sections.said)

    @property
    @no_kernel("the BUG messages of lockdep that turn it off")
    def limits(self) -> list[str]:
        """A sentence for each limit that was reached: what lies beyond was not looked at."""
        return self.order.reached.told()

    @no_kernel("held_locks of a task")
    def classes_of(self, task: Task) -> list[LockClass]:
        """The classes of what a task holds, the last one first; what it asks for is among them."""
        holder = self._holders.get(task)
        nodes = holder.chain() if holder is not None else []
        return [node.cls for node in nodes if node.cls is not None]

    # -- the instrument ------------------------------------------------------------------------

    @no_kernel("an instrument")
    def announced(self, task: Task, op: Op, obj: Any) -> None:
        """Before a step: whoever asks for a lock is judged before it may wait for ever."""
        asked = ASKED.get(op)
        if asked is None:
            handler = self._before.get(op)
            if handler is not None:
                handler(self._holder(task), op, obj)
            return
        holder = self._holders.get(task)
        if holder is None:
            holder = self._holder(task)
        cls = self._classes.get(id(obj)) or self._known.of(obj)
        if cls is None:
            return
        mode, context = asked
        if task.irqs_off or task.bh_off or task.in_irq or task.in_softirq:
            context |= context_of(task)
        if self._nests or op is ww_mutex.LOCK:
            self._ask_nested(holder, obj, cls, mode, context)
            return
        self.order.acquire(holder, obj, cls, mode, 0, context)
        holder.recent[cls] = holder.node  # type: ignore[assignment]

    @no_kernel("an instrument")
    def stepped(self, task: Task, op: Op, obj: Any, outcome: Outcome) -> None:
        """After a step."""
        if op in FREED:
            holder = self._holders.get(task)
            if holder is not None:
                self.order.release(holder, obj)
            return
        if outcome is not Outcome.DONE:
            if op is mutex.LOCK:
                self.order.release(self._holder(task), obj)
            return
        handler = self._after.get(op)
        if handler is not None:
            handler(self._holder(task), op, obj)

    @no_kernel("an instrument")
    def blocked(self, task: Task, op: Op, obj: Any) -> None:
        """A task waits: nothing that it has not said before."""

    @no_kernel("an instrument")
    def created(self, task: Task, obj: Any) -> None:
        """An object was constructed, perhaps on top of one that is in use."""
        known = id(obj) in self._classes
        if known:
            self._check_in_use(task, obj)
        self._known.created(obj)
        self._fences.created(task, obj)

    @no_kernel("an instrument")
    def reported(self, code: str, message: str) -> None:
        """The runtime has recorded a broken rule."""
        self._found.violation(code, message, frames_here(), key=message)

    @no_kernel("an instrument")
    def noted(self, task: Task, note: Note, subject: Any) -> None:
        """A task has said something about itself."""
        self._said[note](self._holder(task), subject)

    def _make_said(self) -> dict[Note, Callable[[TaskHolder, Any], object]]:
        """What is done about each note, given its subject."""
        sections = self._sections

        def reclaims(holder: TaskHolder, gfp: Any) -> None:
            if int(gfp) & _FS:
                sections.hold(holder, RECLAIM)

        return {
            Note.SECTION: sections.begin,
            Note.SECTION_END: sections.end,
            Note.FENCE_WAIT: sections.wait,
            Note.ALLOCATES: sections.allocate,
            Note.USER_ACCESS: lambda holder, _: sections.touch_user_memory(holder),
            Note.SYSCALL: lambda holder, _: self._ends.enter(holder),
            Note.RECLAIM: reclaims,
            Note.RECLAIM_END: lambda holder, _: sections.drop(holder, RECLAIM),
            Note.NOTIFIERS: lambda holder, _: sections.hold(holder, NOTIFIER),
            Note.NOTIFIERS_END: lambda holder, _: sections.drop(holder, NOTIFIER),
            Note.MIGHT_LOCK: lambda holder, what: self._might_lock(holder, *what),
            Note.NESTS: self._nests.__setitem__,
            Note.SET_CLASS: lambda _, what: self._known.set_class(*what),
            Note.IRQS_ON: lambda holder, _: self._irqs_on(holder),
        }

    # -- locks ---------------------------------------------------------------------------------

    def _make_before(self) -> dict[Op, Handler]:
        ends = self._ends
        table: dict[Op, Handler] = {op: lambda h, _op, obj: ends.wait(h, obj) for op in AWAITED}
        table[completion.WAIT] = lambda h, _op, obj: ends.wait(h, obj)
        for op in (completion.COMPLETE, completion.COMPLETE_ALL):
            table[op] = lambda h, _op, obj: ends.complete(h, obj)
        return {**table, **self._fences.before(), **self._calls.before()}

    def _make_after(self) -> dict[Op, Handler]:
        ends = self._ends
        table: dict[Op, Handler] = {}
        table.update(dict.fromkeys(QUEUED, self._queued))
        table.update(dict.fromkeys(TRIED, self._tried))
        table.update(dict.fromkeys(CANCELLED, self._cancelled))
        table.update(dict.fromkeys(ABANDONED, self._abandoned))
        table[ww_mutex.LOCK] = self._asked_ww
        table[completion.WAIT] = lambda h, _op, _obj: h.waits()
        for op in BEGUN:
            table[op] = lambda h, _op, obj: ends.begin(h, obj)
        for op in ENDED:
            table[op] = lambda h, _op, _obj: ends.end(h)
        return {**table, **self._fences.after(), **self._calls.after()}

    def _holder(self, task: Task) -> TaskHolder:
        holder = self._holders.get(task)
        if holder is None:
            holder = self._known.holder(task)
            self._ends.of_kthread(holder)
        return holder

    def _take(
        self, holder: TaskHolder, obj: Any, mode: int, flags: int = 0, context: int = 0
    ) -> None:
        cls = self._known.of(obj)
        if cls is not None:
            self.order.acquire(holder, obj, cls, mode, flags, context | context_of(holder.task))
            if holder.node is not None and not flags & TRYLOCK:
                holder.recent[cls] = holder.node

    def _ask_nested(self, holder: TaskHolder, obj: Any, cls: Any, mode: int, context: int) -> None:
        """A lock of which others of its class may be held."""
        subclass, outer = self._nests.pop(holder, (0, None))
        flags = NESTED if outer is not None else 0
        if outer is not None and not any(lock is outer for lock in holder.locks):
            message = (
                f"{holder.name} takes {self._name(obj)} as covered by {self._name(outer)}, which "
                "it does not hold"
            )
            self._found.violation("DF004", message, frames_here())
        if isinstance(obj, ww_mutex.WwMutex):
            flags = NESTED  # whether a context covers it is what the lock itself looks at
        if subclass:
            cls = self._known.sub(cls, subclass)
        if cls is not None:
            self.order.acquire(holder, obj, cls, mode, flags, context)
            if holder.node is not None:
                holder.recent[cls] = holder.node

    def _queued(self, holder: TaskHolder, op: Op, obj: Any) -> None:
        """A spinning reader-writer lock: the step says how it is asked for."""
        mode = QUEUED[op]
        if mode == READ and holder.task.in_irq:
            mode = RECURSIVE  # a handler's read passes writers that wait
        self._take(holder, obj, mode)

    def _tried(self, holder: TaskHolder, op: Op, obj: Any) -> None:
        mode, context = TRIED[op]
        task = holder.task
        if op in _NOT_IN_HANDLERS and (task.in_irq or task.in_softirq):
            message = (
                f"{task.name} tries {self._name(obj)} in a handler: a mutex has an owner, and a "
                "handler is none"
            )
            self._found.violation("DF003", message, frames_here())
        if task.value:
            self._take(holder, obj, mode, TRYLOCK, context)

    def _asked_ww(self, holder: TaskHolder, _op: Op, obj: Any) -> None:
        """The step says whether the context has to give way: then it does not wait."""
        if holder.task.value not in (ww_mutex.Verdict.TAKE, ww_mutex.Verdict.QUEUE):
            self.order.release(holder, obj)

    def _cancelled(self, holder: TaskHolder, _op: Op, obj: Any) -> None:
        if not holder.task.value:
            self.order.release(holder, obj)

    def _abandoned(self, holder: TaskHolder, _op: Op, obj: Any) -> None:
        self.order.release(holder, obj)

    def _might_lock(self, holder: TaskHolder, lock: Any, reads: bool) -> None:
        before = len(holder.locks)
        context = 0 if getattr(lock, "is_spinning", False) else NO_IRQ
        self._take(holder, lock, READ if reads else EXCLUSIVE, 0, context)
        if len(holder.locks) > before:
            self.order.release(holder, lock)

    def _irqs_on(self, holder: TaskHolder) -> None:
        """Interrupts are on again, and may find locks held that were taken with them off."""
        task = holder.task
        if task.irqs_off or task.in_irq:
            return
        for node in holder.chain():
            if not node.context & NO_IRQ:
                self.order.usage.exposed(0, node)

    # -- what is left --------------------------------------------------------------------------

    def _check_in_use(self, task: Task, obj: Any) -> None:
        for holder in list(self._holders.values()):
            if any(lock is obj for lock in holder.locks):
                message = (
                    f"{task.name} initialises {self._name(obj)} again while {holder.name} holds it"
                )
                self._found.violation("DF004", message, frames_here())

    def _look_at_the_end(self) -> None:
        for holder in list(self._holders.values()):
            if not has_ended(holder.task):
                continue
            held = [lock for lock in holder.locks if self._is_lock(lock)]
            if held:
                names = ", ".join(self._name(lock) for lock in held)
                message = f"{holder.name} has ended and still holds {names}"
                self._found.violation("DF004", message, (), key=message)
            if holder.section is not None:
                message = f"{holder.name} has ended inside a signalling section"
                self._found.violation("DF004", message, holder.section)

    def _is_lock(self, obj: Any) -> bool:
        cls = self._classes.get(id(obj))
        return cls is not None and not cls.is_event and not isinstance(obj, str)

    def _look(self, holder: Any, node: Any, lock: Any) -> None:
        """A new way of taking a lock."""
        if self._nesting is not None:
            self._nesting.look(holder, node, lock)

    def _conflict(self, conflict: Any) -> None:
        self._found.conflict(conflict)

    def _name(self, obj: Any) -> str:
        """What reports call an object."""
        return obj if isinstance(obj, str) else self._label(obj)
