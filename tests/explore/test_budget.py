"""What a budget says."""

import pytest

from dmabuf.explore.budget import parse_budget
from dmabuf.explore.search import Budget


@pytest.mark.parametrize(
    ("text", "seconds", "executions", "steps"),
    [
        ("10s", 10, None, 2000),
        ("500ms", 0.5, None, 2000),
        ("2m", 120, None, 2000),
        ("1.5h", 5400, None, 2000),
        ("5000x", None, 5000, 2000),
        ("10s,5000x", 10, 5000, 2000),
        ("0.5x", None, 1, 2000),
        ("900steps", 30, None, 900),
        ("5000x,50steps", None, 5000, 50),
    ],
)
def test_budget_is_read(text, seconds, executions, steps):
    """A budget is time, executions, length, or several; executions lift the limit of time."""
    expected = Budget(seconds=seconds, executions=executions, steps_per_execution=steps)

    assert expected == parse_budget(text)


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "1e9s", "nans", "10s;5x", "٣s", "0x", ","])
def test_budget_that_means_nothing_is_refused(text):
    """What is no budget is refused with examples."""
    with pytest.raises(ValueError, match="write 10s"):
        parse_budget(text)
