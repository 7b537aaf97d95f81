"""Nothing that goes wrong in a design or its search is ever called a proof."""

import pytest

from dmabuf import Status
from tests.explore.foreign.honesty import Injected, _check, control, inject

SEEDS = 40


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, SEEDS, 20))
def test_injection_is_never_a_pass(start):
    """Limits, exceptions, hangs and non-determinism at any operation: no false pass."""
    found = {seed: inject(seed) for seed in range(start, start + 20)}

    assert {} == {seed: one for seed, one in found.items() if Status.PROVED.value == one[1]}


@pytest.mark.slow
def test_injected_designs_are_proved_as_they_stand():
    """What is spoilt was right: else the test above would show nothing."""
    assert {Status.PROVED} == {control(seed).status for seed in range(3)}


@pytest.mark.slow
def test_injection_of_nothing_is_a_pass():
    """Without an injection the same way of checking proves."""
    injected = Injected(1, (0, 0), lambda _world, _execution: None)

    assert Status.PROVED.value == _check(injected, "", crew=True, budget=None)
