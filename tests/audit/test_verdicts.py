"""The pages of readings are read back as they were written."""

import re

import pytest

from tests.audit.corpus import CASES
from tests.audit.verdicts import level_of, read_page

PAGES = CASES.parents[2] / "docs" / "audits"
TOTAL = re.compile(r"^\| all \| (\d+) \(\d+ %\) \| (\d+) \| (\d+) \|$", re.MULTILINE)


@pytest.mark.parametrize("name", ["linux-6.1.md", "linux-6.12.md"])
def test_page_has_as_many_verdicts_as_its_table_counts(name):
    """True, debatable and false."""
    text = (PAGES / name).read_text()
    verdicts = [one.verdict for one in read_page(text)]

    counted = [verdicts.count(one) for one in ("true", "debatable", "false")]

    assert list(map(int, TOTAL.search(text).groups())) == counted


@pytest.mark.parametrize(
    ("key", "level"),
    [
        ("DF301:a_run>a_make:kzalloc", "error"),
        ("DF301:a_run>a_make:vmap", "error"),
        ("DF202:a_run>a_make:one.lock", "warning"),
        ("DF202:a_run>a_make:other.lock", "gone"),
        ("DF301:b_run>a_make:kzalloc", "gone"),
    ],
)
def test_cluster_counts_by_its_choke_point_and_a_lock_by_its_name(key, level):
    """The end that is shown may change; another lock is another finding."""
    levels = {"DF301:a_run>a_make:kzalloc": "error", "DF202:a_run>a_make:one.lock": "warning"}

    assert level == level_of(key, levels)
