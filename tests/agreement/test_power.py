"""Random calls notice weakened objects within what CI runs of them."""

import functools
import random

import pytest

from tests.agreement.calls import World, a_program, answer
from tests.agreement.mutants import MUTANTS
from tests.agreement.ours import Ours

LENGTH = 80
PROGRAMS = 30
"""About the 2,000 calls that CI makes."""


def _answers(number):
    """What our objects answer to one program, as they are now."""
    system = Ours()
    world = World(system)
    answers = [answer(world, call) for call in a_program(random.Random(f"1.{number}"), LENGTH)]
    world.end()
    system.end()
    return answers


_sound = functools.cache(_answers)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:DF601")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_random_calls_notice(mutant, monkeypatch):
    """A program answers otherwise than by sound objects, whose answers are the kernel's."""
    sound = {number: _sound(number) for number in range(PROGRAMS)}

    mutant.apply(monkeypatch)

    assert any(_answers(number) != sound[number] for number in range(PROGRAMS))
