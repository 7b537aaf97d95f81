"""The catalogue of violations that maintainers fixed or admitted."""

from pathlib import Path

import pytest

from dmabuf.codes import CODES
from dmabuf.report.finding import Place
from dmabuf.report.source_finding import Hop, Level, Sink, SourceFinding
from tests.audit.fixed import Violation, best, catalogue, matches, release_of

TOY = Violation(
    id="toy",
    trees=("6.1",),
    file="drivers/gpu/drm/toy/toy.c",
    function="toy_fence|toy_old_fence",
    through=("toy_run", "toy_fence|toy_old_fence", "kzalloc()"),
    rules=("DF301",),
    kind="fixed",
    seen="a commit",
    what="run_job allocates",
)


def toy_finding(code="DF301", level=Level.WARNING, last="toy_fence", sinks=()):
    """A finding with a chain of two."""
    hops = (
        Hop(Place("drivers/gpu/drm/toy/toy.c", 1, "toy_run"), "calls toy_fence", "direct"),
        Hop(Place("drivers/gpu/drm/toy/toy.c", 2, last), "kzalloc()"),
    )
    return SourceFinding(
        code, level, "allocates", hops[-1].place, "toy_run", hops=hops, sinks=sinks
    )


def test_catalogue_names_rules_that_an_audit_can_decide():
    """Each entry can be found, by its rules."""
    for one in catalogue():
        assert all("audit" in CODES[rule].decided_by for rule in one.rules), one.id


def test_page_has_every_entry_of_the_catalogue():
    """What is published is what is measured."""
    page = Path(__file__).parents[2].joinpath("docs/audits/fixed.md").read_text("utf-8")

    for one in catalogue():
        assert f"| `{one.id}` | {one.what} | {one.seen} |" in page, one.id


def test_catalogue_says_of_each_entry_how_it_is_known():
    """No entry without a reference, each name once, and kinds and trees as the head says."""
    entries = catalogue()

    assert len({one.id for one in entries}) == len(entries)
    for one in entries:
        assert one.kind in ("fixed", "admitted"), one.id
        assert one.trees, one.id
        assert set(one.trees) <= {"6.1", "6.12"}, one.id
        assert all((one.seen, one.what, one.through, one.file)), one.id


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        (toy_finding(), True),
        (toy_finding(last="toy_old_fence"), True),
        (toy_finding(last="toy_other"), False),
        (toy_finding(code="DF202"), False),
        (
            toy_finding(
                last="toy_other",
                sinks=(Sink(Place("drivers/gpu/drm/toy/toy.c", 9, "toy_fence"), "kmalloc()"),),
            ),
            True,
        ),
    ],
    ids=["chain", "either", "elsewhere", "another-rule", "folded"],
)
def test_finding_matches_by_what_its_chain_goes_through(finding, expected):
    """All names of the entry, in the chain or in what is folded, and one of its rules."""
    assert expected is matches(TOY, finding)


def test_best_finding_is_the_gravest():
    """An entry that is found twice counts by the finding that is shown first."""
    findings = [toy_finding(level=Level.INFO), toy_finding(level=Level.ERROR), toy_finding()]

    found = best(TOY, findings)

    assert found is not None
    assert Level.ERROR is found.level
    assert best(TOY, []) is None


def test_violation_stands_where_its_function_is(tmp_path):
    """A tree without the file, or without the function in it, is told."""
    file = tmp_path / TOY.file

    assert not TOY.stands_in(tmp_path)
    file.parent.mkdir(parents=True)
    file.write_text("int toy_fences;")
    assert not TOY.stands_in(tmp_path)
    file.write_text("static int toy_old_fence(void)")
    assert TOY.stands_in(tmp_path)


def test_release_is_read_from_the_makefile(tmp_path):
    """A tree says itself what it is."""
    (tmp_path / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 3\n")

    assert "6.12" == release_of(tmp_path)
