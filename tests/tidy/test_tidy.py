"""The habits of CONTRIBUTING.md that no linter knows, each as a test.

A checker is a function from text to findings, so that every one of them is also run here on a tiny
text that it must refuse and on a neighbour that it must accept.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from readme_block import block

ROOT = Path(__file__).resolve().parents[2]
FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 500
README_BLOCKS = ("command: main", "output: main", "command: tests")
ROOMS_OF_TESTS_ONLY = {"tidy", "vm", "fuzz", "agreement"}

Checker = Callable[[str], list[str]]
Function = ast.FunctionDef | ast.AsyncFunctionDef


# --- checkers: text -> findings ---------------------------------------------------------------


def module_without_docstring(source: str) -> list[str]:
    """A module says first what it is for."""
    return [] if ast.get_docstring(ast.parse(source)) else ["no module docstring"]


def module_too_long(source: str) -> list[str]:
    """A module stays one idea."""
    lines = len(source.splitlines())
    return [f"{lines} lines > {MODULE_LINES_MAX}"] if lines > MODULE_LINES_MAX else []


def function_too_long(source: str) -> list[str]:
    """Functions are boring; their docstrings do not count."""
    found = []
    for function in _functions(source):
        lines = _span(function) - (_span(function.body[0]) if ast.get_docstring(function) else 0)
        if lines > FUNCTION_LINES_MAX:
            found.append(f"{function.name}: {lines} lines > {FUNCTION_LINES_MAX}")
    return found


def relative_import(source: str) -> list[str]:
    """Every import names its module in full."""
    return [
        f"line {n.lineno}: {'.' * n.level}{n.module or ''}"
        for n in ast.walk(ast.parse(source))
        if isinstance(n, ast.ImportFrom) and n.level
    ]


def sleeping_test(source: str) -> list[str]:
    """No test sleeps: a virtual clock, an event or a bounded wait does the job."""
    return [ast.unparse(n) for n in ast.walk(ast.parse(source)) if _is_time_sleep(n)]


def unspoken_test(source: str) -> list[str]:
    """The docstring of a test is its property in one sentence."""
    tests = (f for f in _functions(source) if f.name.startswith("test_"))
    return [f.name for f in tests if not ast.get_docstring(f)]


def machine_path(text: str) -> list[str]:
    """Nothing depends on where somebody's checkout or home stands."""
    return re.findall(r"(?<![\w.}])/(?:home|root|Users|work|opt|mnt|srv|tmp)/\w+", text)


def registry_host(text: str) -> list[str]:
    """Which package registry serves an installation is the installer's business."""
    return re.findall(r"(?i)pypi\.org|pythonhosted|(?:extra-)?index-url|artifactory", text)


def foreign_licence(text: str) -> list[str]:
    """The project is MIT; text under a copyleft licence is not copied into it."""
    return re.findall(r"SPDX[^\n]*GPL|General Public Licen[cs]e|\bGPL-?v?[23]", text)


def readme_without_commands(text: str) -> list[str]:
    """README gives the two commands and the output of the first, each exactly once."""
    found = []
    for marker in README_BLOCKS:
        try:
            block(text, marker)
        except LookupError as error:
            found.append(str(error))
    return found


def _functions(source: str) -> Iterator[Function]:
    return (n for n in ast.walk(ast.parse(source)) if isinstance(n, Function))


def _span(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def _is_time_sleep(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="time"), attr="sleep"):
            return True
        case ast.ImportFrom(module="time", names=names):
            return any(alias.name == "sleep" for alias in names)
        case _:
            return False


# --- the checkers on texts that must and must not be refused -----------------------------------


def _long_function(lines: int) -> str:
    return "def f():\n" + '    """Doc\n\n    string."""\n' + "    x = 1\n" * (lines - 1)


CASES: list[tuple[Checker, str, str]] = [
    (module_without_docstring, "x = 1", '"""What it is."""'),
    (module_too_long, "\n" * (MODULE_LINES_MAX + 1), "\n" * MODULE_LINES_MAX),
    (function_too_long, _long_function(FUNCTION_LINES_MAX + 1), _long_function(FUNCTION_LINES_MAX)),
    (relative_import, "from .rt import api", "from dmabuf.rt import api"),
    (relative_import, "from .. import rt", "from dmabuf import rt"),
    (sleeping_test, "import time\ntime.sleep(1)", "clock.sleep(1)"),
    (sleeping_test, "from time import sleep", "from time import monotonic_ns"),
    (unspoken_test, "def test_x(): pass", 'def test_x(): "Holds."'),
    (unspoken_test, "class T:\n  def test_x(self): pass", "def helper(): pass"),
    (machine_path, "cd /home/alice", "https://example.invalid/home/alice"),
    (machine_path, "'/tmp/x'", "/dev/dma_heap/system"),
    (registry_host, "https://pypi.org/simple", "pip install dmabuf"),
    (registry_host, "--index-url=x", "index"),
    (foreign_licence, "SPDX-License-Identifier: GPL-2.0", "SPDX-License-Identifier: MIT"),
    (foreign_licence, "GNU General Public License", "EXPORT_SYMBOL_GPL(dma_buf_get);"),
]


@pytest.mark.parametrize(
    ("checker", "bad", "good"),
    [pytest.param(*case, id=f"{case[0].__name__}-{i}") for i, case in enumerate(CASES)],
)
def test_checker_refuses_the_bad_and_accepts_the_good(
    checker: Checker, bad: str, good: str
) -> None:
    """Each checker has a finding on the text that breaks its habit and none on the near-miss."""
    assert checker(bad)
    assert [] == checker(good)


def test_readme_checker_wants_each_block_exactly_once() -> None:
    """A missing, doubled, empty or unfenced README block is a finding."""
    blocks = [f"<!-- {marker} -->\n```sh\nx\n```\n" for marker in README_BLOCKS]

    assert [] == readme_without_commands("\n".join(blocks))
    assert readme_without_commands("\n".join(blocks[1:]))
    assert readme_without_commands("\n".join([*blocks, blocks[0]]))
    assert readme_without_commands("\n".join(blocks).replace("x\n", ""))
    assert readme_without_commands("\n".join(blocks).replace("```sh\n", ""))


# --- the checkers on the project ---------------------------------------------------------------


def _project_files() -> list[Path]:
    """What git tracks or would track; without git (an unpacked sdist) all but known litter."""
    if shutil.which("git") and (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        paths = [ROOT / name for name in names.split("\0") if name]
    else:
        litter = re.compile(r"(^|/)(\.(?!ci/)[^/]*|venv|__pycache__)/")
        paths = [p for p in ROOT.rglob("*") if not litter.search(f"{p.relative_to(ROOT)}")]
    return sorted(p for p in paths if p.is_file())


def _findings(checker: Checker, paths: list[Path]) -> list[str]:
    assert paths, "a check of nothing proves nothing"
    found = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # not text
        found += [f"{path.relative_to(ROOT)}: {finding}" for finding in checker(text)]
    return found


def _python(room: str) -> list[Path]:
    top = ROOT / room
    return [p for p in _project_files() if p.suffix == ".py" and p.is_relative_to(top)]


@pytest.mark.parametrize(
    "checker", [module_without_docstring, module_too_long, function_too_long, relative_import]
)
def test_source_keeps_the_habit(checker: Checker) -> None:
    """Modules say what they are, stay short, have short functions and import by full name."""
    assert [] == _findings(checker, _python("src"))


@pytest.mark.parametrize("checker", [sleeping_test, unspoken_test, relative_import])
def test_tests_keep_the_habit(checker: Checker) -> None:
    """Tests do not sleep, say their property, and import by full name."""
    assert [] == _findings(checker, _python("tests"))


@pytest.mark.parametrize("checker", [machine_path, registry_host, foreign_licence])
def test_no_file_says_what_it_should_not(checker: Checker) -> None:
    """No file names a place on one machine, a registry host, or a copyleft licence."""
    assert [] == _findings(checker, [p for p in _project_files() if p != Path(__file__)])


def test_readme_gives_the_commands() -> None:
    """README holds the blocks that people copy and `.ci/run` executes."""
    assert [] == _findings(readme_without_commands, [ROOT / "README.md"])


def test_tests_mirror_the_source() -> None:
    """Each folder of tests belongs to a room of src/dmabuf, or is known to have none."""
    rooms = {p.relative_to(ROOT / "tests").parts[0] for p in _python("tests")}
    folders = {room for room in rooms if not room.endswith(".py")}
    known = {p.name for p in (ROOT / "src" / "dmabuf").iterdir() if p.is_dir()}

    assert set() == folders - known - ROOMS_OF_TESTS_ONLY
