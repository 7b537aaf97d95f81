"""Programs drawn at random: which acts, how many, how nested.

Each program mixes a few families of acts on few objects, so that its tasks meet; mistakes (a
lock that is never unlocked, a sleep in a callback) are rare but possible.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tests.explore.straight_line import Act, Line, Program

__all__ = ["FAMILIES", "generate"]

_TIMEOUTS = (None, None, None, 1.0, 1.0, 2.0)


class _Maker:
    """Draws acts of some families; those in atomic context hardly ever sleep."""

    def __init__(self, rng: random.Random, families: Sequence[str], tasks: int) -> None:
        self.rng = rng
        self.families = families
        self.tasks = tasks
        self.callbacks = 0
        self.in_work = False

    def acts(self, count: int, *, depth: int = 0, atomic: bool = False) -> tuple[Act, ...]:
        """So many acts."""
        return tuple(self.act(depth, atomic) for _ in range(count))

    def line(self, steps: int) -> tuple[Act, ...]:
        """What a task does: one to six acts, as long as there are steps left."""
        acts: tuple[Act, ...] = ()
        while len(acts) < 6 and _steps(acts) < steps:
            longer = (*acts, self.act(0, atomic=False))
            if _steps(longer) > steps + 1 and self.chance(0.8):
                break
            acts = longer
        return acts or self.acts(1)

    def act(self, depth: int, atomic: bool) -> Act:
        """One act, of the program's families."""
        if atomic and self.rng.random() > 0.02:
            able = [f for f in self.families if f in _ATOMIC] or ["shared"]
            return _ATOMIC[self.rng.choice(able)](self, depth)
        return FAMILIES[self.rng.choice(self.families)](self, depth)

    def inside(self, depth: int, *, atomic: bool) -> tuple[Act, ...]:
        """What is done under a lock: less the deeper it is."""
        count = self.rng.choice((0, 1, 1)) if depth < 2 else 0
        return self.acts(count, depth=depth + 1, atomic=atomic)

    def two(self) -> int:
        """0 or 1, rather 0."""
        return int(self.rng.random() < 0.35)

    def timeout(self) -> float | None:
        """Mostly none."""
        return self.rng.choice(_TIMEOUTS)

    def chance(self, likely: float) -> bool:
        """True so often."""
        return self.rng.random() < likely

    def fence(self) -> int:
        """One of the fences, rather the first."""
        return self.rng.choice((0, 0, 1, 2))


def _mutex(m: _Maker, depth: int) -> Act:
    way = m.rng.random()
    if way < 0.5:
        return "locked", m.two(), m.inside(depth, atomic=False)
    if way < 0.75:
        return "trylock", m.two(), m.inside(depth, atomic=False)
    if way < 0.85:
        return "lock_interruptible", m.two(), m.inside(depth, atomic=False)
    if way < 0.94:
        return "is_locked", m.two()
    return m.rng.choice(("lock", "unlock")), m.two()


def _spin(m: _Maker, depth: int) -> Act:
    if m.chance(0.75):
        return "spinning", m.two(), m.chance(0.4), m.inside(depth, atomic=True)
    return "spin_try", m.two(), m.inside(depth, atomic=True)


def _irq(m: _Maker, depth: int) -> Act:
    if m.chance(0.25):
        return "irqs_off", m.inside(depth, atomic=True)
    return ("raise_irq",) if m.chance(0.6) else _spin(m, depth)


def _complete(m: _Maker, _depth: int) -> Act:
    name = m.rng.choice(("complete", "complete", "complete", "complete_all", "try_wait", "is_done"))
    return name, m.two()


def _await_completion(m: _Maker, depth: int) -> Act:
    if m.chance(0.5):
        return _complete(m, depth)
    if m.chance(0.1):
        return "reinit", m.two()
    return "wait_completion", m.two(), m.timeout(), m.chance(0.25)


def _wake(m: _Maker, _depth: int) -> Act:
    return (m.rng.choice(("announce", "announce", "wake", "wake_all")),)


def _queue(m: _Maker, depth: int) -> Act:
    way = m.rng.random()
    if way < 0.45:
        return _wake(m, depth)
    if way < 0.75:
        least = m.rng.choice((1, 1, 2))
        return "wait_event", least, m.timeout(), m.chance(0.2), m.chance(0.3)
    if way < 0.85:
        return "prepare", m.chance(0.3)
    return (m.rng.choice(("schedule", "finish")),)


def _shared(m: _Maker, _depth: int) -> Act:
    name = m.rng.choice(("read", "read", "write", "add", "exchange"))
    return (name, m.two()) if name == "read" else (name, m.two(), m.rng.choice((1, 2)))


def _signal(m: _Maker, depth: int) -> Act:
    way = m.rng.random()
    if way < 0.45:
        return m.rng.choice(("signal", "signal", "check_and_signal")), m.fence()
    if way < 0.6:
        return m.rng.choice(("is_signaled", "status", "timestamp")), m.fence()
    if way < 0.85:
        m.callbacks += 1
        inside = m.acts(m.rng.choice((1, 1, 2)), depth=depth + 2, atomic=True)
        return "add_callback", m.fence(), m.callbacks - 1, inside
    if way < 0.93:
        return "remove_callback", max(m.callbacks - m.rng.choice((1, 1, 2)), 0)
    return _seldom(m)


def _seldom(m: _Maker) -> Act:
    name = m.rng.choice(("signal_at", "set_error", "publish", "enable", "get", "put"))
    more = {"signal_at": (7,), "set_error": (-5,)}.get(name, ())
    return name, m.fence(), *more


def _fences(m: _Maker, depth: int) -> Act:
    if m.chance(0.7):
        return _signal(m, depth)
    return "wait_fence", m.fence(), m.timeout(), m.chance(0.4)


def _any(m: _Maker, depth: int) -> Act:
    if m.chance(0.5):
        return _signal(m, depth)
    which = tuple(m.rng.sample((0, 1, 2), m.rng.choice((1, 2, 2))))
    return "wait_any", which, m.timeout(), m.chance(0.3)


def _work(m: _Maker, _depth: int) -> Act:
    return ("queue_work",) if m.chance(0.75) else ("sync_work",)


def _queue_work(m: _Maker, depth: int) -> Act:
    return _shared(m, depth) if m.in_work else ("queue_work",)


def _choose(m: _Maker, _depth: int) -> Act:
    return "choose", m.rng.choice((2, 2, 3))


def _spawn(m: _Maker, depth: int) -> Act:
    return "spawn", m.acts(1 if depth else m.rng.choice((1, 2)), depth=depth + 1)


def _interrupt(m: _Maker, _depth: int) -> Act:
    return "interrupt", m.rng.randrange(m.tasks)


def _time(m: _Maker, depth: int) -> Act:
    way = m.rng.random()
    if way < 0.3:
        return ("now",)
    if way < 0.6:
        return "wait_completion", m.two(), m.rng.choice((1.0, 2.0)), m.chance(0.2)
    if way < 0.8:
        return "wait_fence", m.fence(), m.rng.choice((0, 1.0, 2.0)), m.chance(0.2)
    return _complete(m, depth)


def _dynamic(m: _Maker, depth: int) -> Act:
    return ("new_fence",) if m.chance(0.5) else _spawn(m, depth)


Draw = Callable[[_Maker, int], Act]

FAMILIES: dict[str, Draw] = {
    "mutex": _mutex,
    "spin": _spin,
    "irq": _irq,
    "completion": _await_completion,
    "queue": _queue,
    "shared": _shared,
    "fence": _fences,
    "any": _any,
    "work": _work,
    "choose": _choose,
    "dynamic": _dynamic,
    "interrupt": _interrupt,
    "time": _time,
}
"""What a program is made of; each program mixes some of these."""

_ATOMIC: dict[str, Draw] = {
    "spin": _spin,
    "irq": _spin,
    "completion": _complete,
    "queue": _wake,
    "shared": _shared,
    "fence": _signal,
    "any": _signal,
    "work": _queue_work,
    "choose": _choose,
}

_SIZES = ((2, 6), (2, 6), (2, 5), (2, 4), (3, 3), (3, 4), (3, 2), (4, 2))
"""How many tasks, and about how many steps each may have."""

_STEPS = {
    "locked": 2,
    "lock_interruptible": 2,
    "trylock": 2,
    "spinning": 2,
    "spin_try": 2,
    "irqs_off": 1,
    "announce": 2,
    "wait_event": 4,
    "wait_any": 5,
    "add_callback": 2,
    "new_fence": 3,
    "spawn": 1,
    "queue_work": 3,
    "raise_irq": 3,
}


def _steps(acts: tuple[Act, ...]) -> int:
    """About how many steps some acts have."""
    count = 0
    for act in acts:
        inner = act[-1] if isinstance(act[-1], tuple) and act[0] != "wait_any" else ()
        timed = 2 if 1.0 in act or 2.0 in act else 0
        count += _STEPS.get(act[0], 1) + _steps(inner) + timed
    return count


_MEANT_FOR = {
    "interrupt": ("completion", "fence", "queue", "mutex", "any"),
    "choose": ("shared", "fence"),
    "dynamic": ("shared", "fence"),
}
"""Families that mean little alone; they come with one of these."""


def generate(seed: int, families: Sequence[str] = ()) -> Program:
    """The program of a seed; of these families only, if some are given."""
    rng = random.Random(seed)
    count, most = rng.choice(_SIZES)
    chosen = list(families) or rng.sample(sorted(FAMILIES), rng.choice((1, 2, 2, 3)))
    if not families:
        chosen += [rng.choice(_MEANT_FOR[f]) for f in chosen if f in _MEANT_FOR]
    maker = _Maker(rng, tuple(dict.fromkeys(chosen)), count)
    pinned = rng.random() < 0.15
    has_line = "irq" in chosen
    tasks = tuple(
        Line(
            maker.line(most),
            rng.choices(("kthread", "userspace", "hardware"), (7, 1, 1))[0],
            rng.choice((0, 0, 1)) if pinned else None,
        )
        for _ in range(count)
    )
    handler = maker.acts(rng.choice((1, 1, 2)), depth=1, atomic=True) if has_line else None
    maker.in_work = True
    return Program(
        tasks,
        handler=handler,
        handler_cpu=0 if has_line and rng.random() < 0.3 else None,
        work=maker.acts(1, depth=1, atomic=True) if "work" in chosen else None,
        ring=rng.choice(("", "", "lock", "enable", "signaled")),
    )
