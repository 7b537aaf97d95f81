"""Build hook: compiles the quick ways of a fence where that is possible, else leaves them Python.

It needs a C compiler and Python's headers and nothing else. Whatever is missing is one line of
the build's output, never a failed build: the package is complete without (`dmabuf --version` says
which it is). DMABUF_PURE=1 leaves the module out; DMABUF_COMPILED=1 makes its absence an error.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = "src/dmabuf/core/_fused.c"
COMPILER_S_MAX = 120


class CannotCompile(Exception):
    """Why there will be no extension module."""


class CustomBuildHook(BuildHookInterface[Any]):
    """What hatchling calls before it builds a wheel; for an editable one it builds in place."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and let the wheel carry the result and the tag that goes with it."""
        if self.target_name != "wheel":
            return
        source = Path(self.root, SOURCE)
        name = f"_fused{sysconfig.get_config_var('EXT_SUFFIX')}"
        self.scratch = tempfile.mkdtemp(prefix="dmabuf-build-")
        built = Path(self.scratch, name)
        in_place = source.with_name(name)
        try:
            compile_module(source, built)
        except CannotCompile as reason:
            if os.environ.get("DMABUF_COMPILED"):
                raise
            in_place.unlink(missing_ok=True)  # one of an earlier build would be used
            self.app.display_info(f"dmabuf: pure Python, nothing compiled ({reason})")
            return
        if version == "editable":
            replace(built, in_place)
        else:
            build_data["force_include"][str(built)] = f"dmabuf/core/{name}"
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        self.app.display_info(f"dmabuf: compiled {name}")

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Drop what was compiled: the wheel has it."""
        del version, build_data, artifact_path
        shutil.rmtree(getattr(self, "scratch", ""), ignore_errors=True)


def compile_module(source: Path, built: Path) -> None:
    """Compile and try the module; raises CannotCompile with one line that says why not."""
    refuse()
    config = {name: sysconfig.get_config_var(name) or "" for name in ("CC", "CFLAGS", "CCSHARED")}
    link = shlex.split(os.environ.get("LDSHARED") or sysconfig.get_config_var("LDSHARED") or "")
    compiler = shlex.split(os.environ.get("CC") or config["CC"])
    if not compiler or not link or shutil.which(compiler[0]) is None:
        raise CannotCompile("no C compiler")
    include = sysconfig.get_path("include")
    if not Path(include, "Python.h").exists():
        raise CannotCompile("no Python.h: Python's headers are not installed")
    link[: len(shlex.split(config["CC"]))] = compiler  # LDSHARED begins with the compiler
    flags = [*shlex.split(config["CFLAGS"]), *shlex.split(config["CCSHARED"]), f"-I{include}"]
    flags += shlex.split(os.environ.get("CFLAGS", ""))
    run([*link, *flags, str(source), "-o", str(built)], "the compiler failed")
    load = "import importlib.util as u, sys; s = u.spec_from_file_location('_fused', sys.argv[1]); "
    load += "s.loader.exec_module(u.module_from_spec(s))"
    run([sys.executable, "-c", load, str(built)], "what was compiled does not load")


def refuse() -> None:
    """Raise CannotCompile where the module is not wanted or not right."""
    if os.environ.get("DMABUF_PURE"):
        raise CannotCompile("DMABUF_PURE is set")
    if sys.implementation.name != "cpython":
        raise CannotCompile(f"{sys.implementation.name} is not CPython")
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise CannotCompile("a free-threaded Python")


def run(command: list[str], failure: str) -> None:
    """Run a tool quietly."""
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=COMPILER_S_MAX)
    except subprocess.CalledProcessError as error:
        told = error.stderr.decode(errors="replace").strip().splitlines()
        raise CannotCompile(f"{failure}: {told[-1] if told else error.returncode}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotCompile(f"{failure}: {error}") from None


def replace(built: Path, in_place: Path) -> None:
    """Move it in one step: a process that uses the old one keeps it."""
    fresh = in_place.with_suffix(f".{os.getpid()}")
    shutil.copyfile(built, fresh)
    fresh.replace(in_place)
