"""The build hook: it compiles where it can, and says in one line why it did not."""

import importlib.util
import os
import shutil
import sys
import sysconfig
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "dmabuf" / "core" / "_fused.c"
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")

needs_compiler = pytest.mark.skipif(
    shutil.which(os.environ.get("CC", "cc")) is None
    or not Path(sysconfig.get_path("include"), "Python.h").exists()
    or bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="no C compiler, no headers, or a free-threaded Python",
)


class Interface:
    """What the hook inherits from: hatchling itself is there only while building."""

    target_name = "wheel"

    def __class_getitem__(cls, _item):
        return cls

    def __init__(self, root):
        self.root = str(root)
        self.told = []
        self.app = types.SimpleNamespace(display_info=self.told.append)


@pytest.fixture
def build(monkeypatch):
    """The module hatch_build, as hatchling loads it."""
    name = "hatchling.builders.hooks.plugin.interface"
    monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(BuildHookInterface=Interface))
    for variable in ("CC", "CFLAGS", "LDSHARED", "DMABUF_PURE", "DMABUF_COMPILED"):
        monkeypatch.delenv(variable, raising=False)
    if shutil.which("cc"):
        monkeypatch.setenv("CC", "cc")
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def fences_only(build, monkeypatch):
    """The module, as if there were no engines."""
    monkeypatch.setattr(build, "PARTS", build.PARTS[:1])
    return build


@pytest.fixture
def tree(tmp_path):
    """A checkout with the C file alone."""
    copy = tmp_path / "src" / "dmabuf" / "core" / "_fused.c"
    copy.parent.mkdir(parents=True)
    copy.write_text(SOURCE.read_text())
    return tmp_path


def hooked(build, tree, version):
    """The hook after it ran, and what it told hatchling."""
    hook = build.CustomBuildHook(tree)
    data = {"force_include": {}, "pure_python": True}
    hook.initialize(version, data)
    return hook, data


def names(tree):
    """What lies beside the C file."""
    return {path.name for path in (tree / "src" / "dmabuf" / "core").iterdir()}


@needs_compiler
@pytest.mark.slow
def test_source_compiles_without_a_warning(build, tmp_path, monkeypatch):
    """The C file is clean under -Wall, and what comes out can be loaded."""
    monkeypatch.setenv("CFLAGS", "-O0 -Wall -Werror")

    build.compile_module(SOURCE, tmp_path / f"_fused{SUFFIX}")

    assert (tmp_path / f"_fused{SUFFIX}").exists()


@needs_compiler
@pytest.mark.slow
def test_wheel_carries_the_module_and_its_tag(fences_only, tree):
    """An ordinary wheel includes what was compiled elsewhere; the tree stays as it was."""
    hook, data = hooked(fences_only, tree, "standard")
    (built,) = data["force_include"]

    assert f"dmabuf/core/_fused{SUFFIX}" == data["force_include"][built]
    assert (False, True) == (data["pure_python"], data["infer_tag"])
    assert {"_fused.c"} == names(tree)
    hook.finalize("standard", data, "")
    assert not Path(built).exists()


@needs_compiler
@pytest.mark.slow
def test_editable_build_compiles_in_place(fences_only, tree):
    """An editable install finds the module in the tree."""
    hook, _data = hooked(fences_only, tree, "editable")

    assert {"_fused.c", f"_fused{SUFFIX}"} == names(tree)
    assert ["dmabuf: compiled the quick ways of fences"] == hook.told


@pytest.fixture
def headers(tree, monkeypatch):
    """Python's headers, as far as the hook looks, also where they are not installed."""
    (tree / "Python.h").touch()
    (tree / "src" / "dmabuf" / "built.py").write_text("MODULES, GROUP = (), 'engines'")
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tree))


@pytest.mark.usefixtures("headers")
@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("DMABUF_PURE", "1", "DMABUF_PURE is set"),
        ("CC", "no-such-compiler", "no C compiler"),
        ("CC", "false", "the compiler failed: 1"),
    ],
)
def test_what_cannot_be_compiled_is_one_line(build, tree, monkeypatch, variable, value, reason):
    """The build goes on without; a module of an earlier build does not stay behind."""
    monkeypatch.setenv(variable, value)
    earlier = tree / "src" / "dmabuf" / "core" / f"_fused{SUFFIX}"
    earlier.write_text("")
    engines = tree / "src" / "dmabuf" / "_built"
    engines.mkdir()

    hook, data = hooked(build, tree, "editable")

    assert f"dmabuf: the quick ways of fences stay Python ({reason})" == hook.told[0]
    assert hook.told[1].startswith("dmabuf: the explorer's engines stay Python (")
    assert {"force_include": {}, "pure_python": True} == data
    assert [False, False] == [earlier.exists(), engines.exists()]


@pytest.mark.usefixtures("headers")
@pytest.mark.parametrize("version", ["editable", "standard"])
def test_module_that_is_insisted_on_is_an_error_if_absent(build, tree, monkeypatch, version):
    """With DMABUF_COMPILED the build fails rather than being pure."""
    monkeypatch.setenv("DMABUF_COMPILED", "1")
    monkeypatch.setenv("CC", "false")

    with pytest.raises(build.CannotCompile, match="the compiler failed"):
        hooked(build, tree, version)


def test_headers_that_are_missing_are_named(build, tree, monkeypatch):
    """A compiler alone does not do."""
    monkeypatch.setenv("CC", "true")
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: str(tree))

    hook, _data = hooked(build, tree, "standard")

    assert "no Python.h" in hook.told[0]


def test_free_threaded_python_is_refused(build, tree, monkeypatch):
    """There the Python code is used."""
    known = sysconfig.get_config_var
    monkeypatch.setattr(
        sysconfig, "get_config_var", lambda name: 1 if name == "Py_GIL_DISABLED" else known(name)
    )

    hook, _data = hooked(build, tree, "standard")

    assert [True, True] == ["stay Python (a free-threaded Python)" in said for said in hook.told]
    assert [] == hook.dependencies()


@pytest.mark.usefixtures("headers")
@pytest.mark.parametrize(
    ("pure", "compiled", "asked"),
    [
        ("", "explorer", ["mypy", "setuptools"]),
        ("explorer", "explorer", []),
        ("1", "explorer", []),
        ("", "", []),
        ("", "1", []),
    ],
)
def test_translator_is_asked_for_where_it_is_of_use(
    build, tree, monkeypatch, pure, compiled, asked
):
    """With a compiler and the wish, the build depends on mypyc; the package never does."""
    monkeypatch.setenv("DMABUF_PURE", pure)
    monkeypatch.setenv("DMABUF_COMPILED", compiled)
    monkeypatch.setenv("CC", "true")

    wanted = build.CustomBuildHook(tree).dependencies()

    assert asked == [one.split(">")[0] for one in wanted]


@pytest.mark.usefixtures("headers")
def test_engines_stay_python_without_a_translator(build, tree, monkeypatch):
    """A build without mypyc says so; that it could not be had is no failure."""
    monkeypatch.setenv("DMABUF_COMPILED", "explorer")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("CC", "true")

    with pytest.raises(build.CannotCompile, match="no mypyc"):
        build.compile_engines(tree / build.ENGINES, tree / "built")


@pytest.mark.usefixtures("headers")
def test_translator_is_given_a_copy_and_the_result_is_stamped(build, tree, monkeypatch):
    """mypyc works on a copy of the package, with the modules that the package names."""
    monkeypatch.setenv("DMABUF_COMPILED", "explorer")
    commands = []

    def translate(command, _failure, *, cwd, seconds):
        assert seconds > 0
        commands.append((command[3:], sorted(path.name for path in (cwd / "dmabuf").iterdir())))
        (cwd / "built" / "dmabuf" / "rt").mkdir(parents=True)
        (cwd / "built" / "dmabuf" / "rt" / "engine.so").touch()

    text = (
        "MODULES, GROUP, STAMP = ['rt/one', 'two'], 'group', 'stamp'\ndef stamp(): return 'now'\n"
    )
    (tree / build.ENGINES).write_text(text)
    monkeypatch.setenv("CC", "true")
    monkeypatch.setattr(build, "run", translate)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: True)

    build.compile_engines(tree / build.ENGINES, tree / "built")

    modules = ["dmabuf/rt/one.py", "dmabuf/two.py"]
    assert [(["", "group", *modules], ["built.py", "core"])] == commands
    assert "now" == (tree / "built" / "stamp").read_text()
    assert (tree / "built" / "rt" / "engine.so").exists()


def test_folder_of_engines_is_replaced_as_a_whole(build, tmp_path):
    """Nothing of an earlier build stays behind."""
    (tmp_path / "built").mkdir()
    (tmp_path / "built" / "new").touch()
    (tmp_path / "_built").mkdir()
    (tmp_path / "_built" / "old").touch()

    build.replace(tmp_path / "built", tmp_path / "_built")

    assert ["new"] == [path.name for path in (tmp_path / "_built").iterdir()]


@pytest.mark.slow
@needs_compiler
def test_source_refuses_a_free_threaded_python(build, tmp_path, monkeypatch):
    """Whoever compiles it by hand for one is told where that is written."""
    monkeypatch.setenv("CFLAGS", "-DPy_GIL_DISABLED=1")

    with pytest.raises(build.CannotCompile, match="the compiler failed"):
        build.compile_module(SOURCE, tmp_path / f"_fused{SUFFIX}")


def test_source_distribution_is_pure_business(build, tree):
    """Nothing is compiled for an sdist."""
    hook = build.CustomBuildHook(tree)
    hook.target_name = "sdist"
    hook.initialize("standard", {})

    assert [] == hook.told
