"""Sequences that races ask for, and what is explored instead of them."""

import pytest

from dmabuf.explore.strategies.wakeup import Tree, begins, without

FIRST, SECOND, THIRD = 256, 512, 768
READ_1, WRITE_1, WRITE_2 = (2,), (3,), (5,)


@pytest.mark.parametrize(
    ("footprint", "expected"), [(WRITE_2, True), (READ_1, False), (None, None)]
)
def test_a_transition_begins_what_it_commutes_with(footprint, expected):
    """It could come first, could not, or nobody knows."""
    steps = [(FIRST, WRITE_1)]

    assert expected is begins(SECOND, footprint, steps)


def test_a_step_begins_a_sequence_if_it_commutes_with_those_before_it():
    """What the step will touch is known from the sequence."""
    steps = [(FIRST, WRITE_1), (SECOND, WRITE_2), (THIRD, READ_1)]

    assert begins(SECOND, None, steps)
    assert not begins(THIRD, None, steps)


def test_another_way_of_a_step_begins_nothing():
    """A task makes one step at a time."""
    assert not begins(FIRST + 1, WRITE_2, [(FIRST, WRITE_1)])


def test_a_sequence_goes_below_the_first_branch_that_could_begin_it():
    """What begins it need not be one of its steps, and is told then."""
    tree, used = Tree(), []
    tree.insert([(FIRST, WRITE_1)], used)

    is_sure = tree.insert([(SECOND, WRITE_2)], used)

    assert is_sure
    assert [WRITE_1] == used
    assert [FIRST] == list(tree.branches)
    assert [SECOND] == list(tree.branches[FIRST].branches)


def test_a_sequence_that_no_branch_begins_is_one_more():
    """It comes after those that were asked for before."""
    tree = Tree()
    tree.insert([(FIRST, WRITE_1)], [])

    tree.insert([(SECOND, READ_1), (FIRST, WRITE_1)], [])

    assert [FIRST, SECOND] == list(tree.branches)


def test_a_branch_of_which_nothing_is_known_makes_it_unsure():
    """It may be that the sequence had its place there."""
    tree = Tree()
    tree.insert([(FIRST, None)], [])

    assert not tree.insert([(SECOND, WRITE_2)], [])


def test_steps_without_one_of_them():
    """The first that is that transition is left out."""
    steps = [(FIRST, WRITE_1), (SECOND, WRITE_2), (FIRST, READ_1)]

    assert steps[1:] == without(FIRST, steps)
    assert steps == without(THIRD, steps)
