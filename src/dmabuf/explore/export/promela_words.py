"""What each operation is in Promela: the variables of its object, and the ways it can go.

Written from what the kernel documents of each primitive, not from our guards and actions, as the
export is there to disagree with them. A step is a choice of `Way`s; a way that only queues goes
on with a second half.

    >>> words = Words("m", 1, None, "assert(false)")
    >>> [way.guard for way in WORDS["mutex.lock"](words)]
    ['m == 1', 'm == 0']
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from dmabuf.core.fence import Fence
from dmabuf.core.fence_steps import is_flagged
from dmabuf.core.timeline import Timeline
from dmabuf.errors import DmabufError
from dmabuf.rt.clock import VirtualClock
from dmabuf.rt.explored_task import ExploredTask
from dmabuf.sync.completion import Completion
from dmabuf.sync.mutex import Mutex
from dmabuf.sync.rwlock import RwLock
from dmabuf.sync.rwsem import RwSem
from dmabuf.sync.semaphore import Semaphore
from dmabuf.sync.shared import Shared
from dmabuf.sync.spinlock import SpinLock

__all__ = ["FOR_GOOD", "WORDS", "Untranslatable", "Way", "Words", "describe"]

FOR_GOOD = 10_000
"""Where `complete_all` counts to; the kernel says UINT_MAX/2."""


class Untranslatable(DmabufError):
    """An operation or an object has no words in Promela."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way that a step may go, indivisibly.

    Attributes:
        guard: when it may; always if empty.
        does: statements.
        then: a second half that the task waits for, if it only queued.
    """

    guard: str = ""
    does: tuple[str, ...] = ()
    then: Way | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """What a translation is told.

    Attributes:
        x: the object's variable.
        me: the task's number, from 1.
        arg: the step's argument.
        wrong: the statement for a broken rule.
    """

    x: str
    me: int
    arg: Any
    wrong: str


@dataclass(frozen=True, slots=True)
class Described:
    """An object as it is before its first step.

    Attributes:
        kind: its class.
        state: (type, suffix, size, initial value) of each variable; size "" for a plain one,
            "tasks" for one of each task. A type "chan" has the message's fields for a value.
        kept: expression that is true if task {me} holds it.
    """

    kind: str
    state: tuple[tuple[str, str, str, str], ...] = field(default=())
    kept: str = ""


# -- objects ---------------------------------------------------------------------------------------


def _lock(lock: Any) -> Described:
    if lock.owner is not None:
        raise Untranslatable(f"{lock.name} is held before any task has run")
    return Described("lock", (("byte", "", "", "0"),), "{x} == {me}")


def _fence(fence: Fence) -> Described:
    line = fence.timeline
    if line.hooked:
        raise Untranslatable(f"fence {fence.name} has a driver's hooks or an external lock")
    signalled = "1" if is_flagged(fence) else "0"
    return Described("fence", (("bool", "", "", signalled),))


def _completion(completion: Completion) -> Described:
    return Described("completion", (("short", "", "", str(min(completion.done, FOR_GOOD))),))


def _semaphore(semaphore: Semaphore) -> Described:
    state = (("byte", "", "", str(semaphore.count)), ("chan", "_queue", "tasks", "byte"))
    return Described("semaphore", state)


def _shared_lock(lock: RwSem | RwLock) -> Described:
    if lock.holders:
        raise Untranslatable(f"{lock.name} is held before any task has run")
    state = (
        ("byte", "", "", "0"),
        ("byte", "_reads", "tasks", "0"),
        ("byte", "_readers", "", "0"),
        ("bool", "_waits", "tasks", "0"),
        ("chan", "_queue", "tasks", "byte, bool"),
    )
    return Described("shared lock", state, "{x} == {me} || {x}_reads[{me}] > 0")


def _shared(cell: Shared[Any]) -> Described:
    return Described("cell", (("int", "", "", _number(cell._value, cell.name)),))


def _number(value: Any, name: str) -> str:
    if isinstance(value, bool | int) and -(1 << 31) <= value < 1 << 31:
        return str(int(value))
    raise Untranslatable(f"{name} holds {value!r}; Promela has 32-bit numbers only")


_KINDS: dict[type, Callable[[Any], Described]] = {
    Mutex: _lock,
    SpinLock: _lock,
    Fence: _fence,
    Completion: _completion,
    Semaphore: _semaphore,
    RwSem: _shared_lock,
    RwLock: _shared_lock,
    Shared: _shared,
}


def describe(obj: Any) -> Described | str:
    """The variables of an object, or why there are none."""
    kind = cast("type[object]", type(obj))
    found = _KINDS.get(kind)
    if found is None:
        plain = isinstance(obj, ExploredTask | Timeline | VirtualClock)
        return Described("other") if plain else f"a {kind.__name__} has no words in Promela"
    try:
        return found(obj)
    except Untranslatable as error:
        return str(error)


# -- operations ------------------------------------------------------------------------------------


def _take(w: Words) -> list[Way]:
    taken = Way(f"{w.x} == 0", (f"{w.x} = {w.me}",))
    return [Way(f"{w.x} == {w.me}", (w.wrong,)), taken]


def _try_to_take(w: Words) -> list[Way]:
    return [Way(f"{w.x} == 0", (f"{w.x} = {w.me}",)), Way(f"{w.x} != 0")]


def _free(w: Words) -> list[Way]:
    return [Way(f"{w.x} == {w.me}", (f"{w.x} = 0",)), Way(f"{w.x} != {w.me}", (w.wrong,))]


def _nothing(_w: Words) -> list[Way]:
    return [Way()]


def _set(value: str) -> Callable[[Words], list[Way]]:
    return lambda w: [Way("", (f"{w.x} = {value}",))]


def _fails(w: Words) -> list[Way]:
    """An error is set before the signal."""
    return [Way(w.x, (w.wrong,)), Way(f"!{w.x}")]


def _complete(w: Words) -> list[Way]:
    counted = Way(f"{w.x} < {FOR_GOOD}", (f"{w.x}++",))
    return [counted, Way(f"{w.x} == {FOR_GOOD}")]


def _await_completion(w: Words) -> list[Way]:
    return [Way(f"{w.x} > 0 && {w.x} < {FOR_GOOD}", (f"{w.x}--",)), Way(f"{w.x} == {FOR_GOOD}")]


def _try_completion(w: Words) -> list[Way]:
    return [*_await_completion(w), Way(f"{w.x} == 0")]


def _down(w: Words) -> list[Way]:
    let_in = Way(f"!({w.x}_queue??[{w.me}])")
    return [Way(f"{w.x} > 0", (f"{w.x}--",)), Way(f"{w.x} == 0", (f"{w.x}_queue!{w.me}",), let_in)]


def _try_down(w: Words) -> list[Way]:
    return [Way(f"{w.x} > 0", (f"{w.x}--",)), Way(f"{w.x} == 0")]


def _up(w: Words) -> list[Way]:
    """An `up` goes to the first that waits."""
    queue = f"{w.x}_queue"
    return [Way(f"len({queue}) > 0", (f"{queue}?_",)), Way(f"len({queue}) == 0", (f"{w.x}++",))]


def _assign(w: Words) -> list[Way]:
    return [Way("", (f"{w.x} = {_number(w.arg, w.x)}",))]


def _add(w: Words) -> list[Way]:
    return [Way("", (f"{w.x} = {w.x} + {_number(w.arg, w.x)}",))]


# Reader-writer locks: `x` is the writer, `x_reads` counts each task's holds, `x_readers` the tasks
# that read; (task, writes) stand in `x_queue` in order of arrival.


def _reads(w: Words) -> str:
    return f"{w.x}_readers = {w.x}_readers + ({w.x}_reads[{w.me}] == 0); {w.x}_reads[{w.me}]++"


def _reads_no_more(w: Words) -> str:
    return f"{w.x}_reads[{w.me}]--; {w.x}_readers = {w.x}_readers - ({w.x}_reads[{w.me}] == 0)"


def _queue(w: Words, writes: int) -> tuple[str, ...]:
    return (f"{w.x}_queue!{w.me},{writes}", f"{w.x}_waits[{w.me}] = true")


def _hand_on(w: Words) -> str:
    """Of a semaphore: to the first if it writes, else to every reader in the queue."""
    x, queue = w.x, f"{w.x}_queue"
    reader = (
        f"{queue}??who,0; {x}_waits[who] = false; {x}_readers = {x}_readers + ({x}_reads[who] == 0)"
        f"; {x}_reads[who]++"
    )
    writer = f"{queue}?who,1; {x}_waits[who] = false; {x} = who"
    return (
        f"if :: {x} == 0 && {queue}?[who,0] -> do :: {queue}??[who,0] -> {reader} :: else -> break "
        f"od :: {x} == 0 && {x}_readers == 0 && {queue}?[who,1] -> {writer} :: else fi; who = 0"
    )


def _may_write(w: Words) -> str:
    return f"({w.x} == 0 && {w.x}_readers == 0 && len({w.x}_queue) == 0)"


def _down_read(w: Words) -> list[Way]:
    may = f"({w.x} == 0 && len({w.x}_queue) == 0)"
    admitted = Way(f"!{w.x}_waits[{w.me}]")
    return [
        Way(f"{w.x} == {w.me}", (w.wrong,)),
        Way(may, (_reads(w),)),
        Way(f"{w.x} != {w.me} && !{may}", _queue(w, 0), admitted),
    ]


def _down_write(w: Words) -> list[Way]:
    held = f"({w.x} == {w.me} || {w.x}_reads[{w.me}] > 0)"
    admitted = Way(f"!{w.x}_waits[{w.me}]")
    return [
        Way(held, (w.wrong,)),
        Way(_may_write(w), (f"{w.x} = {w.me}",)),
        Way(f"!{held} && !{_may_write(w)}", _queue(w, 1), admitted),
    ]


def _try_read(w: Words) -> list[Way]:
    may = f"({w.x} == 0 && len({w.x}_queue) == 0)"
    return [Way(may, (_reads(w),)), Way(f"!{may}")]


def _try_write(w: Words) -> list[Way]:
    return [Way(_may_write(w), (f"{w.x} = {w.me}",)), Way(f"!{_may_write(w)}")]


def _up_read(w: Words) -> list[Way]:
    held = f"{w.x}_reads[{w.me}] > 0"
    return [Way(held, (_reads_no_more(w), _hand_on(w))), Way(f"!({held})", (w.wrong,))]


def _up_write(w: Words) -> list[Way]:
    held = f"{w.x} == {w.me}"
    return [Way(held, (f"{w.x} = 0", _hand_on(w))), Way(f"!({held})", (w.wrong,))]


def _downgrade(w: Words) -> list[Way]:
    held = f"{w.x} == {w.me}"
    goes_on = (f"{w.x} = 0", _reads(w), _hand_on(w))
    return [Way(held, goes_on), Way(f"!({held})", (w.wrong,))]


# A reader-writer spinlock is not handed over: the first in the queue takes it when it looks.


def _first(w: Words, writes: int) -> Way:
    """The second half: first in the queue, and the lock lets it in."""
    free = f"{w.x} == 0 && {w.x}_queue?[{w.me},{writes}]"
    left = (f"{w.x}_queue?{w.me},{writes}", f"{w.x}_waits[{w.me}] = false")
    if writes:
        return Way(f"{free} && {w.x}_readers == 0", (*left, f"{w.x} = {w.me}"))
    return Way(free, (*left, _reads(w)))


def _read_lock(w: Words) -> list[Way]:
    may = f"({w.x} == 0 && !({w.x}_queue?[who,1]))"
    return [
        Way(f"{w.x} == {w.me}", (w.wrong,)),
        Way(may, (_reads(w),)),
        Way(f"{w.x} != {w.me} && !{may}", _queue(w, 0), _first(w, 0)),
    ]


def _write_lock(w: Words) -> list[Way]:
    held = f"({w.x} == {w.me} || {w.x}_reads[{w.me}] > 0)"
    return [
        Way(held, (w.wrong,)),
        Way(_may_write(w), (f"{w.x} = {w.me}",)),
        Way(f"!{held} && !{_may_write(w)}", _queue(w, 1), _first(w, 1)),
    ]


def _try_read_lock(w: Words) -> list[Way]:
    may = f"({w.x} == 0 && !({w.x}_queue?[who,1]))"
    return [Way(may, (_reads(w),)), Way(f"!{may}")]


def _read_unlock(w: Words) -> list[Way]:
    held = f"{w.x}_reads[{w.me}] > 0"
    return [Way(held, (_reads_no_more(w),)), Way(f"!({held})", (w.wrong,))]


WORDS: dict[str, Callable[[Words], list[Way]]] = {
    "completion.complete": _complete,
    "completion.complete_all": _set(str(FOR_GOOD)),
    "completion.is_done": _nothing,
    "completion.reinit": _set("0"),
    "completion.try_wait": _try_completion,
    "completion.wait": _await_completion,
    "fence.enable_signaling": _nothing,
    "fence.get_status": _nothing,
    "fence.is_signaled": _nothing,
    "fence.look": _nothing,
    "fence.publish": _nothing,
    "fence.set_error": _fails,
    "fence.signal": _set("1"),
    "fence.wait": lambda w: [Way(w.x)],
    "machine.choose": _nothing,
    "mutex.is_locked": _nothing,
    "mutex.lock": _take,
    "mutex.trylock": _try_to_take,
    "mutex.unlock": _free,
    "rwlock.read_lock": _read_lock,
    "rwlock.read_trylock": _try_read_lock,
    "rwlock.read_unlock": _read_unlock,
    "rwlock.write_lock": _write_lock,
    "rwlock.write_trylock": _try_write,
    "rwlock.write_unlock": _free,
    "rwsem.down_read": _down_read,
    "rwsem.down_read_trylock": _try_read,
    "rwsem.down_write": _down_write,
    "rwsem.down_write_trylock": _try_write,
    "rwsem.downgrade_write": _downgrade,
    "rwsem.is_contended": _nothing,
    "rwsem.is_locked": _nothing,
    "rwsem.up_read": _up_read,
    "rwsem.up_write": _up_write,
    "semaphore.down": _down,
    "semaphore.down_trylock": _try_down,
    "semaphore.up": _up,
    "shared.add": _add,
    "shared.exchange": _assign,
    "shared.read": _nothing,
    "shared.write": _assign,
    "spinlock.lock": _take,
    "spinlock.lock_irqsave": _take,
    "spinlock.trylock": _try_to_take,
    "spinlock.unlock": _free,
    "spinlock.unlock_irqrestore": _free,
    "timeline.draw": _nothing,
}
"""By operation; `task.spawn` and `task.interrupt` belong to the export itself."""
