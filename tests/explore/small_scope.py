"""Every program of three tasks of one act each, for groups of acts that meet in one object.

Random programs come by chance on what three tasks do to each other in one order and not in
another; these leave nothing out. The order of tasks matters, as an engine tries them in order.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from tests.explore.straight_line import Act, Line, Program

__all__ = ["GROUPS", "programs"]

_INTERRUPTS: tuple[Act, ...] = tuple(("interrupt", task) for task in range(3))

GROUPS: dict[str, tuple[Act, ...]] = {
    "completion": (
        ("complete", 0),
        ("complete_all", 0),
        ("wait_completion", 0, None, True),
        ("wait_completion", 0, 1.0, False),
        ("wait_completion", 0, 2.0, True),
        ("try_wait", 0),
        ("now",),
        *_INTERRUPTS,
    ),
    "fence": (
        ("signal", 0),
        ("set_error", 0, -5),
        ("is_signaled", 0),
        ("add_callback", 0, 0, (("complete", 0),)),
        ("wait_fence", 0, None, True),
        ("wait_fence", 0, 1.0, True),
        ("wait_any", (0, 1), None, True),
        ("now",),
        *_INTERRUPTS[:2],
    ),
    "lock": (
        ("locked", 0, ()),
        ("lock", 0),
        ("locked", 0, (("locked", 1, ()),)),
        ("locked", 1, (("locked", 0, ()),)),
        ("lock_interruptible", 0, ()),
        ("trylock", 0, (("write", 0, 1),)),
        ("is_locked", 0),
        *_INTERRUPTS[:2],
    ),
    "queue": (
        ("announce",),
        ("wake",),
        ("wait_event", 1, None, True, False),
        ("wait_event", 1, 1.0, False, True),
        ("wait_event", 2, None, False, False),
        ("now",),
        *_INTERRUPTS[:2],
    ),
    "irq": (
        ("raise_irq",),
        ("spinning", 0, False, ()),
        ("spinning", 0, True, ()),
        ("spin_try", 0, ()),
        ("irqs_off", (("write", 0, 1),)),
        ("complete", 0),
        ("wait_completion", 0, None, False),
        ("read", 0),
    ),
    "bound": (
        ("raise_irq",),
        ("spinning", 0, False, ()),
        ("spinning", 0, True, ()),
        ("irqs_off", (("write", 0, 1),)),
        ("read", 0),
    ),
    "ring": (
        ("signal", 2),
        ("add_callback", 2, 0, (("read", 0),)),
        ("wait_fence", 2, None, False),
        ("spinning", 0, False, (("set_error", 2, -5),)),
        ("spinning", 0, True, (("spinning", 1, False, ()),)),
        ("spinning", 1, False, (("signal", 2),)),
        ("status", 2),
    ),
}
"""Acts that meet, by what they meet in."""

_HANDLERS: tuple[tuple[Act, ...], ...] = (
    (("spin_try", 0, ()),),
    (("complete", 0),),
    (("spinning", 0, False, (("write", 0, 2),)),),
)


def programs(group: str) -> Iterator[Program]:
    """All programs of a group."""
    for acts in itertools.product(GROUPS[group], repeat=3):
        tasks = tuple(Line((act,)) for act in acts)
        if group == "bound":
            if ("raise_irq",) in acts:
                for cpu in (None, 0):
                    bound = (Line((acts[0],), cpu=cpu), *tasks[1:])
                    yield Program(bound, handler=_HANDLERS[-1], handler_cpu=0)
        elif group == "irq":
            if ("raise_irq",) in acts:
                yield from (Program(tasks, handler=handler) for handler in _HANDLERS[:2])
        else:
            yield Program(tasks, ring="lock" if group == "ring" else "")
