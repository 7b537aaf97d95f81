"""The corpus: our own C, with what is to be found said on the line where it is.

    kmalloc(8, GFP_KERNEL); // EXPECT DF301 error

A file is a tree of its own, at the path that a line `// PATH ...` gives; a folder is a tree with
build files, where a hash begins the comment.
"""

from __future__ import annotations

import re
from pathlib import Path

from dmabuf.audit.checks.audit import audit
from dmabuf.audit.checks.build_files import BuildFiles
from dmabuf.audit.front.extract import extract
from dmabuf.audit.program.program import Program
from dmabuf.report.source_finding import SourceFinding

__all__ = ["CASES", "Marks", "audited", "expected", "found", "marks"]

CASES = Path(__file__).with_name("cases")
EXPECT = re.compile(r"(?://|#) EXPECT (.*)$")
ONE = re.compile(r"(DF\d{3}) (error|warning|info)")
PATH = re.compile(r"^// PATH (\S+)$", re.MULTILINE)
SITUATION = re.compile(r"/\* (found|near-miss|noise)\b")

Marks = set[tuple[str, int, str, str]]
"""File, line, rule, level."""


def sources(case: Path) -> dict[str, bytes]:
    """The files of a case by their path in its tree."""
    if case.is_dir():
        found = sorted(one for one in case.rglob("*") if one.is_file())
        return {str(one.relative_to(case)): one.read_bytes() for one in found}
    data = case.read_bytes()
    named = PATH.search(data.decode("latin-1"))
    return {named[1] if named else f"drivers/gpu/drm/toy/{case.name}": data}


def expected(case: Path) -> Marks:
    """What the marks of a case say."""
    return {
        (path, number, rule, level)
        for path, data in sources(case).items()
        for number, line in enumerate(data.decode("latin-1").splitlines(), 1)
        if (mark := EXPECT.search(line))
        for rule, level in ONE.findall(mark[1])
    }


def audited(case: Path) -> list[SourceFinding]:
    """What the auditor finds."""
    files = [extract(p, d) for p, d in sources(case).items() if p.endswith((".c", ".h"))]
    return list(audit(Program(files), BuildFiles(str(case))).findings)


def found(case: Path) -> Marks:
    """The same, as marks."""
    return {(one.place.file, one.place.line, one.code, one.level.value) for one in audited(case)}


def marks() -> dict[str, Path]:
    """All cases by name."""
    return {one.name: one for one in sorted(CASES.iterdir())}
