"""Two opinions on what a kernel function does: the hand-made tables, and the kernel's source.

`python -m tests.audit.known_oracle TREE [--cache FOLDER]` prints each function of
`dmabuf.audit.ways.known` of which the source says something else: an argument that is no flags, no
work, no queue; a body that surely allocates, waits or touches user memory where the table says
nothing of it; an allocator whose body does not ask its flags. A row is a question, not a verdict:
`AGREED` holds those where the table is right, each with its reason.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dmabuf.audit.front.gather import cache_of, gather
from dmabuf.audit.front.outside import Outside
from dmabuf.audit.outside.gathering import gather_outside
from dmabuf.audit.outside.summaries import Outdoors
from dmabuf.audit.program.names import Names
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.audit.ways.beyond import Deed
from dmabuf.audit.ways.effect import Kind
from dmabuf.audit.ways.known import KNOWN
from dmabuf.audit.ways.known.acts import (
    Act,
    Allocates,
    Calls,
    Flushes,
    Queues,
    Sleeps,
    Takes,
    TouchesUser,
    Waits,
)
from dmabuf.sync.gfp import Gfp

OURS = ("drivers/dma-buf", "drivers/gpu/drm/scheduler", "drivers/gpu/drm/drm_gem.c")
"""Folders that hold the functions of the contract itself."""

SURE = 0.85
NEAR = 5
"""A longer way in a body is no statement about the function."""

_OWED = "the kernel owes the end of that wait: it is no wait for a driver"
_GRAVER = "it allocates with GFP_KERNEL, which forbids as much as the wait"
AGREED: dict[str, str] = {
    "kfifo_alloc": "a macro; the function of a like name has one argument more",
    "schedule": "the loop around it says what is waited for",
    "vfree": "flushes the mappings of modules only",
    "mmput": "user memory that nobody sees any more",
    "mempool_alloc_noprof": "waits for elements where it may not reclaim: DF105 is about pools",
    **dict.fromkeys(
        ("down", "down_interruptible", "down_killable", "down_timeout"), "is that wait"
    ),
    **dict.fromkeys(("percpu_down_write", "usleep_range_state", "stop_machine"), _OWED),
    **dict.fromkeys(("kthread_mod_delayed_work", "exit_mmap"), _OWED),
    **dict.fromkeys(
        (
            *("vm_map_ram", "alloc_workqueue", "kthread_create_on_node", "kthread_create_worker"),
            *("request_threaded_irq", "get_unused_fd_flags", "kobject_uevent_env"),
            *("request_firmware", "firmware_request_nowarn", "request_firmware_direct"),
            *("request_firmware_into_buf", "i2c_add_adapter", "alloc_pages_noprof"),
            *("alloc_pages_bulk_noprof", "kstrdup_quotable_cmdline"),
        ),
        _GRAVER,
    ),
    **dict.fromkeys(
        ("access_remote_vm", "vm_munmap", "do_mmap", "handle_mm_fault"),
        "a fault of user memory allocates, and that is what DF203 says",
    ),
    "destroy_workqueue": "unregisters a device where the queue is shown in sysfs",
    "dma_alloc_attrs": "the arrays of the IOMMU's pages, where the flags allow to block",
    "dma_alloc_noncontiguous": "the arrays of the IOMMU's pages",
}
"""Functions of which the table is right, and why."""


@dataclass(frozen=True)
class Row:
    """A disagreement."""

    name: str
    table: str
    source: str
    place: str

    def __str__(self) -> str:
        said = f"the table says {self.table}; the source says {self.source}"
        return f"{self.name}: {said} ({self.place})"


# -- arguments ------------------------------------------------------------------------------------


def _types(names: Names, name: str) -> tuple[str, ...] | None:
    """The types of a function's parameters; of a macro around one those of the function."""
    for one in (name, f"{name}_noprof", f"__{name}", f"_{name}"):
        if one in names.prototypes:
            return names.prototypes[one][1]
        found = names.routines.get(one)
        if found:
            return tuple(parameter.type for parameter in found[0].function.parameters)
    return None


def _wanted(act: Act) -> Iterator[tuple[int | None, tuple[str, ...], str]]:
    """What an act says about arguments: place, words of which the type has one, in words."""
    if isinstance(act, Allocates):
        yield act.argument, ("gfp_t",), "flags of an allocation"
    elif isinstance(act, Queues):
        yield act.argument, ("work",), "a work"
        yield act.queue, ("workqueue_struct", "kthread_worker"), "a queue"
    elif isinstance(act, Waits):
        yield act.timeout, ("long", "int", "u64", "ktime_t"), "a time"
    elif isinstance(act, Takes):
        yield act.context, ("ctx",), "an acquire context"
    elif isinstance(act, Calls):
        yield act.argument, ("(", "_t", "func", "fn"), "a function"


def arguments(names: Names) -> list[Row]:
    """Arguments that are not what a table takes them for."""
    rows: list[Row] = []
    for name, acts in KNOWN.items():
        types = _types(names, name)
        if types is None or any("..." in one for one in types):
            continue
        for act in acts:
            for at, words, what in _wanted(act):
                if at is None:
                    continue
                kind = types[at] if at < len(types) else "nothing"
                behind = names.typedefs.get(kind, kind)
                if not any(word in kind or word in behind for word in words):
                    rows.append(Row(name, f"argument {at} is {what}", f"it is {kind}", str(types)))
    return rows


# -- bodies ---------------------------------------------------------------------------------------

_CLAIMS: dict[Kind, tuple[type[Act], ...]] = {
    Kind.RECLAIM: (Allocates,),
    Kind.USER_MEMORY: (TouchesUser,),
    Kind.MMAP_LOCK: (Takes, TouchesUser),
    Kind.RESV: (Takes,),
    Kind.WAIT: (Waits, Flushes, Sleeps),
    Kind.FENCE_WAIT: (Waits,),
    Kind.FLUSH: (Flushes, Waits),
}
"""Which acts of a table cover what a body does; locks are told by those who hold them only."""


def bodies(outdoors: Outdoors) -> list[Row]:
    """Bodies that do what the table does not say."""
    rows: list[Row] = []
    for name, acts in KNOWN.items():
        routine = outdoors.program.names.routine(name, "")
        if routine is None:
            continue
        for deed in outdoors.of(routine, (), frozenset()):
            claimed = _CLAIMS.get(deed.effect.kind)
            if claimed is None or any(isinstance(act, claimed) for act in acts):
                continue
            if _is_plain(deed):
                table = ", ".join(type(act).__name__ for act in acts)
                rows.append(Row(name, table, _said(deed), str(routine.place())))
        rows.extend(_flags(outdoors, routine, acts))
    return rows


def _is_plain(deed: Deed) -> bool:
    return deed.sure >= SURE and len(deed.hops) <= NEAR and deed.effect.gfp != 0


def _said(deed: Deed) -> str:
    way = " > ".join(f"{hop.callee}" for hop in deed.hops)
    guard = f" if {deed.conditions[-1]}" if deed.conditions else ""
    return f"{deed.effect.kind} by {way}{guard}"


def _flags(outdoors: Outdoors, routine: Routine, acts: tuple[Act, ...]) -> Iterator[Row]:
    """Does an allocator with its flags in an argument do as they say?"""
    for act in acts:
        if not isinstance(act, Allocates) or act.argument is None:
            continue
        for flags in (Gfp.KERNEL, Gfp.NOWAIT):
            values = (*(None for _ in range(act.argument)), frozenset([int(flags)]))
            deeds = outdoors.of(routine, values, frozenset())
            found = [
                one
                for one in deeds
                if one.effect.kind is Kind.RECLAIM and one.effect.gfp is not None and _is_plain(one)
            ]
            if flags is Gfp.NOWAIT and found:
                said = f"even with GFP_NOWAIT {_said(found[0])}"
                yield Row(
                    routine.name, f"flags are argument {act.argument}", said, str(routine.place())
                )


# -- a tree ---------------------------------------------------------------------------------------


def linked(root: Path, keep: Path | None) -> Outdoors:
    """The files that define known functions, and what these call."""

    def cache() -> object:
        return cache_of(root, keep) if keep is not None else None

    there = [one for one in OURS if (root / one).exists()]
    ours = gather(root, there, jobs=1, cache=cache())
    where = Outside(root, keep=keep)
    found = gather_outside(root, ours.files.values(), where, KNOWN, jobs=1, cache=cache)
    return Outdoors(Program({**found.files, **ours.files}.values()))


def disagreements(root: Path, keep: Path | None = None) -> list[Row]:
    """All rows about a tree but those that are settled."""
    outdoors = linked(root, keep)
    rows = [*arguments(outdoors.program.names), *bodies(outdoors)]
    return [one for one in rows if one.name not in AGREED]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree", type=Path)
    parser.add_argument("--cache", type=Path, default=None)
    asked = parser.parse_args()
    rows = disagreements(asked.tree, asked.cache)
    print(*rows, sep="\n")  # noqa: T201 - a command
    print(  # noqa: T201
        f"{len(rows)} of {len(KNOWN)} known functions are contradicted",
        file=sys.stderr,
    )
    return 1 if rows else 0


if __name__ == "__main__":
    sys.exit(main())
