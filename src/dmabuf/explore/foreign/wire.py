r"""What parent and child of a sandbox say to each other: the job, and lines of JSON over a pipe.

Each line starts with a word that only this child knows. A line without it was written by the
design under test, which then writes to descriptors that it did not open.

>>> wire = Lines("secret")
>>> list(wire.feed(b"secret {\"is\": \"beat\"}\ngarbage\n")), wire.garbage
([{'is': 'beat'}], True)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from dmabuf.explore.search import Budget

__all__ = ["LOST_PIPE", "Job", "Limits", "Lines", "line_of"]

LOST_PIPE = 97
"""Exit code of a child that cannot reach its parent any more."""

_MAX_LINE = 64_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a design may use besides its budget.

    Attributes:
        memory: bytes of address space.
        import_seconds: for importing the file.
        cpu_seconds: of computing without a step, after which it is taken as endless.
        idle_seconds: of blocking in something that is no step.
        grace_seconds: beyond the budget, before the child is ended.
    """

    memory: int = 2 << 30
    import_seconds: float = 10.0
    cpu_seconds: float = 1.0
    idle_seconds: float = 3.0
    grace_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Job:
    """How the designs of a file are to be explored.

    Attributes:
        budget: of each design.
        seed: of orders and chances.
        carrier: what tasks run on; the best there is if empty.
        engine: the only one to use; picked as the search goes on if empty.
        token: of the one schedule to run, instead of a search.
        limits: what a design may use besides.
        jobs: workers of a search that is not over at once; 0 for none.
        export: the language to write the design in, instead of a verdict.
        validate: have the validator watch runs, and its predictions judged.
    """

    budget: Budget = field(default_factory=Budget)
    seed: int = 0
    carrier: str = ""
    engine: str = ""
    token: str = ""
    limits: Limits = field(default_factory=Limits)
    jobs: int = 0
    export: str = ""
    validate: bool = False

    def to_data(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @staticmethod
    def from_data(data: dict[str, Any]) -> Job:
        """The job that `to_data` wrote."""
        fields: dict[str, Any] = {
            **data,
            "budget": Budget(**data["budget"]),
            "limits": Limits(**data["limits"]),
        }
        return Job(**fields)


def line_of(word: str, message: dict[str, Any]) -> bytes:
    """A message as one line."""
    return f"{word} {json.dumps(message)}\n".encode("ascii")


class Lines:
    """Bytes from the pipe, cut into messages.

    Attributes:
        garbage: something arrived that the child did not send.
    """

    def __init__(self, word: str) -> None:
        self._word = word.encode("ascii") + b" "
        self._rest = b""
        self.garbage = False

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The messages that are complete now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MAX_LINE:
            self._rest = b""
            self.garbage = True
        for line in lines:
            before, found, text = line.partition(self._word)
            self.garbage = self.garbage or bool(before) or not found
            if found:
                yield from self._parse(text)

    def _parse(self, text: bytes) -> Iterator[dict[str, Any]]:
        try:
            message = json.loads(text)
        except ValueError:
            message = None
        if isinstance(message, dict):
            yield message
        else:
            self.garbage = True
