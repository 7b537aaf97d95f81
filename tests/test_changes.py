"""The table of changes between kernels is complete, shown by tests, and on its page."""

import pytest

import changes_page
from dmabuf.changes import CHANGES, Follows
from tests.agreement.rows import ROWS
from tests.facts import FACTS

READ = {
    "K1": """deadline hints; deadline of sw_sync; syncobj eventfd; zero-handle wait; locking
        convention; vmap under resv lock; udmabuf pins folios; hugetlb holes filled; scheduler
        workqueue and credits; scheduler FIFO; scheduler error propagation; reserve(0) rejected""",
    "K2": """signal returns void; optional inline lock; init64; RCU-safe names; ops detach;
        initialised flag; signal_on_any gone; array and chain lock classes; dedup_array; early
        return in merge; annotation as trylock; enable_signaling renamed; TIMELINE flag and point;
        udmabuf size limit; heap fd leak; mapping cache removed; revocable importers; sysfs
        statistics removed; buffer tracepoints; fair scheduler policy; NO_HANG and cancel_job;
        tests moved to KUnit""",
}
"""What the comparison of the three kernels found, in its order: one entry each."""


@pytest.mark.parametrize("when", READ)
def test_changes_are_all_there(when):
    """An entry for each change that was found, numbered without a gap."""
    found = [one.id for one in CHANGES if one.id.startswith(f"{when}.")]

    assert [f"{when}.{n:02}" for n in range(1, READ[when].count(";") + 2)] == found


def test_changes_are_shown_by_tests():
    """Facts and rows that exist; where ours follow the newest there is at least one."""
    unknown = {one for change in CHANGES for one in change.shown} - {*FACTS, *ROWS}
    bare = [one.id for one in CHANGES if one.follows is Follows.NEWEST and not one.shown]

    assert (set(), []) == (unknown, bare)


def test_changes_say_something_changed():
    """The two answers differ, and what is otherwise here says how."""
    same = [one.id for one in CHANGES if one.before == one.since]
    silent = [one.id for one in CHANGES if one.here == "otherwise"]

    assert ([], []) == (same, silent)


def test_changes_of_rows_are_told_apart_by_version():
    """A row that only newer kernels answer so belongs to a change."""
    newer = {key for key, row in ROWS.items() if row.since == "6.12"}
    shown = {one for change in CHANGES if change.id.startswith("K1.") for one in change.shown}

    about = {"A5.19": "A5.18", "A9.39": "A9.38", "A9.41": "A9.40", "A9.49": "A9.40"}
    assert set() == {about.get(one, one) for one in newer} - shown


def test_changes_page_is_up_to_date():
    """The page is what the tool would write."""
    assert changes_page.PAGE.read_text("utf-8") == changes_page.page(), "tools/changes_page.py"
