"""The contract, rule by rule: why, says who, and designs that show it.

`codes.CODES` says what each rule demands; a page here says why, where that is written down, which
design breaks it, which one keeps it, and which ones only look as if they broke it.

    >>> RULES["DF202"].counterexample.__name__
    'lock_across_wait'
"""

from __future__ import annotations

from dmabuf.rules import (
    accesses,
    annotation,
    buffers,
    cpu_access,
    faults,
    finite,
    general,
    locks,
    memory,
    moves,
    reclaim,
    reclaim_locks,
    recovery,
    resv,
    resv_waits,
    signalling,
    usage,
    work,
)
from dmabuf.rules.audited import AUDITED, SOURCE_RULES, SourceRule
from dmabuf.rules.frame import DOCUMENTS, Check, Rule, RuleRun, Source, assemble, run_rule

__all__ = [
    "DOCUMENTS",
    "PAGES",
    "RULES",
    "SOURCE_RULES",
    "Check",
    "Rule",
    "RuleRun",
    "Source",
    "SourceRule",
    "run_rule",
]

RULES: dict[str, Rule] = assemble(
    general.PAGES,
    usage.PAGES,
    finite.PAGES,
    recovery.PAGES,
    signalling.PAGES,
    annotation.PAGES,
    work.PAGES,
    locks.PAGES,
    resv.PAGES,
    faults.PAGES,
    memory.PAGES,
    reclaim.PAGES,
    reclaim_locks.PAGES,
    resv_waits.PAGES,
    buffers.PAGES,
    cpu_access.PAGES,
    moves.PAGES,
    accesses.PAGES,
    audited=AUDITED,
)
"""Every rule that has designs, by ID, in order of ID; `SOURCE_RULES` are the others."""

PAGES: dict[str, Rule | SourceRule] = dict(sorted([*RULES.items(), *SOURCE_RULES.items()]))
"""Every rule by ID, in order of ID."""
