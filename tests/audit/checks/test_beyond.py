"""How grave a finding may be that comes about outside of the audited folders."""

import pytest

from dmabuf.audit.checks.beyond import gravest, through
from dmabuf.audit.ways.effect import Effect, Hop, Kind, Way
from dmabuf.report.finding import Place
from dmabuf.report.source_finding import Level

ROOT = Place("drivers/gpu/drm/toy/toy.c", 1, "toy_run")


def way(*files: str) -> Way:
    """A way that leaves the driver in its first line and goes through these files."""
    there = [Hop(Place(file, 1, "f"), "direct", "g") for file in files]
    return Way(ROOT, (Hop(ROOT, "outside", "out"), *there), Effect(Kind.RECLAIM, "kmalloc"))


@pytest.mark.parametrize(
    ("files", "level"),
    [
        (["lib/a.c"], Level.ERROR),
        (["lib/a.c"] * 3, Level.ERROR),
        (["lib/a.c"] * 4, Level.WARNING),
        (["lib/a.c"] * 7, Level.INFO),
        (["drivers/base/core.c"], Level.ERROR),
        (["drivers/base/power/runtime.c"], Level.INFO),
        (["lib/a.c", "drivers/clk/clk.c"], Level.INFO),
    ],
)
def test_level_is_that_of_the_place(files, level):
    """Power management is information; elsewhere the number of functions out there decides."""
    assert level is gravest(way(*files))


def test_way_inside_has_no_bound():
    """What a driver does itself is judged by other rules."""
    inside = Way(ROOT, (Hop(ROOT, "direct", "kmalloc"),), Effect(Kind.RECLAIM, "kmalloc"))

    assert (Level.ERROR, "") == (gravest(inside), through(inside))
    assert "out" == through(way("lib/a.c"))
