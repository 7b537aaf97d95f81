"""The findings of the last audit as a whole."""

import pytest

from dmabuf.audit.checks.audit import audit
from dmabuf.audit.checks.build_files import BuildFiles
from dmabuf.audit.front.gather import cache_of, gather
from dmabuf.audit.kept.packed_findings import finding_of, plain_finding
from dmabuf.audit.kept.store import where
from dmabuf.audit.kept.whole import Result, Whole
from dmabuf.audit.program.program import Program
from tests.audit.kept.edits import FOLDERS, plant
from tests.report.audited import AUDITED

ONE = f"{FOLDERS[0]}/df301_flags/df301_flags.c"
MAKEFILE = f"{FOLDERS[0]}/Makefile"


@pytest.fixture
def root(tmp_path):
    """A made-up tree."""
    plant(tmp_path / "tree", wanted=2)
    (tmp_path / "tree" / MAKEFILE).write_text("obj-y += a.o\n")
    return tmp_path / "tree"


@pytest.fixture
def keep(tmp_path):
    """The folder of the cache."""
    return tmp_path / "keep"


def opened(root, keep):
    """What is kept of the audit of a tree, and its files."""
    files = gather(root, FOLDERS, jobs=1, cache=cache_of(root, keep)).files
    return Whole(where(keep, root, FOLDERS), files), files


def audited(root, keep):
    """The result of an audit, which is kept."""
    whole, files = opened(root, keep)
    build = BuildFiles(str(root))
    build.near([ONE])
    checked = audit(Program(files), build)
    result = Result(checked.findings, checked.limits, 7)
    whole.keep(result, build.said)
    return result


def recalled(root, keep):
    """What is kept, if it holds; and what is wrong with it."""
    whole, _files = opened(root, keep)
    return whole.recall(BuildFiles(str(root)).still), whole.notes


def _edit(root):
    (root / ONE).write_text((root / ONE).read_text() + "\n")


def _build_file(root):
    (root / MAKEFILE).write_text("obj-m += a.o\n")


def _new_file(root):
    (root / ONE).with_name("other.c").write_text("int a;\n")


def _gone(root):
    (root / ONE).unlink()


def _new_build_file(root):
    (root / ONE).with_name("Kconfig.other").write_text("config OTHER\n")


def test_finding_is_packed_and_unpacked():
    """No field of a finding is lost."""
    for finding in AUDITED.findings:
        assert finding == finding_of(plain_finding(finding))


def test_result_of_the_same_tree_is_taken(root, keep):
    """Where nothing differs the result is the one that was kept."""
    result = audited(root, keep)

    assert (result, []) == recalled(root, keep)
    assert result.findings


@pytest.mark.parametrize("change", [_edit, _build_file, _new_file, _gone, _new_build_file])
def test_result_of_another_tree_is_not_taken(root, keep, change):
    """A file, a new one, one that is gone, and what was read of the build: each counts."""
    audited(root, keep)

    change(root)

    assert (None, []) == recalled(root, keep)


def test_result_of_another_auditor_is_not_taken(root, keep, monkeypatch):
    """A check that was changed may find something else."""
    audited(root, keep)

    monkeypatch.setattr("dmabuf.audit.kept.store.version", lambda: b"another")

    assert (None, []) == recalled(root, keep)


@pytest.mark.parametrize("size", [0, 100])
def test_damaged_result_is_not_taken(root, keep, size):
    """What is left of a file is told in a note, and is no result."""
    audited(root, keep)
    (kept,) = keep.glob("*.found")
    kept.write_bytes(kept.read_bytes()[:size])

    result, notes = recalled(root, keep)

    assert result is None
    assert [True] == ["damaged" in one for one in notes]


def test_result_with_a_file_that_cannot_be_read_is_not_kept(root, keep):
    """Such a file has no content that could be compared."""
    (root / ONE).unlink()
    (root / ONE).symlink_to("nowhere")
    (root / ONE).with_name("large.c").touch()
    with (root / ONE).with_name("large.c").open("wb") as file:
        file.truncate((64 << 20) + 1)

    audited(root, keep)

    assert [] == list(keep.glob("*.found"))
