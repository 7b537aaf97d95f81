"""The errors that calls on these files answer with, as the kernel numbers them.

Mirrors: include/uapi/asm-generic/errno.h

Python's own `errno` has the host's numbers, which are the same on Linux for x86, Arm and RISC-V;
these hold wherever a design is explored.

    >>> ETIME, ETIMEDOUT
    (62, 110)
"""

from __future__ import annotations

__all__ = [
    "EACCES",
    "EAGAIN",
    "EBADF",
    "EBADFD",
    "EBUSY",
    "EDEADLK",
    "EEXIST",
    "EFAULT",
    "EINTR",
    "EINVAL",
    "EIO",
    "EMFILE",
    "ENFILE",
    "ENODEV",
    "ENOENT",
    "ENOMEM",
    "ENOSPC",
    "ENOSYS",
    "ENOTTY",
    "EOPNOTSUPP",
    "EOVERFLOW",
    "EPERM",
    "ESPIPE",
    "ESRCH",
    "ETIME",
    "ETIMEDOUT",
]

EPERM = 1
ENOENT = 2
ESRCH = 3
EINTR = 4
EIO = 5
EBADF = 9
EAGAIN = 11
ENOMEM = 12
EACCES = 13
EFAULT = 14
EBUSY = 16
EEXIST = 17
ENODEV = 19
EINVAL = 22
ENFILE = 23
EMFILE = 24
ENOTTY = 25
ENOSPC = 28
ESPIPE = 29
EDEADLK = 35
ENOSYS = 38
ETIME = 62
"""A wait for sync objects ran out of time."""
EOVERFLOW = 75
EBADFD = 77
"""A udmabuf of what is no memfd."""
EOPNOTSUPP = 95
ETIMEDOUT = 110
"""A vgem fence was signalled too late."""
