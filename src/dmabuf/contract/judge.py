"""Which rule of the contract a conflict breaks, and how that is said.

The way round a cycle tells. Where it leaves a signalling section, what the section takes decides:
a reservation lock, memory, mmap_lock, or a lock that is held across a wait somewhere. A link that
the contract itself states (see `prime`) is said as the statement that the code contradicts.
"""

from __future__ import annotations

from dmabuf.contract.modes import MODES
from dmabuf.contract.order import Conflict, Cycle, Link, Nested
from dmabuf.contract.prime import (
    FENCE,
    I_MMAP,
    MMAP,
    NOTIFIER,
    RECLAIM,
    RESV,
    WW_ACQUIRE,
)

__all__ = ["code_of", "message_of", "own_link"]

_IN_SECTION = {
    RESV: "DF201",
    WW_ACQUIRE: "DF201",
    MMAP: "DF203",
    RECLAIM: "DF301",
    NOTIFIER: "DF302",
}
_PAIRS = {
    (RESV, MMAP): "DF209",
    (WW_ACQUIRE, MMAP): "DF209",
    (RESV, WW_ACQUIRE): "DF204",
    (RECLAIM, RESV): "DF304",
    (RECLAIM, WW_ACQUIRE): "DF304",
    (NOTIFIER, RESV): "DF304",
    (NOTIFIER, WW_ACQUIRE): "DF304",
}
_STATED = {
    (MMAP, WW_ACQUIRE): "reservation locks are taken in page faults, under mmap_lock",
    (MMAP, RESV): "reservation locks are taken in page faults, under mmap_lock",
    (MMAP, RECLAIM): "memory is allocated in page faults, under mmap_lock",
    (MMAP, FENCE): "fences are waited for in page faults, under mmap_lock",
    (RESV, RECLAIM): "memory is allocated under reservation locks",
    (RESV, FENCE): "fences are waited for under reservation locks",
    (WW_ACQUIRE, RESV): "reservation locks are taken within an acquire context",
    (RECLAIM, NOTIFIER): "reclaim tells MMU notifiers",
    (RECLAIM, FENCE): "shrinkers wait for fences",
    (RECLAIM, I_MMAP): "reclaim unmaps files",
    (NOTIFIER, FENCE): "MMU notifiers wait for fences",
    (RESV, NOTIFIER): "memory is allocated under reservation locks, which may tell MMU notifiers",
}
_SAYS = {
    FENCE: "the wait for a fence",
    RECLAIM: "memory reclaim",
    NOTIFIER: "MMU notifiers",
    MMAP: "mmap_lock",
    WW_ACQUIRE: "an acquire context",
}


def code_of(conflict: Conflict) -> str:
    """The rule that a conflict breaks, the most specific one."""
    if isinstance(conflict, Nested):
        return "DF204" if conflict.link.after.role == RESV else "DF001"
    if conflict.context:
        return "DF003"
    for link in conflict.links:
        if link.before.role == FENCE:
            waits = link.after.role == NOTIFIER and not _allocates(link)
            return "DF108" if waits else _IN_SECTION.get(link.after.role, "DF202")
    own = own_link(conflict)
    return _PAIRS.get((own.before.role, own.after.role), "DF001")


def own_link(cycle: Cycle) -> Link:
    """The link that contradicts the others: the one that is not stated, else the last to come."""
    own = [link for link in cycle.links if not link.is_stated]
    return own[0] if len(own) < len(cycle.links) else cycle.links[-1]


def message_of(conflict: Conflict) -> str:
    """A sentence or two about a conflict."""
    if isinstance(conflict, Nested):
        return _nested(conflict)
    if conflict.context:
        return _interrupted(conflict)
    links = _from_own(conflict)
    own = [_says(link) for link in links if not link.is_stated]
    stated = [_statement(link) for link in links if link.is_stated]
    if len(own) == 1 and stated:
        return f"{own[0]}; but {_joined(stated)}"
    return _joined(own + stated)


def _from_own(cycle: Cycle) -> list[Link]:
    """The links, beginning with what leaves a signalling section, else with one that code made."""
    links = list(cycle.links)
    start = next((i for i, link in enumerate(links) if link.before.role == FENCE), None)
    if start is None:
        start = links.index(own_link(cycle))
    return links[start:] + links[:start]


def _says(link: Link) -> str:
    guess = " perhaps" if link.is_guess else ""
    if link.why:
        return f"{link.who}{guess} {link.why}"
    takes = f"{link.who}{guess} {_takes(link)}"
    if link.before.role == FENCE:
        return f"{takes} on the way to a signal"
    if link.before.role in _SAYS:
        return f"{takes} in {_SAYS[link.before.role]}"
    if link.before.is_event:
        return f"{takes} inside {_named(link.held, link.before.name)}"
    how = "" if not link.held_mode else f" ({MODES[link.held_mode]})"
    return f"{takes} while it holds {_named(link.held, link.before.name)}{how}"


def _takes(link: Link) -> str:
    role = link.after.role
    if role == FENCE:
        return "waits for a fence"
    if role == RECLAIM:
        return "allocates with GFP_KERNEL"
    if role == NOTIFIER:
        allocates = _allocates(link)
        return "allocates with flags that reclaim" if allocates else f"waits for {link.taken}"
    if role == WW_ACQUIRE:
        return "begins an acquire context"
    verb = "waits for" if link.after.is_event else "takes"
    how = "" if not link.taken_mode else f" ({MODES[link.taken_mode]})"
    return f"{verb} {_named(link.taken, link.after.name)}{how}"


def _allocates(link: Link) -> bool:
    """Does it come to notifiers by an allocation, and not by waiting for their end?"""
    return link.taken == link.after.name


def _named(instance: str, cls: str) -> str:
    """An instance, and its class where that has another name."""
    return instance if instance == cls or not instance else f"{instance} (of {cls})"


def _statement(link: Link) -> str:
    pair = (link.before.role, link.after.role)
    return _STATED.get(pair, f"{link.before.name} comes before {link.after.name}")


def _nested(conflict: Nested) -> str:
    link = conflict.link
    if conflict.same:
        verb = "waits for the end of" if link.after.is_event else "takes"
        within = "inside it" if link.after.is_event else "which it holds"
        return f"{link.who} {verb} {link.taken}, {within}"
    return (
        f"{link.who} takes {link.taken} while it holds {link.held}: two locks of one class "
        f"({link.before.name}), whose order nobody can tell"
    )


def _interrupted(cycle: Cycle) -> str:
    interrupt = cycle.links[-1]
    lock, user = interrupt.before, interrupt.after
    said = (
        f"{interrupt.who} holds {_named(interrupt.held, lock.name)} with interrupts on, and a "
        f"{cycle.context} takes {_named(interrupt.taken, user.name)}"
    )
    if len(cycle.links) == 1:
        return said
    return f"{said}; {_joined([_says(link) for link in cycle.links[:-1]])}"


def _joined(parts: list[str]) -> str:
    return ", and ".join(parts)
