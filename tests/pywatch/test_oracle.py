"""Random programs: the watcher finds what brute force finds in the same records."""

import pytest

from tests.pywatch.oracle import agrees, compare, deadlocks, dependencies


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "events"), [(4, 0), (2, 0), (1, 0), (4, 1), (4, 2)])
def test_random_programs_are_judged_as_by_brute_force(classes, events):
    """Each finding is one of the oracle's, where that has any there is one, and no pair is missing.

    Locks of one class stand for each other, so of their pairs only the first is told.
    """
    wrong, found = [], 0
    for seed in range(40):
        program, ours, theirs = compare(seed, classes=classes, events=events)
        found += bool(theirs)
        if not agrees(ours, theirs, pairs=classes == 4 and events < 2):
            wrong.append((seed, program, ours, theirs))

    assert [] == wrong
    assert 14 <= found <= 39


def test_the_oracle_knows_a_deadlock_and_a_gate():
    """AB and BA; the same under C."""
    ab = [("take", 0), ("take", 1), ("free", 1), ("free", 0)]
    ba = [("take", 1), ("take", 0), ("free", 0), ("free", 1)]
    under = [("take", 2)], [("free", 2)]
    gated = [[*under[0], *one, *under[1]] for one in (ab, ba)]

    assert {frozenset({(0, 1), (1, 0)})} == deadlocks([ab, ba])
    assert set() == deadlocks(gated)
    assert 6 == len(dependencies(gated)) + 2 * len(dependencies([ab]))
