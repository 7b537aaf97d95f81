"""Clocks: integers of nanoseconds."""

import math

import pytest

from dmabuf.rt.clock import NS_PER_S, VirtualClock, monotonic_ns, to_ns


@pytest.mark.parametrize(
    ("seconds", "ns"),
    [(0, 0), (1, NS_PER_S), (1.5, 1_500_000_000), (1e-9, 1), (1e-10, 1), (0.1, 100_000_000)],
)
def test_to_ns_rounds_up(seconds, ns):
    """No wait ends early because of rounding."""
    assert ns == to_ns(seconds)
    assert isinstance(to_ns(seconds), int)


@pytest.mark.parametrize("seconds", [1e10, 1e300, math.inf])
def test_to_ns_takes_very_long_as_long(seconds):
    """Thirty years are for ever, and still an integer."""
    assert to_ns(1e9) == to_ns(seconds)


def test_to_ns_refuses_what_is_no_number():
    """NaN is neither early nor late."""
    with pytest.raises(ValueError, match="NaN"):
        to_ns(math.nan)


def test_virtual_clock_stands_still_until_advanced():
    """It starts at 0 and never goes backwards."""
    clock = VirtualClock()
    seen = [clock.now(), clock.now()]

    for deadline in (5, 3, 5, 9):
        clock.advance_to(deadline)
        seen.append(clock.now())

    assert [0, 0, 5, 5, 5, 9] == seen


def test_monotonic_clock_never_goes_backwards():
    """Each reading is an integer, at least the one before."""
    readings = [monotonic_ns() for _ in range(1000)]

    assert readings == sorted(readings)
    assert {int} == {type(reading) for reading in readings}
