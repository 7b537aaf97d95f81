"""Which engine explores a design: depth first with sleep sets, or source-DPOR where it is sound.

Source-DPOR is had by asking for it (`Search(engine=DPOR)`): it is known to miss classes of one
random program in 5,000. The choice is made by looking at executions as they come. A trait that
source-DPOR cannot do soundly yet sends the whole search back to its start with the other engine,
whose argument needs less: it visits every state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmabuf.rt.tasks import Tasks

__all__ = ["DPOR", "ENGINES", "SLEEP", "needs_every_state"]

DPOR = "source-DPOR"
SLEEP = "sleep sets"
ENGINES = (DPOR, SLEEP)


def needs_every_state(runtime: Tasks) -> bool:
    """Has the design a trait for which only the engine that visits every state is sound?

    * Interrupt handlers: on which CPUs a handler may start is decided by the states of all other
      tasks, and no footprint says so.
    """
    return runtime.interrupts
