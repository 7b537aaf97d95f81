"""How grave a finding may be that comes about outside of the audited folders.

What a device's power needs - clocks, regulators, runtime power management, buses - takes locks and
allocates, and every driver uses it where it must not: that is information, not news. Elsewhere
what is done in plain sight may be an error, and what is done some calls away a warning.
"""

from __future__ import annotations

from typing import Final

from dmabuf.audit.ways.beyond import OUTSIDE
from dmabuf.audit.ways.effect import Hop, Way
from dmabuf.report.source_finding import Level

__all__ = ["gravest", "through"]

_POWER: Final = (
    "drivers/acpi/",
    "drivers/base/power/",
    "drivers/clk/",
    "drivers/devfreq/",
    "drivers/firmware/",
    "drivers/gpio/",
    "drivers/i2c/",
    "drivers/interconnect/",
    "drivers/mailbox/",
    "drivers/mfd/",
    "drivers/opp/",
    "drivers/pci/",
    "drivers/phy/",
    "drivers/power/",
    "drivers/pwm/",
    "drivers/regulator/",
    "drivers/reset/",
    "drivers/soc/",
    "drivers/spi/",
    "drivers/thermal/",
    "kernel/power/",
)
"""Where the power of devices is looked after, and the buses that this needs."""
_NEAR: Final = 3
"""So many functions out there may be looked over at once."""
_FAR: Final = 6
"""Behind more of them there is always a condition that nobody meets."""


def gravest(way: Way) -> Level:
    """The gravest level of a finding whose way this is, by where it goes outside."""
    there = _outside(way)
    if any(hop.place.file.startswith(_POWER) for hop in there):
        return Level.INFO
    if len(there) <= _NEAR:
        return Level.ERROR
    return Level.WARNING if len(there) <= _FAR else Level.INFO


def through(way: Way) -> str:
    """The function outside that a way goes through first; "" if it stays inside."""
    return next((hop.callee for hop in way.hops if hop.how == OUTSIDE), "")


def _outside(way: Way) -> tuple[Hop, ...]:
    """The hops of a way that are beyond the audited folders."""
    for at, hop in enumerate(way.hops):
        if hop.how == OUTSIDE:
            return way.hops[at + 1 :]
    return ()
