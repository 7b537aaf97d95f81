"""Several runs on one cache, and runs that do not come to their end."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

from tests.audit.kept.edits import FOLDERS, found_in, plant

ONE = f"{FOLDERS[0]}/df301_flags/df301_flags.c"


@pytest.fixture
def root(tmp_path):
    """A made-up tree."""
    plant(tmp_path / "tree", wanted=2)
    return tmp_path / "tree"


@pytest.fixture
def keep(tmp_path):
    """The folder of the cache."""
    return tmp_path / "keep"


def change(root, old, new):
    """Edit a file."""
    text = (root / ONE).read_text()
    assert old in text
    (root / ONE).write_text(text.replace(old, new))


def test_run_that_is_overtaken_does_no_harm(root, keep):
    """A run that saves what an older tree said after a newer one was saved makes nothing wrong."""
    first, older = found_in(root, FOLDERS, keep)
    change(root, "GFP_KERNEL", "GFP_ATOMIC")
    second, _ = found_in(root, FOLDERS, keep)

    older.save()
    third, last = found_in(root, FOLDERS, keep)

    assert first != second == third
    assert 0 < last.recalled


@pytest.mark.slow
def test_runs_at_the_same_time_find_the_same(root, keep):
    """Two processes that audit one tree with one cache say what a cold audit says."""
    found_in(root, FOLDERS, keep)
    change(root, "GFP_KERNEL", "GFP_ATOMIC")
    code = f"""
from pathlib import Path
from tests.audit.kept.edits import found_in
print(repr(found_in(Path({str(root)!r}), {FOLDERS!r}, Path({str(keep)!r}))[0]))
"""
    both = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]

    said = [one.communicate()[0].strip() for one in both]

    cold = found_in(root, FOLDERS, None)[0]
    assert [repr(cold)] * 2 == said
    assert cold == found_in(root, FOLDERS, keep)[0]


@pytest.mark.parametrize(
    ("suffix", "share"), [(".audit", math.inf), (".audit.more", 0), (".facts.more", 0)]
)
def test_run_that_is_broken_off_leaves_what_was_there(root, keep, monkeypatch, suffix, share):
    """Whoever is stopped while it writes answers or facts leaves those of the run before."""
    monkeypatch.setattr("dmabuf.audit.front.cache._SHARE", 0)
    monkeypatch.setattr("dmabuf.audit.kept.record._SHARE", share)
    found_in(root, FOLDERS, keep)
    change(root, "GFP_KERNEL", "GFP_ATOMIC")
    before = {path: path.read_bytes() for path in keep.glob(f"*{suffix}")}
    moved = Path.replace

    def stopped(path, target):
        if target.name.endswith(suffix):
            path.write_bytes(path.read_bytes()[:100])
            raise KeyboardInterrupt
        return moved(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stopped)
        with pytest.raises(KeyboardInterrupt):
            found_in(root, FOLDERS, keep)
    left = {path: path.read_bytes() for path in keep.glob(f"*{suffix}")}
    found, last = found_in(root, FOLDERS, keep)

    assert before == left
    assert found == found_in(root, FOLDERS, None)[0]
    assert [] == last.notes
    assert 0 < last.recalled


def test_line_more_in_a_function_costs_its_own_works(root, keep):
    """A work that moves is another one for who asks for this one, not for any field of its name."""
    for name in ("a", "b"):
        path = root / FOLDERS[0] / name / f"{name}.c"
        path.parent.mkdir()
        path.write_text(
            f"struct {name} {{ struct work_struct work; }};\n"
            f"static void {name}_done(struct work_struct *w) {{ kmalloc(1, GFP_KERNEL); }}\n"
            f"static void {name}_start(struct {name} *it)\n"
            f"{{ INIT_WORK(&it->work, {name}_done); flush_work(&it->work); }}\n"
            f"static struct dma_fence *{name}_run(struct drm_sched_job *job)\n"
            f"{{ struct {name} *it = job->it; flush_work(&it->work); return NULL; }}\n"
            f"static const struct drm_sched_backend_ops {name}_ops = {{ .run_job = {name}_run }};\n"
        )
    found_in(root, FOLDERS, keep)
    path = root / FOLDERS[0] / "a/a.c"
    path.write_text(path.read_text().replace("{ INIT_WORK", "{\n INIT_WORK"))

    _, last = found_in(root, FOLDERS, keep)

    dirty = last._dirty
    assert {"struct a.work", "*.work", "@a_done"} <= dirty
    assert "struct b.work" not in dirty
