"""What is done where a driver gives its hardware up: nothing runs on it any more.

i915 and xe call it wedged. It happens once until the driver is bound again, and who does it ends
the fences himself; their authors accept there what they would not elsewhere.
"""

from __future__ import annotations

import re

from dmabuf.audit.program.program import Program
from dmabuf.audit.ways.effect import Way

__all__ = ["is_given_up"]

_GIVES_UP = re.compile(r"(?:^|_)(?:set|declare)_wedged(?:_|$)|_wedge$")


def is_given_up(way: Way, _program: Program) -> bool:
    """Does a way go through a function that declares hardware dead, below its root?"""
    return any(_GIVES_UP.search(hop.place.function) for hop in way.hops[1:])
