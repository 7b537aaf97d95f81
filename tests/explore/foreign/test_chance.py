"""Designs may not take real chances or read real clocks."""

import random
import time as clock

import pytest

from dmabuf import Status, check_design, design
from dmabuf.explore.foreign.chance import guarded


@pytest.mark.parametrize(
    ("call", "word"),
    [
        pytest.param(lambda: random.random(), "machine.choose()", id="random"),
        pytest.param(lambda: random.shuffle([1, 2]), "machine.choose()", id="shuffle"),
        pytest.param(lambda: clock.monotonic(), "machine.rt.now()", id="monotonic"),
    ],
)
@pytest.mark.parametrize("carrier", ["greenlet", "threads"])
def test_chance_design_that_calls_is_reported(call, word, carrier):
    """A design that calls a guarded function breaks DF005, and the report says what to use."""

    @design
    def bad(machine):
        machine.kthread(call, "A")

    with guarded():
        verdict = check_design(bad, "bad", carrier=carrier)

    assert Status.VIOLATED is verdict.status
    assert "DF005" == verdict.findings[0].code
    assert word in verdict.findings[0].message


def test_chance_outside_a_design_work_as_ever():
    """Guarded functions are what they were for everybody else, inside and afterwards."""
    before = clock.monotonic

    with guarded():
        assert clock.monotonic() > 0
        assert clock.monotonic is not before

    assert before is clock.monotonic
