"""An open file: how many descriptors and users it has, and what happens after the last one.

Mirrors: include/linux/fs.h (struct file), fs/file_table.c

    >>> class Log(CountedFile):
    ...     def __init__(self): self._open(ambient(), "log")
    ...     def release(self): print("closed")
    >>> log = Log()
    >>> log.get_file(), log.put()
    (True, None)
    >>> log.put()
    closed
"""

from __future__ import annotations

from dmabuf._names import kernel, no_kernel
from dmabuf.rt.ambient import ambient
from dmabuf.rt.api import READ, Op, Runtime, Task

__all__ = ["CountedFile", "ambient"]


def _get(file: CountedFile, _task: Task) -> bool:
    is_open = file.references > 0
    file.references += is_open
    return is_open


def _put(file: CountedFile, _task: Task) -> int:
    before = file.references
    file.references = max(before - 1, 0)
    return before


GET = Op("file.get", action=_get, says="takes a reference to the file {}")
USE = Op(
    "file.use",
    action=lambda file, _task: file.references,
    access=READ,
    says="looks whether the file {} is open",
)
PUT = Op("file.put", action=_put, says="puts a reference to the file {}")


class CountedFile:
    """Base of what a descriptor may stand for; one reference is its opener's.

    Attributes:
        references: counted ones.
        rt: the runtime it belongs to.
    """

    __slots__ = ("references", "rt")

    references: int
    rt: Runtime

    def _open(self, rt: Runtime, label: str) -> None:
        """What a constructor calls."""
        self.rt = rt
        self.references = 1
        rt.adopt(self, label)

    @kernel("get_file", "get_file_rcu")
    def get_file(self) -> bool:
        """Take a reference; False if there was none left. Context: any."""
        self.rt.step(GET, self)
        return bool(self.rt.current().value)

    @kernel("fput")
    def put(self) -> None:
        """Put a reference; after the last one comes `release`. Context: process.

        Raises:
            ContractViolation: DF004, there was none.
        """
        rt = self.rt
        rt.step(PUT, self)
        before = rt.current().value
        if not before:
            rt.report("DF004", f"{rt.current().name} closes {rt.label(self)}, which is closed")
        if before == 1:
            self.release()

    def _is_open(self) -> bool:
        """Is there a reference left? What no caller should have to ask. Context: any."""
        rt = self.rt
        if rt.quick:
            return self.references > 0
        rt.step(USE, self)
        return bool(rt.current().value)

    @no_kernel("a call through struct file_operations")
    def release(self) -> None:
        """Nobody has it open any more. Context: process."""
        raise NotImplementedError
