"""Who is using a buffer's bytes: what "no reader sees a half-written buffer" is decided by.

Mirrors: no kernel header. In the kernel nobody notices; the picture is wrong.

    >>> from dmabuf.core.dma_map import Direction
    >>> frame = Accesses("frame")
    >>> with frame.device(write=True, length=4096):
    ...     with frame.device(offset=4096):         # other bytes
    ...         pass
    >>> with frame.bracket(Direction.FROM_DEVICE), frame.cpu():
    ...     [str(one) for one in frame.ongoing]
    ['MainThread reads frame with the CPU']

Each access is two steps, its begin and its end. So the explorer finds every schedule in which two
accesses overlap, whether or not the first schedule is one. A write that overlaps any other access
of another task is a finding; readers do not get in each other's way, and their steps commute.

Moving or clearing the storage (`move`) is a write of all. It is planned with the lock held, and
from then on the storage is where new mappings say; mappings made before are good until the move
begins, those made since are good when it is done.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import TYPE_CHECKING

from dmabuf._names import no_kernel
from dmabuf.core.access_steps import (
    BEGIN,
    CLOSE,
    END,
    OPEN,
    RELEASE,
    RELEASED,
    REMAP,
    UNCOVERED,
    UNMAP,
    Brackets,
    Who,
    Wrong,
)
from dmabuf.core.dma_map import Direction
from dmabuf.errors import Unwind
from dmabuf.rt.ambient import ambient
from dmabuf.sync.context import warn_on
from dmabuf.sync.lockdep import assert_held

if TYPE_CHECKING:
    from types import FrameType

    from dmabuf.core.dma_map import SgTable
    from dmabuf.core.resv import Resv
    from dmabuf.rt.api import Runtime, Task

__all__ = ["Accesses", "Bracket", "Move", "Span", "Who"]

_PACKAGE = __file__.rpartition("core")[0]
_DESIGNS = (_PACKAGE + "rules", _PACKAGE + "drivers")
_MACHINERY = ("contextlib.py", "threading.py")
_FAR = 1 << 64


class Span:
    """One access, as a with-block: it begins and ends with the block.

    Attributes:
        who: the CPU, a device, or whoever moves the storage.
        write: it changes bytes; else it reads them.
        offset: its first byte.
        stop: the byte after its last; None for the end of the buffer.
        table: the mapping that a device goes through, if it is known.
        target: of a move, the generation of mappings that are good when it is done.
        task: who does it.
        place: where it began, "file.py:12".
    """

    __slots__ = (
        "_stop",
        "accesses",
        "offset",
        "place",
        "stop",
        "table",
        "target",
        "task",
        "who",
        "write",
    )

    task: Task

    def __init__(
        self,
        accesses: Accesses,
        who: Who,
        *,
        write: bool,
        offset: int = 0,
        length: int | None = None,
        table: SgTable | None = None,
        target: int = 0,
    ) -> None:
        if offset < 0 or (length is not None and length < 0):
            raise ValueError(f"no bytes: {length} from {offset}")
        self.accesses = accesses
        self.who = who
        self.write = write
        self.offset = offset
        self.stop = None if length is None else offset + length
        self._stop = _FAR if self.stop is None else self.stop
        self.table = table
        self.target = target
        self.place = ""

    @no_kernel("nothing in the kernel compares accesses")
    def conflicts(self, other: Span) -> bool:
        """Do both use the same bytes, one of them writing? Not if one task does both."""
        if self.task is other.task or not (self.write or other.write):
            return False
        return max(self.offset, other.offset) < min(self._stop, other._stop)

    @no_kernel("a device, or the CPU, begins to load or store")
    def begin(self) -> None:
        """It begins; the with-block does this. Context: any. Warns as `Accesses` says."""
        accesses = self.accesses
        rt = accesses.rt
        self.task = rt.current()
        self.place = _place(sys._getframe(1))
        rt.step(BEGIN, accesses, self)
        wrong: Wrong | None = self.task.value
        if wrong is not None:
            accesses.report_begin(self, *wrong)

    @no_kernel("a device, or the CPU, has loaded or stored")
    def end(self) -> None:
        """It ends, which another task may say; the with-block does this. Context: any."""
        self.accesses.rt.step(END, self.accesses, self)

    @no_kernel("the begin of an access")
    def __enter__(self) -> Span:
        self.begin()
        return self

    @no_kernel("the end of an access")
    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or not issubclass(kind, Unwind):
            self.end()

    @property
    @no_kernel("words for reports")
    def words(self) -> tuple[str, str, str]:
        """What it does, to which bytes, and how."""
        verb = "moves" if self.who is Who.MOVE else "writes" if self.write else "reads"
        is_whole = self.who is Who.MOVE or (not self.offset and self.stop is None)
        stop = "the end" if self.stop is None else self.stop
        which = "" if is_whole else f" [{self.offset} to {stop}]"
        return verb, which, " with the CPU" if self.who is Who.CPU else ""

    def __str__(self) -> str:
        verb, which, how = self.words
        return f"{self.task.name} {verb} {self.accesses.name}{which}{how}"


class Move(Span):
    """A move of the storage: planned when it is made, done inside the with-block."""

    __slots__ = ()


class Bracket:
    """The CPU may use the bytes inside: a with-block around `Accesses.open` and `close`."""

    __slots__ = ("accesses", "direction")

    def __init__(self, accesses: Accesses, direction: Direction) -> None:
        self.accesses = accesses
        self.direction = direction

    @no_kernel("dma_buf_begin_cpu_access without exporter and fences")
    def __enter__(self) -> Bracket:
        self.accesses.open(self.direction)
        return self

    @no_kernel("dma_buf_end_cpu_access without exporter")
    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or not issubclass(kind, Unwind):
            self.accesses.close(self.direction)


class Accesses:
    """The accesses to one buffer that are going on.

    Args:
        name: the buffer's, for reports.
        resv: the lock under which moves are planned and mappings made; None to leave that
            unchecked.
        rt: the runtime it belongs to; that of `resv`, or the ambient one, if not given.

    Attributes:
        ongoing: the accesses.
        brackets: the open CPU brackets.
        placed: generation of the storage that is mapped now; guarded by `resv`.
        arrived: generation of the storage that holds the bytes.
        is_released: nobody may use the buffer any more.
    """

    __slots__ = (
        "__weakref__",
        "arrived",
        "brackets",
        "is_released",
        "name",
        "ongoing",
        "placed",
        "resv",
        "rt",
    )

    def __init__(
        self, name: str = "", resv: Resv | None = None, *, rt: Runtime | None = None
    ) -> None:
        self.name = name or "buffer"
        self.resv = resv
        self.rt = rt or (resv.rt if resv is not None else ambient())
        self.ongoing: dict[Span, None] = {}
        self.brackets = Brackets()
        self.placed = 0
        self.arrived = 0
        self.is_released = False
        self.rt.adopt(self, self.name)
        self.rt.adopt(self.brackets, f"{self.name}.brackets")

    # -- accesses --------------------------------------------------------------------------------

    @no_kernel("loads and stores of the CPU")
    def cpu(self, *, write: bool = False, offset: int = 0, length: int | None = None) -> Span:
        """An access of the CPU, for a with-block. Context: any; inside a bracket, else DF601.

        Args:
            write: it stores; else it loads.
            offset: the first byte.
            length: how many; up to the end if not given.
        """
        return Span(self, Who.CPU, write=write, offset=offset, length=length)

    @no_kernel("what a device does by itself")
    def device(
        self,
        *,
        write: bool = False,
        offset: int = 0,
        length: int | None = None,
        table: SgTable | None = None,
    ) -> Span:
        """An access of a device, for a with-block. Context: any.

        Args:
            write: it writes; else it reads.
            offset: the first byte.
            length: how many; up to the end if not given.
            table: the mapping it goes through, which has to be good (else DF603).
        """
        return Span(self, Who.DEVICE, write=write, offset=offset, length=length, table=table)

    @no_kernel("an exporter decides on a move")
    def move(self) -> Move:
        """A move of the storage, planned now. Context: process, lock held.

        Enter it where the bytes are copied or cleared, which may be another task.
        """
        if self.resv is not None:
            assert_held(self.resv.ww)
        self.placed += 1
        return Move(self, Who.MOVE, write=True, target=self.placed)

    # -- brackets --------------------------------------------------------------------------------

    @no_kernel("dma_buf_begin_cpu_access without exporter and fences")
    def bracket(self, direction: Direction) -> Bracket:
        """A CPU bracket that waits for nothing, for a with-block. Context: process."""
        return Bracket(self, direction)

    @no_kernel("a part of dma_buf_begin_cpu_access")
    def open(self, direction: Direction) -> None:
        """From here the CPU may use the bytes. Context: process."""
        self.rt.step(OPEN, self, direction)

    @no_kernel("a part of dma_buf_end_cpu_access")
    def close(self, direction: Direction) -> None:
        """The CPU uses the bytes no more. Context: process.

        Warns (DF601) if nobody opened such a bracket, or the CPU goes on.
        """
        rt = self.rt
        rt.step(CLOSE, self, direction)
        task = rt.current()
        wrong: Wrong | None = task.value
        if wrong is None:
            return
        what = f"{task.name} ends a bracket of {self.name} for {_FOR[direction]}"
        other = wrong[1]
        why = f"while {other} ({other.place})" if other is not None else "that nobody began"
        warn_on(rt, f"{what} {why}", code="DF601")

    # -- what the buffer tells -------------------------------------------------------------------

    @no_kernel("a part of dma_buf_map_attachment")
    def mapped(self, table: SgTable) -> None:
        """A device may go through `table` from now on. Context: process, lock held."""
        if table.generation is None:  # that nobody has seen yet
            table.maps, table.generation = 1, self.placed
        else:
            self.rt.step(REMAP, self, (table, self.placed))

    @no_kernel("a part of dma_buf_unmap_attachment")
    def unmapped(self, table: SgTable) -> None:
        """No device goes through `table` any more. Context: process, lock held.

        Warns (DF004) if one does.
        """
        rt = self.rt
        rt.step(UNMAP, self, table)
        task = rt.current()
        user: Span | None = task.value
        if user is not None:
            warn_on(rt, f"{task.name} unmaps {self.name} while {user} ({user.place})")

    @no_kernel("a part of dma_buf_release")
    def release(self) -> None:
        """The buffer is gone. Context: process.

        Warns if somebody uses it (DF004) or a bracket is open (DF601).
        """
        rt = self.rt
        rt.step(RELEASE, self)
        brackets, user = rt.current().value
        if user is not None:
            warn_on(rt, f"{self.name} is released while {user} ({user.place})")
        if brackets:
            warn_on(rt, f"{self.name} is released with {brackets} CPU brackets", code="DF601")

    @no_kernel("nothing in the kernel asks at the end of a task")
    def left_by(self, ended: Collection[Task]) -> list[tuple[str, str]]:
        """What tasks that have ended left open: a rule and a sentence each; takes no step.

        Args:
            ended: the tasks.
        """
        if self.is_released:
            return []  # which has reported it
        found = [
            (UNCOVERED, f"{task.name} ended and left a CPU bracket of {self.name} for {kind} open")
            for kind, openers in zip(("reading", "writing"), self.brackets.openers, strict=True)
            for task in openers
            if task in ended
        ]
        for span in self.ongoing:
            if span.task in ended:
                code = UNCOVERED if span.who is Who.CPU else RELEASED
                found.append((code, f"{span} ({span.place}), and ended before that had"))
        return found

    # -- reports ---------------------------------------------------------------------------------

    @no_kernel("words for reports")
    def report_begin(self, span: Span, code: str, other: Span | None) -> None:
        """Warn about an access that should not have begun. Context: any."""
        what = f"{span} ({span.place})"
        if other is not None:
            why = f"while {other} ({other.place})"
        elif code == UNCOVERED:
            why = f"outside a bracket for {_VERBS[span.write]}"
        elif code == RELEASED:
            why = ", which was released" if self.is_released else "through a mapping given back"
        elif span.table is not None and (span.table.generation or 0) < self.arrived:
            why = "through a mapping of where it was before it was moved"
        else:
            why = "through a mapping of where it is not yet: the move is not done"
        warn_on(self.rt, f"{what} {why}", code=code)

    def __repr__(self) -> str:
        return f"<Accesses {self.name}: {', '.join(map(str, self.ongoing)) or 'none'}>"


_VERBS = ("reading", "writing")
_FOR = {
    Direction.BIDIRECTIONAL: "reading and writing",
    Direction.TO_DEVICE: "writing",
    Direction.FROM_DEVICE: "reading",
    Direction.NONE: "nothing",
}


def _place(frame: FrameType | None) -> str:
    """The innermost line of a design or a driver."""
    while frame is not None:
        filename = frame.f_code.co_filename
        is_ours = filename.startswith(_PACKAGE) and not filename.startswith(_DESIGNS)
        if not is_ours and not filename.endswith(_MACHINERY):
            return f"{filename.rpartition('/')[2]}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"
