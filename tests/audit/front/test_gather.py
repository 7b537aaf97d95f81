"""Facts of a whole tree, and what is kept of them."""

import os
from concurrent.futures import BrokenExecutor, Executor, ThreadPoolExecutor

import pytest

from dmabuf.audit.front import gather as gathering
from dmabuf.audit.front.cache import Cache, default_folder
from dmabuf.audit.front.gather import cache_of, gather

FILES = {
    "drivers/d/a.c": '#include <linux/x.h>\n#include "b.h"\nint a(void) { return b(); }\n',
    "drivers/d/b.h": "static inline int b(void) { return 1; }\n",
    "include/linux/x.h": "#include <linux/y.h>\n",
    "include/linux/y.h": "struct y { int z; };\n",
    "include/linux/unused.h": "int unused;\n",
}


@pytest.fixture
def root(tmp_path):
    """A small tree, older than any cache."""
    for path, text in FILES.items():
        put(tmp_path / "tree", path, text)
    return tmp_path / "tree"


def put(root, path, text):
    """Write a file as if it had been so for a while."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.fixture
def settled(monkeypatch):
    """Files count as settled though they have just been written."""
    monkeypatch.setattr("dmabuf.audit.front.cache._RACY_NS", -(1 << 62))


def run(root, tmp_path, **rest):
    """Gather with a cache."""
    return gather(root, ["drivers"], jobs=1, cache=cache_of(root, tmp_path / "cache"), **rest)


def test_headers_are_followed(root):
    """Includes lead to headers, theirs to others; what nobody includes is left alone."""
    found = gather(root, ["drivers"], jobs=1)

    assert list(found.files) == [
        "drivers/d/a.c",
        "drivers/d/b.h",
        "include/linux/x.h",
        "include/linux/y.h",
    ]
    assert found.troubles == []


def test_headers_need_not_be_followed(root):
    """Without them only what was named is read."""
    found = gather(root, ["drivers/d/a.c"], jobs=1, headers=False)

    assert list(found.files) == ["drivers/d/a.c"]


def test_any_executor_will_do(root):
    """Threads give what the caller's own process gives."""
    with ThreadPoolExecutor(2) as executor:
        found = gather(root, ["drivers"], executor=executor)

    assert found.files == gather(root, ["drivers"], jobs=1).files


@pytest.mark.slow
def test_processes_give_the_same(root):
    """So do processes."""
    assert gather(root, ["drivers"], jobs=2).files == gather(root, ["drivers"], jobs=1).files


def test_progress_is_told(root):
    """Each piece of work tells how far it is, and the last one that all is done."""
    seen = []

    gather(root, ["drivers"], jobs=1, progress=seen.append)

    assert (seen[-1].done, seen[-1].total) == (4, 4)
    assert seen[-1].remaining_s == 0


def test_trouble_of_a_file_is_told(root):
    """A file that cannot be read is in the result, with a sentence."""
    (root / "drivers" / "d" / "c.c").symlink_to("/dev/null/none")

    found = gather(root, ["drivers"], jobs=1)

    assert [one.split(":")[0] for one in found.troubles] == ["drivers/d/c.c"]


def test_bug_of_the_parser_costs_one_file(root, monkeypatch):
    """Whatever the parser raises is told, and the rest goes on."""
    extract = gathering.extract

    def fail(path, *rest):
        if path.endswith("a.c"):
            raise RecursionError("too deep")
        return extract(path, *rest)

    monkeypatch.setattr(gathering, "extract", fail)
    found = gather(root, ["drivers"], jobs=1)

    assert found.troubles == [
        "drivers/d/a.c: the parser failed (RecursionError: too deep); please report it"
    ]
    assert found.files["drivers/d/b.h"].functions[0].name == "b"


class Dying(Executor):
    """An executor whose workers die."""

    def submit(self, fn, /, *args, **kwargs):
        """A future that has failed."""
        future = gathering.Future()
        future.set_exception(BrokenExecutor("gone"))
        return future


def test_dying_workers_are_told(root):
    """Files that cost a worker its life are left out; the rest goes on."""
    found = gather(root, ["drivers/d/a.c"], executor=Dying())

    assert found.troubles == [
        "drivers/d/a.c: a worker died while it was read (gone); not audited, try --jobs 1"
    ]


# -- what is kept -----------------------------------------------------------------------------


def test_second_run_reads_nothing(root, tmp_path, settled, monkeypatch):
    """Unchanged files are known by their stamps, and the facts are the same."""
    first = run(root, tmp_path)
    monkeypatch.setattr(gathering, "read", None)

    second = run(root, tmp_path)

    assert second.files == first.files
    assert (first.kept, second.kept) == (0, 4)


def test_changed_file_is_read_again(root, tmp_path, settled):
    """Only that file, and its new facts are kept."""
    run(root, tmp_path)
    put(root, "drivers/d/b.h", "int changed(void) { return 2; }\n")

    second = run(root, tmp_path)
    third = run(root, tmp_path)

    assert second.files["drivers/d/b.h"].functions[0].name == "changed"
    assert (second.kept, third.kept) == (3, 4)


def test_touched_file_is_known_by_its_bytes(root, tmp_path, settled, monkeypatch):
    """A new stamp with the old content costs a read, no parsing."""
    run(root, tmp_path)
    os.utime(root / "drivers/d/a.c", ns=(1, 1))
    monkeypatch.setattr(gathering, "extract", None)

    assert run(root, tmp_path).kept == 4


def test_recent_file_is_read(root, tmp_path, monkeypatch):
    """A file changed at about the time it was kept may have changed since; its bytes decide."""
    run(root, tmp_path)
    seen = []
    read = gathering.read
    monkeypatch.setattr(gathering, "read", lambda path: seen.append(path) or read(path))

    assert run(root, tmp_path).kept == 4
    assert len(seen) == 4


def test_other_files_are_kept(root, tmp_path, settled):
    """A run on a part of the tree does not forget the rest; files that are gone are forgotten."""
    run(root, tmp_path)
    put(root, "drivers/e.c", "int e;\n")
    gather(root, ["drivers/e.c"], jobs=1, cache=cache_of(root, tmp_path / "cache"))
    (root / "drivers/e.c").unlink()
    put(root, "drivers/f.c", "int f;\n")
    run(root, tmp_path)

    assert len(cache_of(root, tmp_path / "cache")) == 5
    assert cache_of(root, tmp_path / "cache").digest_of("drivers/e.c") == b""


def the_file(tmp_path):
    """The first volume of the cache."""
    (found,) = (tmp_path / "cache").glob("*.facts")
    return found


@pytest.fixture
def changed(root, tmp_path, settled, monkeypatch):
    """One file was changed after all were kept; the volume with what changed."""
    monkeypatch.setattr("dmabuf.audit.front.cache._SHARE", 0)
    run(root, tmp_path)
    before = the_file(tmp_path).read_bytes()
    put(root, "drivers/d/b.h", "int changed(void) { return 2; }\n")
    run(root, tmp_path)
    assert before == the_file(tmp_path).read_bytes()
    (found,) = (tmp_path / "cache").glob("*.more")
    return found


def test_what_changed_is_kept_apart(root, tmp_path, changed):
    """The first volume stays as it is, and all files are known from the two."""
    found = run(root, tmp_path)

    assert 4 == found.kept
    assert "changed" == found.files["drivers/d/b.h"].functions[0].name


def test_damaged_second_volume_costs_what_changed(root, tmp_path, changed):
    """It counts for nothing, which is said; the first one is still taken."""
    changed.write_bytes(changed.read_bytes()[:-3])

    found = run(root, tmp_path)

    assert 3 == found.kept
    assert "changed" == found.files["drivers/d/b.h"].functions[0].name
    assert "it will be written anew" in found.notes[0]
    assert 4 == run(root, tmp_path).kept


def test_second_volume_of_another_first_one_is_not_taken(root, tmp_path, changed):
    """Another run has written all anew meanwhile: nothing is wrong, and it costs what changed."""
    of_another = changed.read_bytes()
    put(root, "drivers/d/b.h", "int other(void) { return 3; }\n")
    the_file(tmp_path).unlink()
    run(root, tmp_path)
    changed.write_bytes(of_another)

    found = run(root, tmp_path)

    assert "other" == found.files["drivers/d/b.h"].functions[0].name
    assert [] == found.notes


def test_second_volume_stays_small(root, tmp_path, changed, monkeypatch):
    """Where it is too large a share of the first one, all is written anew."""
    monkeypatch.setattr("dmabuf.audit.front.cache._SHARE", 1 << 40)
    put(root, "drivers/d/b.h", "int other(void) { return 3; }\n")

    run(root, tmp_path)

    assert not changed.exists()
    assert 4 == run(root, tmp_path).kept


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: b"\0" * len(data),
        lambda data: data[:-9] + b"\xff" + data[-8:],
        lambda data: data[-80:],
    ],
    ids=["empty", "half", "zeros", "tail", "end"],
)
def test_damaged_cache_is_written_anew(root, tmp_path, settled, damage):
    """It counts for nothing, which is said, and the next run is quick again."""
    first = run(root, tmp_path)
    path = the_file(tmp_path)
    path.write_bytes(damage(path.read_bytes()))

    second = run(root, tmp_path)

    assert second.files == first.files
    assert second.kept == 0
    assert "it will be written anew" in second.notes[0]
    assert run(root, tmp_path).kept == 4


def test_damaged_entry_is_read_again(root, tmp_path, settled):
    """One wrong byte costs one file."""
    first = run(root, tmp_path)
    path = the_file(tmp_path)
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)

    second = run(root, tmp_path)

    assert second.files == first.files
    assert second.kept == 3
    assert second.notes == [f"{path}: 1 entries were damaged"]


def test_cache_of_another_version_is_not_taken(root, tmp_path, settled):
    """Facts of an older extractor are no facts."""
    old = Cache(root, b"old", tmp_path / "cache")
    gather(root, ["drivers"], jobs=1, cache=old)

    assert "of another version" in run(root, tmp_path).notes[0]
    assert run(root, tmp_path).kept == 4


def test_folder_that_cannot_be_written_is_told(root, tmp_path):
    """A run without a cache is slower, not worse."""
    (tmp_path / "cache").write_text("in the way")

    found = run(root, tmp_path)

    assert len(found.files) == 4
    assert "nothing is kept" in found.notes[-1]


def test_runs_at_the_same_time_do_no_harm(root, tmp_path, settled):
    """Who opened the old cache goes on reading it while another run replaces it."""
    run(root, tmp_path)
    open_before = cache_of(root, tmp_path / "cache")
    put(root, "drivers/d/b.h", "int changed(void) { return 2; }\n")
    run(root, tmp_path)

    found = gather(root, ["drivers"], jobs=1, cache=open_before)

    assert found.files["drivers/d/b.h"].functions[0].name == "changed"
    assert found.kept == 3


def test_oldest_caches_go_first(root, tmp_path, settled, monkeypatch):
    """All together stay within bounds; what an aborted run left goes after an hour."""
    run(root, tmp_path)
    old = tmp_path / "cache" / "old.facts"
    old.write_bytes(b"x" * 1000)
    left = tmp_path / "cache" / "x.1.tmp"
    left.write_bytes(b"x")
    for path in (old, left):
        os.utime(path, (1, 1))
    monkeypatch.setattr("dmabuf.audit.front.cache._LARGEST", 1000)
    put(root, "drivers/d/b.h", "int changed;\n")
    run(root, tmp_path)

    assert not old.exists()
    assert not left.exists()
    assert run(root, tmp_path).kept == 4


def test_cache_lies_where_the_user_wants_it(monkeypatch, tmp_path):
    """XDG_CACHE_HOME counts if it is absolute."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    there = default_folder()
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    assert there == tmp_path / "dmabuf" / "audit"
    assert default_folder() == tmp_path / "home" / ".cache" / "dmabuf" / "audit"
