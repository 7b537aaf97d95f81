"""Where functions are defined that audited code calls."""

import pytest

from dmabuf.audit.front import outside
from dmabuf.audit.front.outside import Outside, names

HEADS = {
    "int f(void)": (("f", True),),
    "static struct foo *f(int a,\n\t\tvoid (*g)(int))": (("f", False),),
    "__printf(1, 2) void f(const char *x, ...)": (("f", True),),
    "void __sched f(void) __acquires(x)": (("f", True),),
    "SYSCALL_DEFINE1(f, int, a)": (("sys_f", True),),
    "struct foo": (),
    "static const struct foo f[] =": (),
}


@pytest.mark.parametrize("head", HEADS, ids=range(len(HEADS)))
def test_function_is_found_by_its_brace(head):
    """A body begins in the first column; whether others can call it is known."""
    text = f"/* g(x) */\nint y(void)\n{{\n\tz();\n}}\nEXPORT_SYMBOL(y);\n\n{head}\n{{\n\th();\n}}\n"

    assert names(text.encode()) == (("y", True), *HEADS[head])


@pytest.fixture
def root(tmp_path):
    """Two files that define functions, and one that is no source."""
    for path, name in (("mm/a.c", "alloc"), ("lib/b.c", "help"), ("mm/c.h", "inline")):
        (tmp_path / "tree" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / path).write_text(
            f"int {name}(void)\n{{\n}}\nstatic int s(void)\n{{\n}}\n"
        )
    return tmp_path / "tree"


def test_files_are_found_by_function(root):
    """Folders that the tree does not have are passed over."""
    found = Outside(root)

    assert found.files("alloc") == ["mm/a.c"]
    assert found.having(["help", "alloc", "nothing", "s"]) == ["lib/b.c", "mm/a.c"]
    assert (len(found), found.troubles) == (2, [])


def test_names_are_kept(root, tmp_path, monkeypatch):
    """The second look reads nothing that has not changed."""
    monkeypatch.setattr("dmabuf.audit.front.cache._RACY_NS", -(1 << 62))
    Outside(root, keep=tmp_path / "cache")
    (root / "lib/b.c").write_text("int other(void)\n{\n}\n")
    seen = []
    read = outside.read
    monkeypatch.setattr(outside, "read", lambda path: seen.append(path.name) or read(path))

    found = Outside(root, keep=tmp_path / "cache")

    assert seen == ["b.c"]
    assert found.having(["alloc", "help", "other"]) == ["lib/b.c", "mm/a.c"]


def test_unreadable_file_is_told(root):
    """It costs its own functions only."""
    (root / "mm/a.c").unlink()
    (root / "mm/a.c").symlink_to("/dev/zero")

    found = Outside(root)

    assert found.troubles == ["mm/a.c: no regular file; not audited"]
    assert found.files("help") == ["lib/b.c"]
