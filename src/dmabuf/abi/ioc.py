"""The macros that ioctl numbers are made of and taken apart with.

Mirrors: include/uapi/asm-generic/ioctl.h

A number holds direction, size of the argument, type (the "magic") and number. `size` is that of
the struct in bytes, where C takes the struct itself.

    >>> hex(_IOW(ord("b"), 0, 8))
    '0x40086200'
    >>> _IOC_SIZE(0x40086200)
    8
"""

from __future__ import annotations

__all__ = [
    "IOCSIZE_MASK",
    "IOCSIZE_SHIFT",
    "IOC_IN",
    "IOC_INOUT",
    "IOC_OUT",
    "_IO",
    "_IOC",
    "_IOC_DIR",
    "_IOC_DIRBITS",
    "_IOC_DIRMASK",
    "_IOC_DIRSHIFT",
    "_IOC_NONE",
    "_IOC_NR",
    "_IOC_NRBITS",
    "_IOC_NRMASK",
    "_IOC_NRSHIFT",
    "_IOC_READ",
    "_IOC_SIZE",
    "_IOC_SIZEBITS",
    "_IOC_SIZEMASK",
    "_IOC_SIZESHIFT",
    "_IOC_TYPE",
    "_IOC_TYPEBITS",
    "_IOC_TYPEMASK",
    "_IOC_TYPESHIFT",
    "_IOC_WRITE",
    "_IOR",
    "_IOW",
    "_IOWR",
]

_IOC_NRBITS = 8
_IOC_TYPEBITS = 8
_IOC_SIZEBITS = 14
_IOC_DIRBITS = 2

_IOC_NRMASK = (1 << _IOC_NRBITS) - 1
_IOC_TYPEMASK = (1 << _IOC_TYPEBITS) - 1
_IOC_SIZEMASK = (1 << _IOC_SIZEBITS) - 1
_IOC_DIRMASK = (1 << _IOC_DIRBITS) - 1

_IOC_NRSHIFT = 0
_IOC_TYPESHIFT = _IOC_NRSHIFT + _IOC_NRBITS
_IOC_SIZESHIFT = _IOC_TYPESHIFT + _IOC_TYPEBITS
_IOC_DIRSHIFT = _IOC_SIZESHIFT + _IOC_SIZEBITS

_IOC_NONE = 0
_IOC_WRITE = 1
"""The caller writes: the kernel reads the argument."""
_IOC_READ = 2
"""The caller reads: the kernel writes the argument."""

IOC_IN = _IOC_WRITE << _IOC_DIRSHIFT
IOC_OUT = _IOC_READ << _IOC_DIRSHIFT
IOC_INOUT = (_IOC_WRITE | _IOC_READ) << _IOC_DIRSHIFT
IOCSIZE_MASK = _IOC_SIZEMASK << _IOC_SIZESHIFT
IOCSIZE_SHIFT = _IOC_SIZESHIFT


def _IOC(direction: int, magic: int, nr: int, size: int) -> int:  # noqa: N802 - C's name
    """The number of these four parts."""
    return (
        direction << _IOC_DIRSHIFT
        | magic << _IOC_TYPESHIFT
        | nr << _IOC_NRSHIFT
        | size << _IOC_SIZESHIFT
    )


def _IO(magic: int, nr: int) -> int:  # noqa: N802 - C's name
    """An ioctl without argument."""
    return _IOC(_IOC_NONE, magic, nr, 0)


def _IOR(magic: int, nr: int, size: int) -> int:  # noqa: N802 - C's name
    """An ioctl that fills its argument."""
    return _IOC(_IOC_READ, magic, nr, size)


def _IOW(magic: int, nr: int, size: int) -> int:  # noqa: N802 - C's name
    """An ioctl that reads its argument."""
    return _IOC(_IOC_WRITE, magic, nr, size)


def _IOWR(magic: int, nr: int, size: int) -> int:  # noqa: N802 - C's name
    """An ioctl that reads its argument and writes it back."""
    return _IOC(_IOC_READ | _IOC_WRITE, magic, nr, size)


def _IOC_DIR(number: int) -> int:  # noqa: N802 - C's name
    """`_IOC_READ`, `_IOC_WRITE`, both or `_IOC_NONE`."""
    return number >> _IOC_DIRSHIFT & _IOC_DIRMASK


def _IOC_TYPE(number: int) -> int:  # noqa: N802 - C's name
    """The magic, mostly a letter."""
    return number >> _IOC_TYPESHIFT & _IOC_TYPEMASK


def _IOC_NR(number: int) -> int:  # noqa: N802 - C's name
    """The number within its magic."""
    return number >> _IOC_NRSHIFT & _IOC_NRMASK


def _IOC_SIZE(number: int) -> int:  # noqa: N802 - C's name
    """The size of the argument in bytes."""
    return number >> _IOC_SIZESHIFT & _IOC_SIZEMASK
