"""Answers about functions outside that were kept for the next run."""

import pytest

from dmabuf.audit.outside.asking import Asked
from dmabuf.sync.gfp import Gfp
from tests.audit.outside.tree import DRIVER, FILES, answers, plant

QUESTION = ("power_name", (None, frozenset([int(Gfp.KERNEL)])), frozenset[str]())
LOCK = ("struct power", "lock")


@pytest.fixture
def root(tmp_path):
    """The made-up tree."""
    return plant(tmp_path / "tree")


@pytest.fixture
def keep(tmp_path):
    """The folder of the cache."""
    return tmp_path / "cache"


def told(asked: Asked) -> object:
    """What three questions are answered."""
    found = asked.summaries
    return found.functions(), found.deeds(*QUESTION), found.holding(LOCK, in_reclaim=False)


def test_second_run_reads_nothing(root, keep):
    """Every answer is the same, and no file outside is parsed for it."""
    first = answers(root, keep)
    before = told(first)
    first.keep()

    second = answers(root, keep)

    assert before == told(second)
    assert (None, 0) == (second.files, second.summaries.fresh)
    assert first.told() == second.told()


@pytest.mark.parametrize("path", ["kernel/power.c", "lib/copy.c", "include/linux/power.h"])
def test_changed_file_counts(root, keep, path):
    """Another content of any file that answers were found in makes them all anew."""
    first = answers(root, keep)
    told(first)
    first.keep()
    plant(root, {path: FILES[path] + "\nint another;\n"})

    assert answers(root, keep).files is not None


def test_new_question_is_answered(root, keep):
    """A call of a function that nobody asked for before loads the files."""
    first = answers(root, keep)
    told(first)
    first.keep()
    plant(root, {DRIVER: FILES[DRIVER] + "void more(void) { power_add(NULL); }\n"})

    assert "power_add" in answers(root, keep).summaries.functions()


@pytest.mark.parametrize("harm", [b"", b"dmabuf deeds 1\n", b"\0" * 100])
def test_damaged_answers_are_found_anew(root, keep, harm):
    """What is no cache is told and replaced."""
    first = answers(root, keep)
    before = told(first)
    first.keep()
    (path,) = keep.glob("*.deeds")
    path.write_bytes(harm)

    second = answers(root, keep)

    assert before == told(second)
    second.keep()
    assert [f"{path}: not taken (damaged); it will be written anew"] == second.troubles


def test_answers_of_another_auditor_are_found_anew(root, keep, monkeypatch):
    """A change of the auditor's code may change an answer."""
    first = answers(root, keep)
    told(first)
    first.keep()
    monkeypatch.setattr("dmabuf.audit.outside.keeping._version", lambda: (b"other", 0))

    assert answers(root, keep).files is not None


def test_disk_that_refuses_is_told(root, tmp_path):
    """Nothing is kept, and the run goes on."""
    keep = tmp_path / "file"
    keep.touch()
    first = answers(root, keep)

    first.keep()

    assert any(
        one.endswith("not written (Not a directory); nothing is kept") or "nothing is kept" in one
        for one in first.troubles
    )
