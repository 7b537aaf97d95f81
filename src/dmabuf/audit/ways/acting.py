"""What a known function does to the state of a walk, and the effects that this is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dmabuf.audit.front.code import Expr
from dmabuf.audit.program.program import Program
from dmabuf.audit.ways.beyond import Beyond, Deed
from dmabuf.audit.ways.effect import Effect, Kind, LockClass
from dmabuf.audit.ways.evaluate import Evaluator
from dmabuf.audit.ways.event import Event
from dmabuf.audit.ways.gfp import left
from dmabuf.audit.ways.known import acts
from dmabuf.audit.ways.known.locks import GUARDS
from dmabuf.audit.ways.scopes import Bracket
from dmabuf.audit.ways.state import AGAIN, Held
from dmabuf.audit.ways.values import Value, truth
from dmabuf.audit.ways.walk import Walk

__all__ = ["SYSTEM_QUEUES", "Actor"]

SYSTEM_QUEUES: dict[str, str] = {
    "system_wq": "",
    "system_highpri_wq": "WQ_HIGHPRI",
    "system_long_wq": "",
    "system_unbound_wq": "WQ_UNBOUND",
    "system_freezable_wq": "WQ_FREEZABLE",
    "system_power_efficient_wq": "WQ_POWER_EFFICIENT",
    "system_freezable_power_efficient_wq": "WQ_FREEZABLE | WQ_POWER_EFFICIENT",
    "system_bh_wq": "WQ_BH",
    "system_bh_highpri_wq": "WQ_BH | WQ_HIGHPRI",
    "system_percpu_wq": "",
    "system_dfl_wq": "WQ_UNBOUND",
}
"""The kernel's own queues with their flags; none of them has a rescuer."""

_RESV = ("struct dma_resv", "lock")
_MMAP = ("struct mm_struct", "mmap_lock")
_MODESET = ("struct drm_device", "mode_config.mutex")
_ATOMIC = frozenset(["atomic"])
_REFERENCE = "mm"
"""Who holds one and takes another one has two."""
_AWAKE = (Kind.QUEUE, Kind.SIGNAL)


class Actor:
    """Does what known functions do."""

    def __init__(self, program: Program, evaluator: Evaluator) -> None:
        self._program = program
        self._evaluator = evaluator
        self._acts: dict[type, Callable[[Walk, str, Any, tuple[Expr, ...]], None]] = {
            acts.Allocates: self._allocates,
            acts.Takes: self._takes,
            acts.Passes: self._passes,
            acts.Drops: self._drops,
            acts.Waits: self._waits,
            acts.Flushes: self._flushes,
            acts.Queues: self._queues,
            acts.Signals: self._signals,
            acts.Opens: self._opens,
            acts.Closes: self._closes,
            acts.TouchesUser: self._touches_user,
            acts.Sleeps: self._sleeps,
        }

    def act(self, walk: Walk, name: str, act: acts.Act, arguments: tuple[Expr, ...]) -> None:
        """One act of the known function `name`."""
        if walk.state is not None:
            self._acts[type(act)](walk, name, act, arguments)

    def _does(
        self,
        walk: Walk,
        effect: Effect,
        grade: float = 1.0,
        beyond: tuple[str, Deed | None] = ("", None),
    ) -> None:
        state = walk.state
        assert state is not None
        if "atomic" in state.scopes and _sleeps(effect):
            return
        walk.events.append(
            Event(
                walk.line,
                walk.index,
                effect,
                grade=grade * walk.doubt(),
                guards=tuple(walk.guards),
                held=state.held,
                scopes=state.scopes,
                signalling=state.signalling,
                after=state.ended,
                macro=walk.macro,
                beyond=beyond[0],
                deed=beyond[1],
            )
        )

    def _subject(self, walk: Walk, at: int | None, arguments: tuple[Expr, ...]) -> LockClass | None:
        if at is None or at >= len(arguments):
            return None
        found = self._program.tables.subject(arguments[at], walk.local, walk.routine.path)
        if found is not None and found[0] == "" and found[1]:
            variable = self._program.names.variable(found[1], walk.routine.path)
            if variable is not None and (variable[1].static or variable[0] == walk.routine.path):
                return (variable[0], found[1])
        return found

    # -- allocations ------------------------------------------------------------------------------

    def _allocates(
        self, walk: Walk, name: str, act: acts.Allocates, arguments: tuple[Expr, ...]
    ) -> None:
        assert walk.state is not None
        if act.argument is None or act.argument >= len(arguments):
            possible: list[int] = [int(act.implied)]
        else:
            value = walk.value(arguments[act.argument])
            if value is None:
                self._does(walk, Effect(Kind.RECLAIM, name, None), 0.3)
                return
            possible = [one for one in value if type(one) is int]
        flags = [left(one | act.added, walk.state.scopes) for one in possible]
        worst = max((one for one in flags if one is not None), default=None)
        if worst is not None:
            share = 1.0 if None not in flags else 0.6
            self._does(walk, Effect(Kind.RECLAIM, name, worst), share)

    # -- locks ------------------------------------------------------------------------------------

    def guard(self, walk: Walk, callee: Expr, arguments: tuple[Expr, ...]) -> None:
        """`guard(mutex)(&x->lock)`: held until the end of the block."""
        kind = callee[2][0][1] if callee[2] and callee[2][0][0] == "name" else ""
        act = GUARDS.get(kind)
        if isinstance(act, acts.Takes) and walk.state is not None:
            self._takes(walk, callee[1][1], act, arguments)

    def _lock(self, walk: Walk, act: Any, arguments: tuple[Expr, ...]) -> LockClass | None:
        if act.kind == "resv":
            return _RESV
        if act.kind == "mmap_lock":
            return _MMAP
        if act.kind == "modeset":
            return _MODESET
        found = self._subject(walk, act.argument, arguments)
        return _MMAP if found == _MMAP else found

    def _takes(self, walk: Walk, name: str, act: acts.Takes, arguments: tuple[Expr, ...]) -> None:
        if act.last == _REFERENCE and walk.state is not None and AGAIN in walk.state.scopes:
            return
        lock = self._lock(walk, act, arguments)
        if act.spins and walk.state is not None:
            self.spin(walk, 1)
        if act.spins or lock is None:
            return
        kind = {"resv": Kind.RESV, "mmap_lock": Kind.MMAP_LOCK}.get(act.kind, Kind.LOCK)
        if lock == _MMAP:
            kind = Kind.MMAP_LOCK
        context = False
        if act.context is not None and act.context < len(arguments):
            context = truth(walk.value(arguments[act.context])) is not False
        self._does(walk, Effect(kind, name, None, lock, attempt=act.attempt, context=context))
        if act.momentary:
            return
        assert walk.state is not None
        held = Held(lock, str(kind), walk.line, act.attempt, name)
        walk.state.held = (*walk.state.held, held)

    def _passes(self, walk: Walk, name: str, act: acts.Passes, _arguments: Any) -> None:
        self._does(walk, Effect(Kind.LOCK, name, None, ("", act.lock)))

    def _drops(self, walk: Walk, _name: str, act: acts.Drops, arguments: tuple[Expr, ...]) -> None:
        if act.spins:
            self.spin(walk, -1)
            return
        lock = self._lock(walk, act, arguments)
        if lock is not None:
            self._release(walk, lock)

    def _release(self, walk: Walk, lock: LockClass) -> None:
        assert walk.state is not None
        held = walk.state.held
        for at in range(len(held) - 1, -1, -1):
            if held[at].lock == lock:
                walk.state.held = held[:at] + held[at + 1 :]
                return

    # -- waits ------------------------------------------------------------------------------------

    def _waits(self, walk: Walk, name: str, act: acts.Waits, arguments: tuple[Expr, ...]) -> None:
        bounded = act.owed
        if act.timeout is not None and act.timeout < len(arguments):
            assert walk.state is not None
            timeout = arguments[act.timeout]
            if walk.value(timeout) == frozenset([0]):
                return  # only asks
            bounded = self._evaluator.ends(timeout, walk.state.values, walk.routine.path)
        kind = Kind.FENCE_WAIT if act.what == "fence" else Kind.WAIT
        subject = self._subject(walk, act.argument, arguments)
        self._does(walk, Effect(kind, name, None, subject, bounded=bounded))

    def _flushes(
        self, walk: Walk, name: str, act: acts.Flushes, arguments: tuple[Expr, ...]
    ) -> None:
        subject = self._subject(walk, act.argument, arguments)
        self._does(walk, Effect(Kind.FLUSH, name, None, subject, flags=act.what))

    def _queues(self, walk: Walk, name: str, act: acts.Queues, arguments: tuple[Expr, ...]) -> None:
        subject = self._subject(walk, act.argument, arguments)
        queue: LockClass | None = ("", act.system)
        if act.queue is not None:
            queue = self._subject(walk, act.queue, arguments)
        flags = self.flags_of(queue, walk.routine.owner)
        self._does(walk, Effect(Kind.QUEUE, name, None, subject, queue=queue, flags=flags))

    def flags_of(self, queue: LockClass | None, owner: str) -> str | None:
        """The flags that a workqueue was made with; None if nothing is known of it."""
        if queue is None:
            return None
        if queue[1] in SYSTEM_QUEUES:
            return SYSTEM_QUEUES[queue[1]]
        made = self._program.tables.queues.get(queue) or self._program.tables.queues.get(
            ("", queue[1])
        )
        mine = [one for one in made or () if one.where.owner == owner] or made
        return mine[0].flags if mine else None

    def _signals(
        self, walk: Walk, name: str, act: acts.Signals, arguments: tuple[Expr, ...]
    ) -> None:
        if act.what == "fence":
            subject = self._subject(walk, act.argument, arguments)
            self._does(walk, Effect(Kind.SIGNAL, name, None, subject))

    # -- scopes -----------------------------------------------------------------------------------

    def _opens(self, walk: Walk, _name: str, act: acts.Opens, _a: tuple[Expr, ...]) -> None:
        self.open(walk, act.scope)

    def _closes(self, walk: Walk, _name: str, act: acts.Closes, _a: tuple[Expr, ...]) -> None:
        self.close(walk, act.scope)

    def open(self, walk: Walk, scope: str) -> None:
        """A scope begins; after a signalling section that was left, what was between is a gap."""
        state = walk.state
        assert state is not None
        if scope == "atomic":
            self.spin(walk, 1)
            return
        if scope != "signalling":
            twice = scope == _REFERENCE and scope in state.scopes
            state.scopes |= {AGAIN if twice else scope}
            return
        if state.ended and walk.ended_at:
            walk.gaps.append((walk.ended_at, walk.line))
        state.signalling, state.ended = True, False
        walk.begun_at = walk.line

    def close(self, walk: Walk, scope: str) -> None:
        """A scope ends here."""
        state = walk.state
        assert state is not None
        if scope == "atomic":
            self.spin(walk, -1)
            return
        if scope != "signalling":
            twice = scope == _REFERENCE and AGAIN in state.scopes
            state.scopes -= {AGAIN if twice else scope}
            return
        if state.signalling:
            walk.sections.append((walk.begun_at, walk.line))
        state.signalling, state.ended = False, True
        walk.ended_at = walk.line

    def spin(self, walk: Walk, change: int) -> None:
        """One more reason not to sleep, or one less."""
        state = walk.state
        assert state is not None
        state.spins = max(0, state.spins + change)
        state.scopes = state.scopes | _ATOMIC if state.spins else state.scopes - _ATOMIC

    def bracket(self, walk: Walk, bracket: Bracket, name: str) -> None:
        """What a function that only opens or only closes leaves behind."""
        state = walk.state
        if state is None:
            return
        for scope in bracket.closes:
            self.close(walk, scope)
        for scope in bracket.opens:
            self.open(walk, scope)
        for lock, kind in bracket.drops:
            if kind == "spin":
                self.spin(walk, -1)
            else:
                self._release(walk, lock)
        for lock, kind in bracket.takes:
            if kind == "spin":
                self.spin(walk, 1)
            elif (lock, kind) not in {(one.lock, one.kind) for one in state.held}:
                state.held = (*state.held, Held(lock, kind, walk.line, name=name))

    # -- functions beyond --------------------------------------------------------------------------

    def beyond(self, walk: Walk, name: str, beyond: Beyond, values: tuple[Value, ...]) -> None:
        """Whatever a function does whose body is not in the program."""
        state = walk.state
        if state is None:
            return
        for deed in beyond.deeds(name, values, state.scopes):
            self._does(walk, deed.effect, deed.sure, (name, deed))

    # -- the rest ---------------------------------------------------------------------------------

    def _touches_user(self, walk: Walk, name: str, _act: Any, _arguments: Any) -> None:
        assert walk.state is not None
        if "nofault" not in walk.state.scopes:
            self._does(walk, Effect(Kind.USER_MEMORY, name))

    def _sleeps(self, walk: Walk, name: str, _act: Any, _arguments: Any) -> None:
        self._does(walk, Effect(Kind.SLEEP, name, bounded=True))


def _sleeps(effect: Effect) -> bool:
    """Whether it would be reported at once if it was done under a spinlock: then it is not."""
    if effect.kind in _AWAKE or effect.attempt:
        return False
    return effect.kind is not Kind.FLUSH or effect.flags in ("work", "queue", "thread", "irq")
