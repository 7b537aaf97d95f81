"""Weakened footprints that no program can tell from the honest ones, and why."""

from __future__ import annotations

__all__ = ["EQUIVALENT"]

EQUIVALENT: dict[str, str] = {}
"""By mutant: the reason."""
