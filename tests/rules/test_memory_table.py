"""The table of allocations on the way to a signal: each cell is what the explorer says."""

import pytest

import memory_table
from dmabuf import Status, check_design
from dmabuf.rules.memory_table import CELLS, FLAGS, PROPOSALS, WAITERS, cell


def explored(fn):
    """The leading rule that a design breaks; empty if it is proved."""
    verdict = check_design(fn, "cell")
    assert verdict.status is (Status.VIOLATED if verdict.findings else Status.PROVED)
    return verdict.findings[0].code if verdict.findings else ""


@pytest.mark.parametrize("waiter", WAITERS, ids=lambda waiter: waiter.title)
def test_memory_table_row_is_explored(waiter):
    """Each cell breaks the rule that the table says, or is proved."""
    found = {flags: explored(cell(waiter, flags)) for flags in FLAGS}

    assert {flags: CELLS[waiter.title, flags] for flags in FLAGS} == found


@pytest.mark.slow
@pytest.mark.parametrize("one", PROPOSALS, ids=lambda one: f"{one.design.__name__} {one.idea[:8]}")
def test_memory_table_proposal_is_explored(one):
    """Each proposal breaks the rule that the table says in that situation, or is proved."""
    assert one.code == explored(one.design)


def test_memory_table_page_is_up_to_date():
    """The page is what the tool would write."""
    assert memory_table.PAGE.read_text("utf-8") == memory_table.page(), "tools/memory_table.py"
