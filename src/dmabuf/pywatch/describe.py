"""A conflict in words: who waits for whom, where, and how sure that is."""

from __future__ import annotations

from dmabuf.contract.classes import LockClass
from dmabuf.contract.stacks import Frames
from dmabuf.pywatch.dependency import HELD, PASSED, TAKES, WAITS, Dependency
from dmabuf.pywatch.judge import Conflict
from dmabuf.pywatch.names import name_of
from dmabuf.pywatch.sites import At, is_maker, is_ours, line_of
from dmabuf.report.finding import Finding, Place, Stack, Taken, Wait

__all__ = ["finding_of"]

RULE = "DF001"


def finding_of(conflict: Conflict) -> Finding:
    """The finding about a conflict."""
    links = conflict.links
    last = links[-1]
    waits = _waits(conflict)
    return Finding(
        code=RULE,
        message=_message(conflict),
        place=_stack(last)[0],
        waits=tuple(waits),
        tasks=tuple(dict.fromkeys(link.name for link in links)),
    )


# -- names -----------------------------------------------------------------------------------------


def _names(conflict: Conflict) -> dict[int, str]:
    """Names of all locks in a conflict by number; those of one class are numbered."""
    classes: dict[LockClass, list[int]] = {}
    for link in conflict.links:
        for cls, number in ((link.before, link.had), (link.after, link.needed)):
            numbers = classes.setdefault(cls, [])
            if number not in numbers:
                numbers.append(number)
    names: dict[int, str] = {}
    for cls, numbers in classes.items():
        for index, number in enumerate(numbers, 1):
            names[number] = name_of(cls, index if len(numbers) > 1 else 0)
    return names


# -- sentences -------------------------------------------------------------------------------------


def _message(conflict: Conflict) -> str:
    names = _names(conflict)
    told = "; ".join(_sentence(link, names) for link in conflict.links)
    if conflict.itself:
        lock = names[conflict.links[0].had]
        return f"{conflict.links[0].name} waits for {lock}, which it holds itself"
    doubts = _doubts(conflict)
    head = "suspected: " if conflict.is_guess else ""
    tail = f" ({'; '.join(doubts)})" if doubts else ""
    return f"{head}{told}{tail}"


def _sentence(link: Dependency, names: dict[int, str]) -> str:
    had, needed = names[link.had], names[link.needed]
    if link.kind == TAKES:
        return f"{link.name} takes {needed} while it holds {had}"
    if link.kind == WAITS:
        return f"{link.name} waits for {needed} while it holds {had}"
    sets = _verb(link)[0]
    if link.kind == HELD:
        return f"{link.name} holds {needed} when it {sets} {had}"
    return f"{link.name} takes and frees {needed} before it {sets} {had}"


def _verb(link: Dependency) -> tuple[str, str]:
    """What a setter does, and what it has to do."""
    kind = link.before.name.split()[0]
    return _SETS.get(kind, ("sets", "set"))


_SETS = {
    "Condition": ("notifies", "notify"),
    "Semaphore": ("releases", "release"),
    "Barrier": ("arrives at", "arrive at"),
    "SimpleQueue": ("puts into", "put into"),
    "end": ("comes to the", "come to the"),
    "Lock": ("frees", "free"),
}


def _doubts(conflict: Conflict) -> list[str]:
    """Why it is suspected only, and what else weakens it."""
    links = conflict.links
    doubts: list[str] = []
    if conflict.one_thread:
        doubts.append("seen of one thread only: two threads that do this can meet")
    if not conflict.exact:
        doubts.append("seen of different locks made in the same lines")
    if any(link.kind == PASSED for link in links):
        doubts.append("if the wait begins before that lock is taken")
    elif any(not link.is_certain for link in links):
        doubts.append("it was also set without that lock")
    if any(link.timed for link in links):
        doubts.append("a timeout ends the wait")
    return doubts


# -- who waits for whom ----------------------------------------------------------------------------


def _waits(conflict: Conflict) -> list[Wait]:
    names = _names(conflict)
    links = conflict.links
    waits: list[Wait] = []
    for index, link in enumerate(links):
        follower = links[(index + 1) % len(links)]
        stack = _stack(link)
        is_setter = link.kind in (HELD, PASSED)
        held = _held(link)
        taken = () if is_setter or not held else (Taken(names[link.had], held),)
        waits.append(
            Wait(
                task=link.name,
                state=f"has to {_verb(link)[1]} {names[link.had]}, and waits for"
                if is_setter
                else "waits for",
                target=names[link.needed],
                wakers=(follower.name,),
                definite=True,
                holds=() if is_setter else (names[link.had],),
                place=stack[0] if stack else None,
                via="event" if link.kind == WAITS else "lock",
                leads=True,
                stack=stack,
                taken=taken,
            )
        )
    return waits


def _stack(link: Dependency) -> Stack:
    """Where the thread stood, or would stand, when it asked."""
    if link.kind in (HELD, PASSED):
        return _at(link.needed_at, link.frames)
    return _places(link.frames)


def _held(link: Dependency) -> Stack:
    """Where it had taken what it held."""
    return _at(link.had_at, link.frames)


def _at(at: At | None, frames: Frames) -> Stack:
    """A stack with that instruction in front: what is above it is still there, if it is there."""
    if at is None:
        return ()
    first = (at[0], line_of(at))
    for index, (code, _line) in enumerate(frames):
        if code is at[0]:
            return _places((first, *frames[index + 1 :]))
    return _places((first,))


def _places(frames: Frames) -> Stack:
    """The frames of the program, without those of the watcher and of what locks for others."""
    shown = [one for one in frames if not is_ours(one[0]) and not is_maker(one[0])]
    return tuple(
        Place(code.co_filename, line or 0, code.co_name)
        for code, line in shown or [one for one in frames if not is_ours(one[0])] or frames[-1:]
    )
