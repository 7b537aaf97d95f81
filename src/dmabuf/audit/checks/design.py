"""From a finding to a design: a skeleton of the chain that the explorer confirms or refutes."""

from __future__ import annotations

from dmabuf.report.source_finding import SourceFinding

__all__ = ["Untold", "design_of"]


class Untold(Exception):
    """There is no design for this kind of finding; the message says why."""


def design_of(finding: SourceFinding) -> str:
    """A Python file with one design."""
    raise Untold(f"{finding.code}: there is no design for findings of this rule yet")
