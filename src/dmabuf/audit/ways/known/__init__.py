"""What kernel functions do, as data: the only place where the auditor knows the kernel.

>>> KNOWN["kmalloc"]
(Allocates(argument=1, ...),)
>>> does("wait_event_timeout")[0].timeout
2
"""

from __future__ import annotations

from dmabuf.audit.ways.known.acts import Act
from dmabuf.audit.ways.known.allocators import ALLOCATORS
from dmabuf.audit.ways.known.core_locks import CORE_LOCKS
from dmabuf.audit.ways.known.deferred import DEFERRED
from dmabuf.audit.ways.known.harmless import HARMLESS
from dmabuf.audit.ways.known.locks import LOCKS
from dmabuf.audit.ways.known.memory import MEMORY
from dmabuf.audit.ways.known.waits import WAITS

__all__ = ["KNOWN", "does"]

KNOWN: dict[str, tuple[Act, ...]] = {}
"""By name; where two tables know a function, it does what both say."""

for _table in (ALLOCATORS, LOCKS, CORE_LOCKS, WAITS, MEMORY, DEFERRED):
    for _name, _acts in _table.items():
        KNOWN[_name] = (*KNOWN.get(_name, ()), *(a for a in _acts if a not in KNOWN.get(_name, ())))
for _name, _acts in HARMLESS.items():
    KNOWN.setdefault(_name, _acts)


def does(name: str) -> tuple[Act, ...] | None:
    """What a kernel function does; None where it is not known, `Nothing` where it is harmless."""
    return KNOWN.get(name)
