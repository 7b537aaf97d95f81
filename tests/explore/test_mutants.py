"""The campaign of mutants: it leaves no operation out, and it can tell."""

import pytest

from dmabuf.rt.api import OPS
from tests.explore.alphabet import FAMILIES
from tests.explore.equivalent_mutants import EQUIVALENT, Kind, Reason, reason_for, wrong_reason
from tests.explore.meetings import Meetings, Mutant, pairs, ways_of
from tests.explore.mutants import ENOUGH, fill_alphabet

SAMPLE = ("shared", "mutex", "semaphore", "eventfd", "syncobj call")


@pytest.fixture(scope="module")
def met():
    """What meets in the small programs of a few families."""
    found = Meetings()
    for family in FAMILIES:
        if family.name in SAMPLE:
            found.add(pairs(family))
    return found


def test_mutants_leave_no_operation_out():
    """Each operation of the alphabet is weakened in some way, each way once."""
    fill_alphabet()

    ways = {name: ways_of(op) for name, op in OPS.items()}

    assert all(ways.values())
    assert all(len(hows) == len(set(hows)) for hows in ways.values())


def test_mutants_of_a_sample_are_killed(met):
    """In a few families the smallest programs notice nearly every mutant of what they do."""
    prefixes = ("shared.", "mutex.", "semaphore.", "eventfd.", "syncobj_wait.")
    mutants = [m for m in met.mutants(met.ops) if m.op.startswith(prefixes) and not reason_for(m)]

    killed = [mutant for mutant in mutants if met.killer(mutant)]

    assert len(mutants) > 25
    assert len(killed) / len(mutants) > 0.8 < ENOUGH


def test_mutants_that_hide_nothing_are_none(met):
    """An operation with one object is not weakened by seeing the first only."""
    assert Mutant("mutex.lock", "sees the first") not in set(met.mutants(["mutex.lock"]))


def test_mutants_honest_footprints_kill_nothing(met):
    """Whatever two steps of these families are said to do in either order, they do."""
    assert not met.wrong
    assert not met.opaque


@pytest.mark.parametrize("kind", Kind)
def test_mutants_that_are_killed_have_no_reason(met, monkeypatch, kind):
    """No kind of reason can be given for a mutant that loses something that others look at."""
    monkeypatch.setitem(EQUIVALENT, ("shared.write", "reads"), Reason(kind, "it is not"))
    mutant = Mutant("shared.write", "reads")

    assert met.killer(mutant)
    assert reason_for(mutant)
    assert (kind is Kind.COARSE) == (not wrong_reason(met, mutant))


def test_mutants_reasons_are_of_operations_that_there_are():
    """Each reason is for a way in which an operation of the alphabet can be weakened."""
    fill_alphabet()

    assert [] == [
        key for key in EQUIVALENT if key[0] not in OPS or key[1] not in ways_of(OPS[key[0]])
    ]
