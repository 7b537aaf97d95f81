"""The waist of the package: a guarded atomic step, and everything that goes through it.

Whatever blocks, tells the time, starts a task or takes a chance does so through a `Runtime`.
Its one blocking primitive waits until `guard(obj, task)` holds and then does
`action(obj, task)`, indivisibly. The same object code therefore runs on real threads
(`dmabuf.rt.threads`) and under every schedule (`dmabuf.rt.tasks`).

    LOCK = Op("mutex.lock", guard=_is_free, action=_take)     # a constant beside its class
    runtime.step(LOCK, mutex)                                 # DONE, TIMED_OUT or INTERRUPTED

The set of all `Op` constants is the alphabet that instruments listen to, that the dependence of
two steps is defined on, and that schedules are written in.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, Protocol

from dmabuf.rt.op import OPS, READ, WRITE, Op, Touch

__all__ = [
    "OPS",
    "READ",
    "WRITE",
    "Instrument",
    "Kind",
    "Op",
    "Outcome",
    "Runtime",
    "Scope",
    "Task",
    "Touch",
]


class Outcome(enum.Enum):
    """How a step ended."""

    DONE = "done"
    TIMED_OUT = "timed out"
    INTERRUPTED = "interrupted"


class Kind(enum.Enum):
    """Trust class of a task: what it may do or stop doing (see design.md, section 3)."""

    KTHREAD = "kthread"
    WORKER = "worker"
    IRQ = "irq"
    USER = "user"
    HARDWARE = "hardware"


class Scope(enum.IntFlag):
    """Allocation scopes of a task, the PF_MEMALLOC* flags of the kernel.

    RECLAIM is the kernel's `current->reclaim_state`: it frees memory for whoever is short of it.
    """

    NONE = 0
    NOIO = 1
    NOFS = 2
    NORECLAIM = 4
    RECLAIM = 8


class Task(Protocol):
    """One thread of control, and all that a guard or an annotation may ask about it.

    Attributes:
        name: for people.
        key: (creating task's key, counter): the same in every schedule.
        kind: trust class.
        cpu: CPU number, or None for one of its own.
        arg: argument of the step being made.
        value: what the action of the last step returned.
        atomic: how many preemption-disabling sections (spinlocks, handlers) it is in.
        irqs_off: how many irq-disabling sections it is in.
        bh_off: how many softirq-disabling sections it is in.
        in_irq: runs as an interrupt handler.
        in_softirq: runs as a softirq.
        idle: waits for work that nobody owes.
        signal_pending: an interruptible step ends as INTERRUPTED.
        told_to_die: the next step unwinds.
        reliable: hardware that is assumed never to hang.
        in_kernel: a userspace task inside a system call; it is trusted to go on.
        signalling: depth of the fence signalling section.
        scope: allocation scopes.
        held: the locks it holds, in order of taking.
        created: how many tasks and objects it has made.
        carrier: what runs it.
    """

    runtime: Runtime
    name: str
    key: tuple[int, ...]
    kind: Kind
    cpu: int | None
    arg: Any
    value: Any
    atomic: int
    irqs_off: int
    bh_off: int
    in_irq: bool
    in_softirq: bool
    idle: bool
    signal_pending: bool
    told_to_die: bool
    reliable: bool
    in_kernel: bool
    signalling: int
    scope: Scope
    held: dict[Any, int]
    created: int
    carrier: Any

    def hold(self, lock: Any) -> None:
        """Note that it holds a lock that it may hold several times. For actions only."""
        ...

    def let_go(self, lock: Any) -> None:
        """Note that it holds that lock once less. For actions only."""
        ...

    @property
    def is_atomic(self) -> bool:
        """Must this task not sleep now (as in_atomic() and irqs_disabled() say)?"""
        ...


class Instrument(Protocol):
    """What an observer of a runtime may hear. Every method is optional work, never control.

    An instrument is called in the task that makes the step, right after the action, without
    any runtime lock held when live, so it may look at objects but must not step.
    """

    def announced(self, task: Task, op: Op, obj: Any) -> None:
        """A task is about to make a step; its stack shows from where."""
        ...

    def stepped(self, task: Task, op: Op, obj: Any, outcome: Outcome) -> None:
        """A step has been made."""
        ...

    def blocked(self, task: Task, op: Op, obj: Any) -> None:
        """A task is about to wait in a step."""
        ...

    def created(self, task: Task, obj: Any) -> None:
        """An object was constructed."""
        ...

    def reported(self, code: str, message: str) -> None:
        """A broken rule was recorded."""
        ...


class Runtime(Protocol):
    """How tasks run. `explored` and `quick` are constants of an execution.

    Attributes:
        explored: every read that decides anything must be a step.
        quick: live and nobody listens; fused fast paths may be taken under `mutex`.
        mutex: the lock that makes live steps indivisible (also present, unused, elsewhere).
        parked: steps that wait, live, by `id` of what they wait for; empty when nobody does.
        clock: the virtual clock of an explored run, else None.
        extras: objects that exist once in a runtime, by name.
    """

    explored: bool
    quick: bool
    mutex: Any
    parked: Any
    clock: Any
    extras: dict[str, Any]

    @property
    def observed(self) -> bool:
        """Explored, or an instrument listens."""
        ...

    @property
    def interrupts(self) -> bool:
        """May handlers start between any two steps?"""
        ...

    def now(self) -> int:
        """Nanoseconds on the runtime's one clock; explored, that is a step."""
        ...

    def timestamp(self) -> int:
        """The same without a step: for actions only, whose footprint names the clock."""
        ...

    def spawn(
        self,
        fn: Callable[[], object],
        /,
        *,
        name: str,
        kind: Kind = Kind.KTHREAD,
        cpu: int | None = None,
        idle: bool = False,
    ) -> Task:
        """Start a task."""
        ...

    def current(self) -> Task:
        """The task that is asking."""
        ...

    def step(
        self,
        op: Op,
        obj: Any,
        arg: Any = None,
        /,
        *,
        deadline: int | None = None,
        interruptible: bool = False,
    ) -> Outcome:
        """Wait until guard(obj, task), then action(obj, task), indivisibly."""
        ...

    def choose(self, op: Op, options: int, /) -> int:
        """Take a chance: a number below `options`; live: 0, the ordinary outcome."""
        ...

    def adopt(self, obj: Any, label: str = "") -> None:
        """Tell the runtime that an object was constructed; it gets a schedule-stable name."""
        ...

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        """The one object of that key in `extras`, made when first asked for."""
        ...

    def label(self, obj: Any) -> str:
        """The name of an object in reports."""
        ...

    def report(self, code: str, message: str, *, fatal: bool = True) -> None:
        """Record a broken rule, then raise ContractViolation (fatal) or warn."""
        ...

    def defer(self, fn: Callable[[], object]) -> None:
        """Run `fn` at the next safe point: what a finaliser does instead of stepping."""
        ...

    def postpones(self, fn: Callable[[], object]) -> bool:
        """Live, inside a step that a signal handler interrupted: defers `fn` and says so."""
        ...

    def settle(self, task: Task) -> None:
        """Do what was deferred, if `task` may run anything here; where a fused path ends."""
        ...

    def service(self, name: str, loop: Callable[[], object]) -> Task:
        """The one helper task of that name, started when first asked for."""
        ...

    def interrupt(self, task: Task) -> None:
        """Make a signal pending for a task; an interruptible step of its ends."""
        ...

    def wake(self, *objects: Any) -> None:
        """Look again at the steps that wait on objects changed by a fused path."""
        ...
