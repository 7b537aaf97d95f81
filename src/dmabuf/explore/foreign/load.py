"""Find designs: in a file, in every file of a folder, or one by name (`file.py::name`).

Two halves. The parent looks at names and bytes only (`find_targets`); foreign code is run in
the child (`load_designs`), where it can do no harm. What cannot be used becomes a `Trouble` that
says where and what to do.

>>> [found.message for found in find_targets(["nowhere.py"])]
['no such file or folder']
"""

from __future__ import annotations

import difflib
import importlib
import importlib.machinery
import inspect
import os
import re
import sys
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from dmabuf.errors import DmabufError
from dmabuf.explore.explanations.explain import place_of_error
from dmabuf.machine import Design, is_design
from dmabuf.report.finding import Place
from dmabuf.report.verdict import Trouble

__all__ = ["LoadError", "Target", "find_targets", "load_designs", "said"]

_C_SUFFIXES = (".c", ".h")
_MAX_BYTES = 10_000_000
_MENTIONS = re.compile(rb"@[\w. ]*\bdesign\b|\bdesign\s*\(|\bdesign\s+as\b")
"""What a file in a folder must contain, besides "dmabuf", to be looked at more closely."""

_MARK_IT = "mark a function that takes a machine with @design (from dmabuf import design)"


class LoadError(DmabufError):
    """An input cannot be used; `trouble` says why."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class Target:
    """A file to look for designs in.

    Attributes:
        path: where it is.
        shown: the name under which reports speak of it: as the user wrote it.
        name: the one design wanted; all if empty.
        named: the user named this file; else it was found in a folder and may hold no design.
        empty: a file of a folder that does not speak of designs; there is nothing to run.
    """

    path: str
    shown: str
    name: str = ""
    named: bool = True
    empty: bool = False

    def subject(self, design: str) -> str:
        """What a design of this file is called."""
        return f"{self.shown}::{design}"


# -- the parent's half: names and bytes ------------------------------------------------------------


def find_targets(paths: Iterable[str]) -> Iterator[Target | Trouble]:
    """The files that the arguments of a command line name, in order, each file once."""
    seen: set[tuple[str, str]] = set()
    for argument in paths:
        for found in _find(argument):
            if isinstance(found, Trouble):
                yield found
                continue
            key = (os.path.realpath(found.path), found.name)
            if key not in seen:
                seen.add(key)
                yield found


def _find(argument: str) -> Iterator[Target | Trouble]:
    path, name = _split(argument)
    try:
        if Path(path).is_dir():
            yield from _find_in_folder(argument, path, name)
            return
        trouble = _unusable(path)
        yield trouble or Target(str(Path(path).absolute()), path, name)
    except (OSError, ValueError) as error:
        yield Trouble(path, f"cannot be read: {_reason(error)}")


def _split(argument: str) -> tuple[str, str]:
    """Path and design; a file whose own name holds `::` is itself."""
    if "::" not in argument or os.path.lexists(argument):
        return argument, ""
    path, _, name = argument.rpartition("::")
    return path, name


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)


def _unusable(path: str) -> Trouble | None:
    """Why a named file cannot hold designs, as far as its name and bytes tell."""
    file = Path(path)
    if not os.path.lexists(path):
        remedy = _neighbour(file)
        return Trouble(path, "no such file or folder", remedy)
    if not file.is_file():
        return Trouble(path, "is no regular file", "name a Python file or a folder")
    if file.stat().st_size > _MAX_BYTES:
        return Trouble(path, f"has more than {_MAX_BYTES:,} bytes, which is no design")
    if b"\0" in file.read_bytes():
        return Trouble(path, "is a binary file", "name a Python file")
    return None


def _neighbour(file: Path) -> str:
    """The file that may have been meant."""
    try:
        names = [entry.name for entry in file.parent.iterdir()]
    except OSError:
        return ""
    close = difflib.get_close_matches(file.name, names, 1)
    return f"did you mean {file.parent / close[0]}?" if close else ""


def _find_in_folder(argument: str, path: str, name: str) -> Iterator[Target | Trouble]:
    if name:
        yield Trouble(argument, "a design is named within a file", f"write FILE.py::{name}")
        return
    found = has_c = False
    denied: list[OSError] = []
    for file in _source_files(path, denied):
        if file.endswith(_C_SUFFIXES):
            has_c = True
            continue
        empty = not _may_hold_designs(file)
        found = found or not empty
        yield Target(str(Path(file).absolute()), file, named=False, empty=empty)
    for error in denied:
        yield Trouble(str(error.filename), f"cannot be read: {_reason(error)}")
    if not found and not denied and not has_c:  # a folder of C source need not hold designs
        yield Trouble(path, "no design in this folder", _MARK_IT)


def _source_files(top: str, denied: list[OSError]) -> Iterator[str]:
    """Python and C files below a folder in a fixed order, without hidden or installed ones."""
    for folder, folders, files in os.walk(top, onerror=denied.append):
        folders[:] = sorted(one for one in folders if not _is_skipped(folder, one))
        for file in sorted(files):
            if not file.startswith(".") and file.endswith((".py", *_C_SUFFIXES)):
                yield os.path.join(folder, file)  # noqa: PTH118 - keeps the words of the user


def _is_skipped(folder: str, name: str) -> bool:
    path = Path(folder, name)
    return name.startswith(".") or name == "__pycache__" or (path / "pyvenv.cfg").exists()


def _may_hold_designs(file: str) -> bool:
    """Does a file of a folder speak of our designs? Others are not run."""
    try:
        path = Path(file)
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:
            return False
        source = path.read_bytes()
    except OSError:
        return True  # so that it is reported as unreadable
    return b"dmabuf" in source and _MENTIONS.search(source) is not None


# -- the child's half: running foreign code --------------------------------------------------------


def load_designs(target: Target) -> dict[str, Design]:
    """Import the file and return its designs by name, in the order of the file.

    Raises LoadError. Whatever else the file's own code does (loop, allocate, exit) happens here.
    """
    module = _import(target)
    designs = _designs_of(module)
    if target.name:
        return {target.name: _one(target, module, designs)}
    for name, design in designs.items():
        _check_signature(target, name, design)
    if not designs and target.named:
        raise LoadError(Trouble(target.shown, "no design in this file", _MARK_IT))
    return designs


def _import(target: Target) -> types.ModuleType:
    code = _compile(target)
    package, root = _package_of(Path(target.path))
    sys.path.insert(0, str(root))
    name = _module_name(Path(target.path).stem, package)
    try:
        if package:
            importlib.import_module(package)
            ready = sys.modules.get(name)
            if ready is not None and getattr(ready, "__file__", None) == target.path:
                return ready
        module = types.ModuleType(name)
        module.__file__ = target.path
        module.__package__ = package
        module.__spec__ = importlib.machinery.ModuleSpec(name, None, origin=target.path)
        sys.modules[name] = module
        exec(code, module.__dict__)
    except BaseException as error:  # noqa: BLE001 - whatever foreign code raises, say it
        raise LoadError(_raised(target, error)) from None
    return module


def _compile(target: Target) -> types.CodeType:
    try:
        source = Path(target.path).read_bytes()
        return compile(source, target.path, "exec", dont_inherit=True)
    except OSError as error:
        raise LoadError(Trouble(target.shown, f"cannot be read: {_reason(error)}")) from None
    except SyntaxError as error:
        place = Place(target.path, error.lineno) if error.lineno else None
        message = f"is not valid Python: {error.msg}"
        raise LoadError(Trouble(target.shown, message, place=place)) from None
    except (ValueError, RecursionError, MemoryError) as error:
        message = f"is not valid Python: {str(error) or type(error).__name__}"
        raise LoadError(Trouble(target.shown, message)) from None


def _package_of(path: Path) -> tuple[str, Path]:
    """The package that a file lies in, as folders with `__init__.py` tell, and its root."""
    parts: list[str] = []
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts), folder


def _module_name(stem: str, package: str) -> str:
    """The module's name; a file called like a module that is loaded gets another one."""
    if package:
        return package if stem == "__init__" else f"{package}.{stem}"
    return stem if stem.isidentifier() and stem not in sys.modules else f"design {stem}"


def _raised(target: Target, error: BaseException) -> Trouble:
    """The trouble of a file that raises while it is imported."""
    place = place_of_error(error)
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        place = Place(error.filename, error.lineno)
    if isinstance(error, SystemExit):
        message = "ends the program when it is imported (SystemExit)"
        remedy = "put what it does as a program under `if __name__ == '__main__':`"
    else:
        message = f"raises {type(error).__name__} when it is imported{said(error)}"
        remedy = "a file of designs must import without an error"
    return Trouble(target.shown, message, remedy, place)


def said(error: BaseException) -> str:
    """What an exception says, after a colon; foreign ones may fail to say it."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - foreign __str__
        return ""
    return f": {text}" if text else ""


def _designs_of(module: types.ModuleType) -> dict[str, Design]:
    """The designs that live here: one imported from its home module is that module's."""
    found: dict[str, Design] = {}
    for name, value in vars(module).items():
        known = any(value is other for other in found.values())
        if is_design(value) and not known and not _lives_elsewhere(value, module):
            found[name] = cast("Design", value)
    return found


def _lives_elsewhere(value: Any, module: types.ModuleType) -> bool:
    home = sys.modules.get(getattr(value, "__module__", None) or "")
    if home is None or home is module:
        return False
    return getattr(home, getattr(value, "__name__", ""), None) is value


def _one(target: Target, module: types.ModuleType, designs: dict[str, Design]) -> Design:
    value = getattr(module, target.name, None)
    if is_design(value):
        design = cast("Design", value)
        _check_signature(target, target.name, design)
        return design
    if callable(value):
        message = f"{target.name} is not marked as a design"
        raise LoadError(Trouble(target.shown, message, "put @design above it", _place(value)))
    message = f"no design {target.name} in this file"
    if not designs:
        raise LoadError(Trouble(target.shown, message, f"it has none; {_MARK_IT}"))
    close = difflib.get_close_matches(target.name, designs, 1)
    remedy = f"did you mean {close[0]}? " if close else ""
    raise LoadError(Trouble(target.shown, message, f"{remedy}it has: {', '.join(designs)}"))


def _check_signature(target: Target, name: str, design: Design) -> None:
    """A design is a plain function of one machine; anything else would be explored in vain."""
    kinds = (
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
    )
    if any(is_kind(design) for is_kind in kinds):
        message = f"design {name} is a coroutine or generator, which would never run"
        remedy = "write it as a plain function, without async and yield"
        raise LoadError(Trouble(target.shown, message, remedy, _place(design)))
    try:
        inspect.signature(design).bind(None)
    except TypeError:
        message = f"design {name} must be callable with one argument, the machine"
        raise LoadError(Trouble(target.shown, message, place=_place(design))) from None
    except ValueError:
        return  # no signature to look at


def _place(value: object) -> Place | None:
    code = getattr(value, "__code__", None)
    if code is None:
        return None
    return Place(code.co_filename, code.co_firstlineno, code.co_name)
