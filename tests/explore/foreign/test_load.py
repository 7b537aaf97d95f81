"""Finding designs by file, folder and name."""

import os
import sys
from pathlib import Path

import pytest

from dmabuf.explore.foreign.load import LoadError, Target, find_targets, load_designs
from dmabuf.report.verdict import ExitCode, Trouble

GOOD = """\
from dmabuf import design

@design
def second(machine): pass

@design
def first(machine): pass
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes files below a folder that is the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def write(name: str, content: str | bytes = GOOD) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return name

    yield write
    for module in set(sys.modules) - before:
        del sys.modules[module]


def the_trouble(argument: str) -> Trouble:
    """What is wrong with an argument, wherever it is found out."""
    found = list(find_targets([argument]))
    assert 1 == len(found)
    if isinstance(found[0], Trouble):
        return found[0]
    with pytest.raises(LoadError) as error:
        load_designs(found[0])
    return error.value.trouble


def names(argument: str) -> list[str]:
    """The designs that an argument leads to."""
    found = list(find_targets([argument]))
    assert all(isinstance(target, Target) for target in found)
    return [n for target in found if not target.empty for n in load_designs(target)]


# -- what can be used ------------------------------------------------------------------------------


def test_file_gives_its_designs_in_order(write):
    """All designs of a file come in the order of the file."""
    assert ["second", "first"] == names(write("d.py"))


def test_file_gives_the_named_design_alone(write):
    """`file.py::name` is one design."""
    write("d.py")

    assert ["first"] == names("d.py::first")


def test_file_whose_name_holds_colons_is_itself(write):
    """A file that exists under the whole argument is that file."""
    assert ["second", "first"] == names(write("a::b.py"))


def test_file_does_not_own_designs_that_it_imports(write):
    """An imported design belongs to its home, but may be named where it was imported."""
    write("home.py")
    write(
        "user.py",
        GOOD.replace("second", "third").replace("first", "own") + "from home import first",
    )

    assert ["third", "own"] == names("user.py")
    assert ["first"] == names("user.py::first")


def test_file_sees_its_neighbours_and_its_package(write):
    """A file imports what lies beside it, and relatively where it is part of a package."""
    write("helper_beside.py", "NAME = 1")
    write("plain.py", "import helper_beside\n" + GOOD)
    write("pack_of_ours/__init__.py", "")
    write("pack_of_ours/part.py", "NAME = 1")
    write("pack_of_ours/inner.py", "from .part import NAME\n" + GOOD)

    assert ["second", "first"] == names("plain.py")
    assert ["second", "first"] == names("pack_of_ours/inner.py")


def test_file_called_like_a_module_of_python_is_no_problem(write):
    """A file named as a loaded module neither replaces that module nor is replaced by it."""
    import queue

    assert ["second", "first"] == names(write("queue.py"))
    assert sys.modules["queue"] is queue


def test_file_is_read_anew_each_time(write):
    """No cached bytecode stands between an edit and its verdict."""
    write("d.py")
    assert ["second", "first"] == names("d.py")

    write("d.py", GOOD.replace("first", "other"))

    assert ["second", "other"] == names("d.py")
    assert not Path("__pycache__").exists()


def test_folder_gives_files_in_order_without_hidden_ones(write):
    """A folder is walked in a fixed order; hidden and installed files are left out."""
    for name in ("b/x.py", "a/x.py", "z.py", ".hidden/x.py", "a/.y.py", "venv/lib/x.py"):
        write(name)
    write("venv/pyvenv.cfg", "")
    write("a/none.py", "x = 1")

    found = list(find_targets(["."]))

    assert ["./z.py", "./a/none.py", "./a/x.py", "./b/x.py"] == [one.shown for one in found]
    assert [False, True, False, False] == [one.empty for one in found]


def test_folder_runs_no_file_that_does_not_speak_of_designs(write):
    """What merely lies in a folder is not executed."""
    write("setup.py", "import dmabuf\nraise SystemExit('executed')")
    write("d.py")

    assert ["second", "first"] == names(".")


def test_targets_come_once(write):
    """A file that is named twice is explored once."""
    write("d.py")

    assert 1 == len(list(find_targets(["d.py", "./d.py", "."])))


# -- what cannot -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "line", "word"),
    [
        pytest.param("def broken(:\n", 1, "not valid Python", id="syntax"),
        pytest.param("x = 1\n  y = 2\n", 2, "not valid Python: unexpected indent", id="indent"),
        pytest.param(b"x = '\xff\xfe'\n", 1, "not valid Python", id="undecodable"),
        pytest.param("x = 1\nraise ValueError('no device')\n", 2, "ValueError", id="raises"),
        pytest.param("import nowhere_to_be_found\n", 1, "nowhere_to_be_found", id="import"),
        pytest.param("\nfrom dmabuf import Nonsense\n", 2, "Nonsense", id="from-us"),
        pytest.param("import sys\nsys.exit(0)\n", 2, "SystemExit", id="exit"),
        pytest.param("raise KeyboardInterrupt\n", 1, "KeyboardInterrupt", id="interrupt"),
        pytest.param("x = " + "(" * 5000 + ")" * 5000, 1, "not valid Python", id="deep"),
    ],
)
def test_file_that_fails_is_trouble_with_its_line(write, content, line, word):
    """A file that cannot be compiled or imported names its own line and the reason."""
    trouble = the_trouble(write("bad.py", content))

    assert ExitCode.USAGE is trouble.exit_code
    assert word in trouble.message
    assert trouble.place is not None
    assert (str(Path("bad.py").absolute()), line) == (trouble.place.file, trouble.place.line)


def test_file_whose_helper_raises_names_the_helper(write):
    """The line that raised counts, also in another file of the design."""
    write("failing_helper.py", "\n\nraise ValueError('x')")

    trouble = the_trouble(write("d.py", "import failing_helper"))

    assert trouble.place is not None
    assert ("failing_helper.py", 3) == (Path(trouble.place.file).name, trouble.place.line)


def test_file_missing_suggests_a_neighbour(write):
    """A name that is nearly a file's asks whether that was meant."""
    write("driver.py")

    trouble = the_trouble("drivr.py::first")

    assert ("drivr.py", "no such file or folder") == (trouble.subject, trouble.message)
    assert "did you mean driver.py?" == trouble.remedy


def test_file_that_is_binary_or_no_file_is_trouble(write):
    """Bytes that are no text, and devices that never end, are refused."""
    assert "is a binary file" == the_trouble(write("x.py", b"\x7fELF\0\0")).message
    assert "is no regular file" == the_trouble("/dev/zero").message


def test_file_without_a_design_says_how_to_mark_one(write):
    """A named file without a design is trouble."""
    trouble = the_trouble(write("d.py", "def plain(machine): pass"))

    assert "no design in this file" == trouble.message
    assert "@design" in trouble.remedy


def test_name_unknown_lists_those_there(write):
    """A design that is not there names the closest and all others."""
    write("d.py")

    trouble = the_trouble("d.py::fist")

    assert "no design fist in this file" == trouble.message
    assert "did you mean first? it has: second, first" == trouble.remedy


def test_name_of_an_unmarked_function_says_so(write):
    """A function without the mark is told apart from a missing one."""
    write("d.py", GOOD + "\ndef plain(machine): pass\n")

    trouble = the_trouble("d.py::plain")

    assert "plain is not marked as a design" == trouble.message
    assert trouble.place is not None
    assert 9 == trouble.place.line


@pytest.mark.parametrize(
    ("definition", "word"),
    [
        ("async def d(machine): pass", "coroutine"),
        ("def d(machine): yield", "generator"),
        ("def d(): pass", "one argument"),
        ("def d(machine, other): pass", "one argument"),
    ],
)
def test_design_of_a_wrong_shape_is_trouble(write, definition, word):
    """What would never run, or cannot be called, is refused instead of proved."""
    write("d.py", f"from dmabuf import design\n@design\n{definition}\n")

    assert word in the_trouble("d.py").message
    assert word in the_trouble("d.py::d").message


def test_folder_without_a_design_is_trouble(write):
    """A folder with no design at all is trouble; one of C source need not hold any."""
    write("a/plain.py", "x = 1")
    write("b/driver.c", "int main;")

    in_a = [found for found in find_targets(["a"]) if isinstance(found, Trouble)]
    in_b = [found for found in find_targets(["b"]) if isinstance(found, Trouble)]

    assert [ExitCode.USAGE] == [found.exit_code for found in in_a]
    assert [] == in_b


def test_folder_with_a_name_is_trouble(write):
    """A design is named within a file, not within a folder."""
    write("a/d.py")

    assert "write FILE.py::first" == the_trouble("a::first").remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_file_unreadable_is_trouble(write):
    """A file that may not be read says so."""
    Path(write("d.py")).chmod(0)

    assert "cannot be read: permission denied" == the_trouble("d.py").message


def test_argument_that_is_no_path_is_trouble():
    """An argument that no file can have as its name is a missing file."""
    assert "no such file or folder" == the_trouble("a\0b.py").message
