"""Without the cyclic collector, where millions of tuples are made that live on, none in circles."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["no_collector"]


@contextmanager
def no_collector() -> Generator[None]:
    """Nothing is looked for in circles meanwhile.

    What is left then is handed to the oldest generation as it is: a collector that is just turned
    on takes all of it for young, and looks at it for seconds.
    """
    collects = gc.isenabled()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()
        if collects:
            gc.enable()
