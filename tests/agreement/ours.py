"""Our objects behind the face: a small descriptor table, and each call on the object behind it."""

from __future__ import annotations

from tests.agreement.face import NotBuiltYet

NOT_BUILT = frozenset(["everything"])


class Ours:
    """Our objects, live on threads."""

    name = "ours"

    def __getattr__(self, name: str):
        raise NotBuiltYet(name)

    def end(self) -> None:
        """Close all."""
