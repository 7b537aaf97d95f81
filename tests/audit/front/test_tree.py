"""Finding and reading the files of a tree, whatever lies about in it."""

import os

import pytest

from dmabuf.audit.front import tree
from dmabuf.audit.front.tree import TreeError, find, read


def make(root, *paths):
    """Empty files."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("int x;\n")


def test_c_and_headers_are_found(tmp_path):
    """Files of a folder and those below it, sorted; nothing else."""
    make(tmp_path, "d/b.c", "d/a.h", "d/sub/z.c", "d/Makefile", "e/x.c")

    found = find(tmp_path, ["d"])

    assert found.files == ("d/a.h", "d/b.c", "d/sub/z.c")
    assert found.troubles == ()


def test_file_may_be_named(tmp_path):
    """A single file is a folder's place."""
    make(tmp_path, "d/b.c", "d/a.c")

    assert find(tmp_path, ["d/a.c"]).files == ("d/a.c",)


def test_whole_tree_may_be_named(tmp_path):
    """`.` is all of it."""
    make(tmp_path, "d/b.c", "a.c")

    assert find(tmp_path, ["."]).files == ("a.c", "d/b.c")


@pytest.mark.parametrize("folder", ["nothing", "../outside", "/etc"])
def test_missing_folder_is_an_error(tmp_path, folder):
    """What was asked for has to be there, and below the root."""
    with pytest.raises(TreeError, match=folder):
        find(tmp_path, [folder])


def test_links_in_circles_are_walked_once(tmp_path):
    """A link to a folder that was seen is not entered again."""
    make(tmp_path, "d/a.c")
    (tmp_path / "d" / "loop").symlink_to(tmp_path / "d", target_is_directory=True)
    (tmp_path / "d" / "up").symlink_to(tmp_path, target_is_directory=True)

    assert find(tmp_path, ["d"]).files.count("d/a.c") == 1


def test_link_into_nowhere_is_told(tmp_path):
    """A link whose target is gone."""
    make(tmp_path, "d/a.c")
    (tmp_path / "d" / "b.c").symlink_to("gone.c")

    found = find(tmp_path, ["d"])

    assert found.files == ("d/a.c",)
    assert [one.split(":")[0] for one in found.troubles] == ["d/b.c"]


def test_pipe_is_told(tmp_path):
    """A pipe with the name of a file is never opened."""
    make(tmp_path, "d/a.c")
    os.mkfifo(tmp_path / "d" / "b.c")

    found = find(tmp_path, ["d"])

    assert found.files == ("d/a.c",)
    assert found.troubles == ("d/b.c: no regular file; not audited",)


def test_folder_that_vanishes_is_told(tmp_path, monkeypatch):
    """A folder that cannot be opened costs its own files only."""
    make(tmp_path, "d/a.c", "d/gone/b.c")
    scandir = os.scandir

    def vanish(path):
        if str(path).endswith("gone"):
            raise FileNotFoundError(2, "No such file or directory")
        return scandir(path)

    monkeypatch.setattr(tree.os, "scandir", vanish)
    found = find(tmp_path, ["d"])

    assert found.files == ("d/a.c",)
    assert found.troubles == ("d/gone: cannot be opened (No such file or directory); not audited",)


def test_read_gives_bytes_and_stamp(tmp_path):
    """The stamp is that of the bytes."""
    make(tmp_path, "a.c")

    found = read(tmp_path / "a.c")

    assert (found.data, found.trouble) == (b"int x;\n", "")
    assert found.stamp == tree.stamp(tmp_path / "a.c")


def test_read_of_a_pipe_does_not_wait(tmp_path):
    """A pipe that has taken a file's place."""
    os.mkfifo(tmp_path / "a.c")

    assert read(tmp_path / "a.c").trouble == "no regular file; not audited"


def test_read_of_a_missing_file_is_told(tmp_path):
    """A file that has gone since it was found."""
    assert "cannot be read (No such file" in read(tmp_path / "a.c").trouble


def test_read_of_a_device_is_told():
    """A device has no end."""
    assert read(tree.Path("/dev/zero")).trouble == "no regular file; not audited"


def test_read_of_a_huge_file_is_told(tmp_path):
    """What no source file can be is not read."""
    with (tmp_path / "a.c").open("wb") as file:
        file.truncate(tree.LARGEST + 1)

    assert read(tmp_path / "a.c").trouble == "larger than 64 MB; not audited"


def test_read_again_while_it_changes(tmp_path, monkeypatch):
    """Bytes are taken only if the file was the same before and after."""
    make(tmp_path, "a.c")
    once, calls = tree._once, []

    def change(path):
        before, data, after = once(path)
        calls.append(path)
        if len(calls) == 1:
            path.write_text("int changed;\n")
            after = path.stat()
        return before, data, after

    monkeypatch.setattr(tree, "_once", change)

    assert read(tmp_path / "a.c").data == b"int changed;\n"
    assert len(calls) == 2


def test_file_that_never_rests_is_told(tmp_path, monkeypatch):
    """After some tries it is left out."""
    make(tmp_path, "a.c")
    once, calls = tree._once, []

    def change(path):
        before, data, _ = once(path)
        calls.append(path)
        path.write_text("x" * len(calls))
        return before, data, path.stat()

    monkeypatch.setattr(tree, "_once", change)

    assert read(tmp_path / "a.c").trouble == "changes while it is read; not audited, try again"
