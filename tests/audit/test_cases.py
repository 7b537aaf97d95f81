"""Every mark of the corpus is found, and nothing else."""

import pytest

from tests.audit.corpus import CASES, SITUATION, expected, found, marks


def _cases():
    return [pytest.param(name, id=name) for name in marks()]


@pytest.mark.parametrize("name", _cases())
def test_case_has_exactly_the_findings_that_it_marks(name):
    """Each finding is on its line with its rule and level; near-misses are silent."""
    case = CASES / name

    assert expected(case) == found(case)


def test_corpus_has_situations_of_both_kinds():
    """Eighty situations and more, a third of them near-misses."""
    texts = [one.read_text("latin-1") for one in CASES.rglob("*.c")]
    kinds = [kind for text in texts for kind in SITUATION.findall(text)]

    assert len(kinds) >= 80
    assert 3 * kinds.count("near-miss") >= len(kinds)
