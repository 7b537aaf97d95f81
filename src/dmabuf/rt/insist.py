"""Taking a live runtime's mutex for what must not be left undone.

Mirrors: nothing; in the kernel no signal handler runs in the middle of a system call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threading import RLock

__all__ = ["take_again"]


def take_again(mutex: RLock) -> None:
    """Take the mutex after an exception (Ctrl-C) has ended the first try, whatever comes.

    What handlers raise meanwhile is lost; the caller raises the first exception.

    Args:
        mutex: a recursive one, which knows whether it was taken just before the exception.
    """
    while not mutex._is_owned():  # type: ignore[attr-defined]
        try:
            mutex.acquire()
        except BaseException:  # noqa: BLE001 - the first one is told
            continue
