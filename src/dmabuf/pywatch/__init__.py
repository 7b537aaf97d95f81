"""The lock validator for ordinary programs: `threading` locks, conditions, events, queues.

    from dmabuf.pywatch import watch

    with watch() as watcher:
        run_the_program()
    print(watcher.text())

It reports locks that are taken in an order without a beginning, and waits for an event under a
lock that whoever sets the event needs - also where this run came through. How-to:
docs/how-to/watch-locks.md; reasons: docs/design/0018-pywatch.md.

Read `here` (a thread), `dependency` and `judge` (what is a deadlock), then `ledger` (what is put
down), `locks`, `waits`, `threads` (what tells it), `patch` and `watcher`.
"""

from __future__ import annotations

from dmabuf.contract.limits import Limits
from dmabuf.pywatch.ledger import LockOrderError
from dmabuf.pywatch.watcher import Watcher, watch

__all__ = ["Limits", "LockOrderError", "Watcher", "watch"]
