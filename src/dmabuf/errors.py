"""Errors, named by whose act they are.

A kernel failure is an `OSError` with its errno; a broken contract is a `ContractViolation`; our
own bug is an `InternalError`. What must not be swallowed by a driver's `except Exception` is a
`BaseException` (`Unwind`). Normal outcomes (a timeout) are return values, not errors.

    >>> NotAvailable("no /dev/udmabuf").errno == errno.ENODEV
    True
"""

from __future__ import annotations

import errno

__all__ = [
    "AlreadyLocked",
    "ContractViolation",
    "DesignError",
    "DmabufError",
    "InternalError",
    "Interrupted",
    "KernelWarning",
    "NotAvailable",
    "Unwind",
    "WouldDeadlock",
]

_ERESTARTSYS = 512
"""The kernel's internal -ERESTARTSYS; userspace sees EINTR, so that is what carries over."""


class DmabufError(Exception):
    """Root of the errors that are ours and no `OSError`."""


class Interrupted(OSError):
    """An interruptible wait ended because a signal is pending (the kernel's -ERESTARTSYS)."""

    def __init__(self, what: str = "wait") -> None:
        super().__init__(errno.EINTR, f"{what} interrupted by a pending signal")


class WouldDeadlock(OSError):
    """An older acquire context is in the way: unlock all, then `lock_slow` (-EDEADLK)."""

    def __init__(self, what: str = "lock") -> None:
        super().__init__(errno.EDEADLK, f"{what} gives way to an older acquire context")


class AlreadyLocked(OSError):
    """The acquire context holds this lock already (-EALREADY)."""

    def __init__(self, what: str = "lock") -> None:
        super().__init__(errno.EALREADY, f"{what} is held by this acquire context")


class NotAvailable(OSError):
    """Something that this machine or installation does not have."""

    def __init__(self, what: str) -> None:
        super().__init__(errno.ENODEV, what)


class ContractViolation(DmabufError):
    """A rule of the contract was broken; the runtime recorded it before this was raised."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class DesignError(DmabufError):
    """A design cannot be used as it stands; the message says where and what to do."""


class InternalError(DmabufError):
    """A bug of this package; please report it."""


class KernelWarning(RuntimeWarning):
    """What the kernel prints as WARN_ON: a caller's mistake that is survived."""


class Unwind(BaseException):
    """Ends a task whose execution is over; not an `Exception`, so that drivers let it pass."""
