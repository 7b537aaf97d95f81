"""When two steps commute: the relation, and that runtime footprints tell the truth."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from dmabuf.explore.dependence import independent
from tests.explore.oracle import everything, normal_form
from tests.explore.random_programs import generate

footprints = st.lists(st.integers(0, 9), max_size=5).map(tuple)


def by_definition(one, other):
    """No common object that either changes, written from the definition."""
    return not any(
        mine >> 1 == theirs >> 1 and (mine | theirs) & 1
        for mine, theirs in itertools.product(one, other)
    )


@given(footprints, footprints)
def test_independent_is_the_definition(one, other):
    """Equal to the definition, and symmetric."""
    assert by_definition(one, other) == independent(one, other)
    assert independent(one, other) == independent(other, one)


def test_equivalent_executions_end_alike():
    """All executions of one class come to the same outcome: the classes are real.

    A footprint that forgets an object puts executions of different outcomes into one class.
    """
    for seed in range(60):
        program = generate(seed)
        outcomes = {}

        def note(rt, made, outcomes=outcomes):
            world = rt.extras["world"]
            outcomes.setdefault(normal_form(made), set()).add(
                repr((world.observed(), world.final(rt)))
            )

        everything(program, cap=150, on_end=note)

        assert all(len(ends) == 1 for ends in outcomes.values()), seed
