"""Build hook: compiles what can be, else leaves it Python: quick ways of fences, the engines.

The quick ways of a fence are one C file, compiled where there is a compiler. The engines of the
explorer are their own Python files, translated by mypyc where DMABUF_COMPILED=explorer asks for it:
that takes a minute, and mypyc as a dependency of the build.
It needs a C compiler and Python's headers. Whatever is missing is one line of the build's output,
never a failed build: the package is complete without (`dmabuf --version` says which it is).
DMABUF_PURE=1 leaves both out, DMABUF_PURE=explorer the engines; DMABUF_COMPILED=1 makes the absence
of the first an error, DMABUF_COMPILED=explorer that of either.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
SOURCE = "src/dmabuf/core/_fused.c"
ENGINES = "src/dmabuf/built.py"
TRANSLATOR = ("mypy>=2.4,<3", "setuptools")
COMPILER_S_MAX = 120
TRANSLATOR_S_MAX = 900
_TRANSLATE = """
import os, sys
from mypyc.build import mypycify
from setuptools import setup
flags, group, *modules = sys.argv[1:]
options = ["--config-file=mypy.ini", *modules]
extensions = mypycify(options, opt_level="2", debug_level="0", group_name=group)
for one in extensions:
    one.extra_compile_args += flags.split()
setup(name="engines", ext_modules=extensions,
      script_args=["-q", "build_ext", "--build-lib", "built", "--build-temp", "objects"])
"""


_MYPY = "[mypy]\nfollow_imports = silent\nignore_missing_imports = true\n"


class CannotCompile(Exception):
    """Why something stays Python."""


class NotAsked(CannotCompile):
    """It takes a wish, and nobody had it."""


class Part(NamedTuple):
    """Something that may be compiled.

    Attributes:
        name: for people.
        source: what has to be there, from the root.
        made: what comes out, beside the source.
        make: compiles the source to a path.
    """

    name: str
    source: str
    made: str
    make: Callable[[Path, Path], None]


class CustomBuildHook(BuildHookInterface[Any]):
    """What hatchling calls before it builds a wheel; for an editable one it builds in place."""

    def dependencies(self) -> list[str]:
        """What translates the engines, where that can be of use."""
        try:
            refuse("explorer")
            compiler()
        except CannotCompile:
            return []
        return list(TRANSLATOR)

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and let the wheel carry the results and the tag that goes with them."""
        if self.target_name != "wheel":
            return
        self.scratch = tempfile.mkdtemp(prefix="dmabuf-build-")
        for part in PARTS:
            if self.carries(part, version, build_data):
                build_data["pure_python"] = False
                build_data["infer_tag"] = True

    def carries(self, part: Part, version: str, build_data: dict[str, Any]) -> bool:
        """Compile one part; False if it stays Python."""
        source = Path(self.root, part.source)
        built, in_place = Path(self.scratch, part.made), source.with_name(part.made)
        try:
            part.make(source, built)
        except CannotCompile as reason:
            if os.environ.get("DMABUF_COMPILED") and not isinstance(reason, NotAsked):
                raise
            remove(in_place)  # one of an earlier build would be used
            self.app.display_info(f"dmabuf: the {part.name} stay Python ({reason})")
            return False
        if version == "editable":
            replace(built, in_place)
        else:
            where = in_place.relative_to(Path(self.root, "src")).as_posix()
            build_data["force_include"][str(built)] = where
        self.app.display_info(f"dmabuf: compiled the {part.name}")
        return True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Drop what was compiled: the wheel has it."""
        del version, build_data, artifact_path
        shutil.rmtree(getattr(self, "scratch", ""), ignore_errors=True)


def compiler() -> list[str]:
    """The C compiler and its first arguments; raises CannotCompile."""
    words = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "")
    if not words or shutil.which(words[0]) is None:
        raise CannotCompile("no C compiler")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        raise CannotCompile("no Python.h: Python's headers are not installed")
    return words


def compile_module(source: Path, built: Path) -> None:
    """Compile and try the C file; raises CannotCompile with one line that says why not."""
    refuse()
    words = compiler()
    config = {name: sysconfig.get_config_var(name) or "" for name in ("CC", "CFLAGS", "CCSHARED")}
    link = shlex.split(os.environ.get("LDSHARED") or sysconfig.get_config_var("LDSHARED") or "")
    if not link:
        raise CannotCompile("no linker")
    include = sysconfig.get_path("include")
    link[: len(shlex.split(config["CC"]))] = words  # LDSHARED begins with the compiler
    flags = [*shlex.split(config["CFLAGS"]), *shlex.split(config["CCSHARED"]), f"-I{include}"]
    flags += shlex.split(os.environ.get("CFLAGS", ""))
    run([*link, *flags, str(source), "-o", str(built)], "the compiler failed")
    load = "import importlib.util as u, sys; s = u.spec_from_file_location('_fused', sys.argv[1]); "
    load += "s.loader.exec_module(u.module_from_spec(s))"
    run([sys.executable, "-c", load, str(built)], "what was compiled does not load")


def compile_engines(source: Path, built: Path) -> None:
    """Have mypyc translate the engines to a folder; raises CannotCompile.

    Args:
        source: the module that says which they are; they lie beside it, in a package `dmabuf`.
        built: the folder that is made.
    """
    refuse("explorer")
    compiler()
    if importlib.util.find_spec("mypyc") is None or importlib.util.find_spec("setuptools") is None:
        raise CannotCompile("no mypyc")
    engines = told_by(source)
    package = source.parent
    work = built.with_name("engines")
    shutil.copytree(package, work / "dmabuf", ignore=shutil.ignore_patterns("_built", "*.so"))
    (work / "mypy.ini").write_text(_MYPY)
    modules = [f"dmabuf/{name}.py" for name in engines.MODULES]
    flags = os.environ.get("CFLAGS", "")
    command = [sys.executable, "-c", _TRANSLATE, flags, engines.GROUP, *modules]
    run(command, "mypyc failed", cwd=work, seconds=TRANSLATOR_S_MAX)
    shutil.copytree(work / "built" / "dmabuf", built)
    (built / engines.STAMP).write_text(engines.stamp())


def told_by(source: Path) -> Any:
    """A module of the package, without the package."""
    spec = importlib.util.spec_from_file_location("built", source)
    if spec is None or spec.loader is None or not source.exists():
        raise CannotCompile(f"no {source.name}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PARTS = (
    Part("quick ways of fences", SOURCE, f"_fused{SUFFIX}", compile_module),
    Part("explorer's engines", ENGINES, "_built", compile_engines),
)


def refuse(part: str = "") -> None:
    """Raise CannotCompile where a part is not wanted or not right."""
    asked = os.environ.get("DMABUF_PURE", "")
    if asked and (asked == part or asked != "explorer"):
        raise CannotCompile("DMABUF_PURE is set")
    if sys.implementation.name != "cpython":
        raise CannotCompile(f"{sys.implementation.name} is not CPython")
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise CannotCompile("a free-threaded Python")
    if part == "explorer" and os.environ.get("DMABUF_COMPILED") != "explorer":
        raise NotAsked("DMABUF_COMPILED=explorer has them compiled, in a minute")


def run(
    command: list[str], failure: str, *, cwd: Path | None = None, seconds: int = COMPILER_S_MAX
) -> None:
    """Run a tool quietly."""
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=seconds, cwd=cwd)
    except subprocess.CalledProcessError as error:
        told = (error.stderr or error.stdout).decode(errors="replace").strip().splitlines()
        raise CannotCompile(f"{failure}: {told[-1] if told else error.returncode}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotCompile(f"{failure}: {error}") from None


def replace(built: Path, in_place: Path) -> None:
    """Put a file or folder in place: a process that uses the old one keeps it."""
    fresh = in_place.with_suffix(f".{os.getpid()}")
    if built.is_dir():
        shutil.copytree(built, fresh)
        remove(in_place)
    else:
        shutil.copyfile(built, fresh)
    fresh.replace(in_place)


def remove(in_place: Path) -> None:
    """Take away what an earlier build has left."""
    if in_place.is_dir():
        shutil.rmtree(in_place)
    else:
        in_place.unlink(missing_ok=True)
