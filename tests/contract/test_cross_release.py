"""Guessed sections beside said ones: why the annotation is needed, in figures and case by case."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dmabuf.contract.cross_release import CROSS_RELEASE
from dmabuf.contract.sections import NEWEST
from dmabuf.machine import Design
from dmabuf.rules import RULES
from tests.contract import corpus
from tests.contract.cross_release import Tally, of_case, of_cases, of_design, signals_itself

_LOCKS = RULES["DF202"]
_DOCS = Path(__file__).parent.parent.parent / "docs"
_FIGURES = {
    "explanation/contract.md": r"validator's (\d+) cases, of which it\nshould tell (\d+) bugs, it "
    r"finds (\d+), misses (\d+) and adds (\d+) false alarms",
    "design/0019-cross-release-tried.md": r"\| (\d+) cases \| sections are said \| (\d+) \| .*\n.*"
    r"sections are guessed \| (\d+) \| \*\*(\d+)\*\* \| \*\*(\d+)",
}
"""Cases, bugs, and of these found, missed, and false alarms, as each page tells them."""


def _made_of(name: str) -> Tally:
    tally = Tally()
    of_case(name, CROSS_RELEASE, tally)
    return tally


@pytest.mark.slow
def test_said_sections_miss_nothing_and_tell_nothing_false() -> None:
    """Of the corpus the annotation shows every bug of the order, and only those."""
    tally = of_cases(NEWEST)

    assert ([], []) == (tally.missed, tally.false)
    assert 70 <= len(tally.found)


@pytest.mark.slow
def test_guessed_sections_have_false_alarms_and_misses() -> None:
    """Cross-release does both on the same corpus, and finds most of the bugs all the same."""
    found, missed, false = of_cases(CROSS_RELEASE).counts

    assert 10 <= false
    assert 20 <= missed < found


@pytest.mark.slow
def test_guesses_miss_only_sections_that_signal_nothing_themselves() -> None:
    """Where the code on the way signals itself, cross-release sees what it took."""
    cases = corpus.all_cases()

    missed = {name.split()[0] for name in of_cases(CROSS_RELEASE).missed}

    assert missed
    assert not [name for name in missed if signals_itself(cases[name])]


@pytest.mark.slow
@pytest.mark.parametrize(("page", "figures"), _FIGURES.items())
def test_page_tells_about_what_comes_out(page: str, figures: str) -> None:
    """The figures of the cases are not further off than a few cases that came since make them."""
    found, missed, false = of_cases(CROSS_RELEASE).counts
    counted = (len(corpus.all_cases()), found + missed, found, missed, false)

    text = (_DOCS / page).read_text("utf-8")

    told = re.search(figures, text)
    assert told is not None
    assert pytest.approx(counted, rel=0.1, abs=2) == tuple(map(int, told.groups()))


def test_guesses_find_a_bug_that_nobody_annotated() -> None:
    """A lock taken before a signal and held across the wait: no annotation, and yet a finding."""
    tally = _made_of("unsaid-unsaid_with_a_lock_of_a_waiter")

    assert ["unsaid-unsaid_with_a_lock_of_a_waiter DF202"] == tally.found
    assert ([], []) == (tally.missed, tally.false)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("guesses-lock_before_publication", "DF202"),
        ("guesses-memory_before_publication", "DF301"),
    ],
)
def test_guessed_section_starts_too_early(name: str, code: str) -> None:
    """What a task did before it published its fence is held against it."""
    assert [f"{name} {code}"] == _made_of(name).false


def test_guessed_section_ends_at_signals_in_passing() -> None:
    """A favour to a fence that its interrupt signals anyway counts as the way to its signal."""
    name = "guesses-signal_in_passing"

    assert [f"{name} DF202"] == _made_of(name).false


def test_guesses_never_see_a_scheduler_that_does_not_signal() -> None:
    """From the scheduler thread to the handler it goes through hardware, which nobody observes."""
    name = "guesses-scheduler_that_never_signals"

    assert [f"{name} DF202"] == _made_of(name).missed


@pytest.mark.parametrize("name", ["guesses-items_of_one_worker", "guesses-call_after_another"])
def test_guessed_section_starts_with_what_is_fresh(name: str) -> None:
    """What the item or the call before has taken does not count."""
    tally = _made_of(name)

    assert (0, 0, 0) == tally.counts


@pytest.mark.parametrize("fn", _LOCKS.broken, ids=lambda fn: fn.__name__)
def test_both_say_that_a_design_is_broken(fn: Design) -> None:
    """Ours suspects it and leaves the verdict to a search; cross-release calls it a finding."""
    ours, theirs = (of_design(fn, how)[1] for how in (NEWEST, CROSS_RELEASE))

    assert {("DF202", True)} == {(one.finding.code, one.is_suspicion) for one in ours}
    assert {("DF202", False)} == {(one.finding.code, one.is_suspicion) for one in theirs}


def test_guess_calls_a_proved_design_broken() -> None:
    """The lock before the publication of a near-miss is a finding for one and nothing for ours."""
    fn = next(fn for fn in _LOCKS.near_misses if fn.__name__ == "lock_before_publication")

    ours, theirs = (of_design(fn, how)[1] for how in (NEWEST, CROSS_RELEASE))

    assert not ours
    assert ["DF202"] == [one.finding.code for one in theirs]
