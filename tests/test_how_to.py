"""The how-to pages say what really works: each of their programs runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs" / "how-to").glob("*.md"))
PAGE_LINES_MAX = 80


def _programs():
    for page in PAGES:
        found = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
        for number, program in enumerate(found, 1):
            yield pytest.param(program, id=f"{page.stem}-{number}")


@pytest.mark.slow
@pytest.mark.parametrize("program", [*_programs()])
def test_how_to_programs_run(program):
    """No error, no warning, nothing printed."""
    if "import trio" in program or ", trio" in program:
        pytest.importorskip("trio")

    command = [sys.executable, "-W", "error", "-c", program]
    found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert (0, "", "") == (found.returncode, found.stdout, found.stderr)


def _commands():
    for page in PAGES:
        found = re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
        lines = [line for block in found for line in block.splitlines()]
        for number, line in enumerate(lines, 1):
            if line.startswith("dmabuf "):
                yield pytest.param(line, id=f"{page.stem}-{number}")


@pytest.mark.slow
@pytest.mark.parametrize("command", [*_commands()])
def test_how_to_commands_run(command, tmp_path):
    """A `dmabuf` command of a page is understood, finds what it names, and writes its files."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    words = [sys.executable, "-W", "error", "-m", "dmabuf", *command.split()[1:]]

    found = subprocess.run(
        words, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )

    assert found.returncode in (0, 1)
    assert "dmabuf: " not in found.stderr
    files = [word for word in words if word.endswith((".html", ".json"))]
    assert all((tmp_path / file).stat().st_size for file in files)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_how_to_pages_are_short_and_have_programs(page):
    """One screen or two."""
    text = page.read_text()

    assert len(text.splitlines()) <= PAGE_LINES_MAX
    assert "```python" in text
