"""What an answer takes for granted: traits of a design that its executions show, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmabuf.rt.api import Kind

if TYPE_CHECKING:
    from dmabuf.rt.tasks import Tasks

__all__ = ["add_traits", "assumed"]

_KERNEL = (Kind.KTHREAD, Kind.WORKER)
_RELIABLE = "reliable "


def add_traits(traits: set[str], rt: Tasks) -> None:
    """Add what an execution shows: kinds of tasks, and whether time passed."""
    for task in rt.tasks:
        if task.kind in _KERNEL:
            continue
        if task.kind is Kind.HARDWARE:
            traits.add("hangs" if not task.reliable else f"{_RELIABLE}{task.name}")
        else:
            traits.add(task.kind.value)
    if rt.clock.now():
        traits.add("timeouts")


def assumed(traits: set[str]) -> tuple[str, ...]:
    """What the answer takes for granted, for a design with these traits."""
    found = ["kernel tasks go on as long as they can", "memory is sequentially consistent"]
    if "user" in traits:
        found.append("userspace may stop for ever at any step outside a system call")
    if "hangs" in traits:
        found.append("a hardware job may hang at any step")
    reliable = sorted(t.removeprefix(_RELIABLE) for t in traits if t.startswith(_RELIABLE))
    if reliable:
        found.append(f"hardware that never hangs: {', '.join(reliable)}")
    if "irq" in traits:
        found.append("a handler may start at any step while interrupts are on")
    if "timeouts" in traits:
        found.append("a timeout may be taken at any step, in order of deadlines")
    return tuple(found)
