"""The fewest context switches of a class of executions, against brute force."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmabuf.explore.dependence import independent
from dmabuf.explore.explanations.shrink import (
    Event,
    causal_past,
    few_switches,
    fewest_switches,
    switches_of,
)

events = st.lists(
    st.builds(
        Event, st.integers(0, 3), st.just(0), st.lists(st.integers(0, 7), max_size=2).map(tuple)
    ),
    max_size=7,
)


def depends(one, other):
    """May these two steps not change places?"""
    return one.task == other.task or not independent(one.footprint, other.footprint)


def is_equivalent(order, execution):
    """Do all steps that depend on each other stand in the same order in both? By index."""
    place = {index: position for position, index in enumerate(order)}
    return all(
        place[one] < place[other]
        for one, other in itertools.combinations(range(len(execution)), 2)
        if depends(execution[one], execution[other])
    )


@settings(deadline=None)
@given(events)
def test_fewest_switches_equals_brute_force(execution):
    """Of all equivalent orders none has fewer switches than the one that is found."""
    orders = itertools.permutations(range(len(execution)))
    equivalent = (order for order in orders if is_equivalent(order, execution))
    fewest = min(switches_of([execution[i] for i in order]) for order in equivalent)

    found = fewest_switches(execution)

    assert found is not None
    assert fewest == switches_of(found)


@settings(deadline=None)
@given(events)
def test_fewest_switches_keeps_what_depends_in_order(execution):
    """What comes out are the same steps, and those that depend on each other are in order."""
    found = fewest_switches(execution)

    assert found is not None
    assert sorted(execution) == sorted(found)
    for task in range(4):
        mine = [event for event in execution if event.task == task]
        assert mine == [event for event in found if event.task == task]
    for one, other in itertools.combinations(range(4), 2):
        pairs = [event for event in execution if event.task in (one, other)]
        again = [event for event in found if event.task in (one, other)]
        assert _conflicts(pairs) == _conflicts(again)


def _conflicts(pair):
    """For each two steps that conflict, which came first: (task, its how-manieth) pairs."""
    counts = {}
    named = []
    for event in pair:
        counts[event.task] = counts.get(event.task, 0) + 1
        named.append(((event.task, counts[event.task]), event))
    return {
        (one, other)
        for (one, first), (other, second) in itertools.combinations(named, 2)
        if depends(first, second)
    }


@settings(deadline=None)
@given(events, st.integers(0, 6))
def test_fewest_switches_gives_up_at_a_bound(execution, below):
    """With a bound, an order is found exactly if there is one below it."""
    best = fewest_switches(execution)
    assert best is not None

    found = fewest_switches(execution, below)

    if execution:
        assert (switches_of(best) < below) == (found is not None)


@settings(deadline=None)
@given(events)
def test_few_switches_is_an_equivalent_order_that_is_no_worse_than_its_bound(execution):
    """The same steps, dependent ones in order, and where few states go on exactly the fewest."""
    best = fewest_switches(execution)
    assert best is not None

    found = few_switches(execution)

    assert _conflicts(execution) == _conflicts(found)
    assert switches_of(best) == switches_of(found)


@pytest.mark.slow
def test_few_switches_of_a_large_execution_takes_few_states():
    """Where the exact search gives up, an order is found that is much better than none."""
    rng = random.Random(3)
    execution = [
        Event(task, task * 256, ((rng.randrange(120) << 1) | (rng.random() < 0.3),))
        for task in (rng.randrange(12) for _ in range(150))
    ]

    found = few_switches(execution)

    assert fewest_switches(execution) is None
    assert switches_of(found) * 4 < switches_of(execution)
    assert sorted(execution) == sorted(found)


@settings(deadline=None)
@given(events, st.sets(st.integers(0, 3)))
def test_causal_past_leaves_out_what_does_not_matter(execution, tasks):
    """Every step of those tasks stays, and all that any kept step depends on."""
    kept = causal_past(execution, tasks)

    rest = iter(execution)
    assert all(event in rest for event in kept)  # in order
    assert [e for e in execution if e.task in tasks] == [e for e in kept if e.task in tasks]
