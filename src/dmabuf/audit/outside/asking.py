"""From an audited program to answers about what it calls outside: found, read, walked or kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dmabuf.audit.front.cache import Cache
from dmabuf.audit.front.facts import FileFacts
from dmabuf.audit.front.gather import Progress
from dmabuf.audit.front.outside import Outside
from dmabuf.audit.outside.gathering import Files, called_outside, gather_outside
from dmabuf.audit.outside.keeping import Keeping
from dmabuf.audit.outside.summaries import Outdoors, Summaries
from dmabuf.audit.program.program import Program

__all__ = ["Asked", "Reading", "ask"]


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read: processes, the cache of facts, who is told how far it is.

    Attributes:
        jobs: processes; 0 for one on each processor.
        keep: folder of the cache; None for no cache.
        cache: opens the cache of facts.
        progress: called after each piece of work.
    """

    jobs: int = 0
    keep: Path | None = None
    cache: Callable[[], Cache | None] = lambda: None
    progress: Callable[[Progress], None] | None = None


class Asked:
    """The answers for a program.

    Attributes:
        summaries: them.
        files: what was read for it; None as long as everything was kept.
        troubles: a sentence for each thing that was left out.
    """

    def __init__(
        self, root: Path, program: Program, audited: Mapping[str, FileFacts], reading: Reading
    ) -> None:
        self.files: Files | None = None
        self.troubles: list[str] = []
        self._root, self._reading, self._audited = root, reading, audited
        self._where = Outside(root, keep=reading.keep)
        self._wanted = frozenset(
            name for name in called_outside(program) if self._where.files(name)
        )
        self._keeping = Keeping(root, reading.keep) if reading.keep is not None else None
        kept = self._keeping.load(self._wanted, self._where) if self._keeping else None
        self.summaries = Summaries(self._wanted, self._load, kept)
        if self.files is not None:
            self.summaries.table.read = self.files.read

    def _load(self) -> Outdoors:
        reading = self._reading
        self.files = gather_outside(
            self._root,
            self._audited.values(),
            self._where,
            self._wanted,
            jobs=reading.jobs,
            cache=reading.cache,
            progress=reading.progress,
        )
        self.troubles.extend(self.files.troubles)
        return Outdoors(Program(self.files.files.values()))

    def keep(self) -> None:
        """Keep the answers for the next run, if there are new ones."""
        if self._keeping is not None:
            if self.summaries.fresh and self.files is not None:
                table, files = self.summaries.table, self.files.files
                self._keeping.save(table, self._wanted, self._where, files)
            self.troubles.extend(self._keeping.notes)

    def told(self) -> str:
        """One line about it."""
        functions = self.summaries.functions()
        acting = sum(1 for one in functions.values() if one.acts)
        files, size, lost = self.summaries.table.read
        text = f"outside: {len(functions):,} functions are called, {acting:,} of them do something"
        return f"{text}; by {files:,} files of {size:,} bytes, {lost:,} of them not understood"


def ask(root: Path, program: Program, audited: Mapping[str, FileFacts], reading: Reading) -> Asked:
    """What the functions do that a program calls and has no body of.

    Args:
        root: of the tree.
        program: what is audited.
        audited: its facts, by path.
        reading: how files are read.
    """
    return Asked(root, program, audited, reading)
