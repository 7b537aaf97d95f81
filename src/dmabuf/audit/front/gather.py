"""Facts of a whole tree, by the workers of any `concurrent.futures.Executor`.

Workers read and parse; what crosses the border of a process is bytes. Headers that the files
include are followed while they come in. The order of the result is not that of the work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from dmabuf.audit.front.cache import Cache, digest
from dmabuf.audit.front.collector import no_collector
from dmabuf.audit.front.config import Config
from dmabuf.audit.front.extract import extract, version
from dmabuf.audit.front.facts import FileFacts
from dmabuf.audit.front.includes import Includes
from dmabuf.audit.front.outline import Brief
from dmabuf.audit.front.packing import pack
from dmabuf.audit.front.shelf import Shelf
from dmabuf.audit.front.tree import Stamp, find, read, stamp
from dmabuf.audit.front.volume import Kept
from dmabuf.audit.front.workers import Workers

__all__ = ["Gathered", "Progress", "cache_of", "gather"]

# Files of one piece of work; small enough to spread, large enough to be worth the way.
_CHUNK: Final = 24
_CHUNK_BYTES: Final = 400_000
_FEW: Final = 3
"""As many files are read sooner than a process has started."""

# Path, digest of what is kept of it already.
_Job = tuple[str, bytes]
# Path, stamp, digest, facts (b"" where the digest is that of what is kept), trouble.
_Done = tuple[str, Stamp | None, bytes, bytes, str]


def cache_of(root: Path, folder: Path | None = None, config: Config | None = None) -> Cache:
    """What the last run on this tree kept, in `folder` or the user's cache."""
    return Cache(root, version(config), folder)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is.

    Attributes:
        done, total: files; `total` grows while headers are found.
        seconds: since it began.
    """

    done: int
    total: int
    seconds: float

    @property
    def rate(self) -> float:
        """Files a second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def remaining_s(self) -> float | None:
        """Seconds that the rest takes at this rate; None where there is none yet."""
        return (self.total - self.done) / self.rate if self.rate > 0 else None


@dataclass(slots=True)
class Gathered:
    """Facts of a tree.

    Attributes:
        files: facts by path, sorted; unpacked when they are looked at.
        troubles: a sentence for each thing that was left out or read in part.
        kept: files whose facts the cache had.
        notes: what was wrong with the cache, if anything.
    """

    files: Shelf = field(default_factory=Shelf)
    troubles: list[str] = field(default_factory=list)
    kept: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def bytes_lost(self) -> int:
        """Bytes of C that were not understood."""
        return sum(one.lost for one in self.files.briefs.values())


def gather(
    root: Path,
    folders: Iterable[str],
    *,
    jobs: int = 0,
    executor: Executor | None = None,
    cache: Cache | None = None,
    progress: Callable[[Progress], None] | None = None,
    headers: bool = True,
    config: Config | None = None,
    known: Iterable[str] = (),
) -> Gathered:
    """Facts of all C files and headers below `folders`, and of the headers that they include.

    Args:
        root: of the tree.
        folders: relative to it; single files may be named as well.
        jobs: how many processes; 0 for one on each processor. One works in the caller's.
        executor: whose workers do it instead; stays open.
        cache: facts of the last run, to which those of this one are added.
        progress: called after each piece of work.
        headers: follow what is included out of the folders.
        config: leaves out what a kernel with this configuration does not have; the cache has to be
            of the same one.
        known: files whose facts are at hand; they are not read, and not in the result.

    Raises:
        TreeError: a folder is not there.
    """
    found = find(root, folders)
    with no_collector(), Workers(jobs, executor) as workers:
        work = _Work(root, workers, cache, progress, Includes(root) if headers else None)
        work.config = config
        work.leave_out(known)
        work.out.troubles.extend(found.troubles)
        work.add(found.files)
        work.run()
    return work.finish()


class _Work:
    """What is to be done yet, what is being done, and what came of it."""

    def __init__(
        self,
        root: Path,
        workers: Workers,
        cache: Cache | None,
        progress: Callable[[Progress], None] | None,
        includes: Includes | None,
    ) -> None:
        self.out = Gathered()
        self._root = root
        self._base = str(root)
        self._workers = workers
        self._cache = cache
        self._progress = progress
        self._includes = includes
        self._asked: set[str] = set()
        self._waiting: list[_Job] = []
        self._running: dict[Future[list[_Done]], list[_Job]] = {}
        # `wait` would look at all of hundreds each time that one is done.
        self._done: SimpleQueue[Future[list[_Done]]] = SimpleQueue()
        self.config: Config | None = None
        self._keep: dict[str, Kept] = {}
        self._fresh = 0
        self._begun = time.monotonic()

    def leave_out(self, paths: Iterable[str]) -> None:
        """Do not ask for these."""
        self._asked.update(paths)

    def add(self, paths: Iterable[str]) -> None:
        """Ask for files, each once; what is kept of unchanged ones is taken at once."""
        todo = [path for path in paths if path not in self._asked]
        self._asked.update(todo)
        while todo:
            path = todo.pop()
            kept = self._unchanged(path)
            if kept is None:
                known = self._cache.digest_of(path) if self._cache is not None else b""
                self._waiting.append((path, known))
                continue
            todo.extend(self._take(path, kept))

    def _unchanged(self, path: str) -> Kept | None:
        if self._cache is None:
            return None
        now = stamp(f"{self._base}/{path}")
        if now is None or not self._cache.unchanged(path, now):
            return None
        return self._cache.get(path)

    def _take(self, path: str, kept: Kept) -> list[str]:
        """Take what is kept of a file; returns the headers that it asks for."""
        self._keep[path] = kept
        self.out.kept += 1
        self.out.files.put_packed(path, kept.digest, kept.facts, kept.brief)
        return self._note(path, kept.brief)

    def _note(self, path: str, brief: Brief) -> list[str]:
        """Tell of a file's troubles; returns the headers that it asks for."""
        if brief.trouble:
            self.out.troubles.append(f"{path}: {brief.trouble}")
        if self._includes is None:
            return []
        found = {self._includes.find(path, text) for text in brief.includes}
        new = sorted(one for one in found if one is not None and one not in self._asked)
        self._asked.update(new)
        return new

    def run(self) -> None:
        """Work until nothing is left."""
        while self._waiting or self._running:
            self._submit()
            future = self._done.get()
            jobs = self._running.pop(future)
            try:
                results = future.result()
            except BrokenExecutor as error:
                one_by_one = partial(_one, self._root, self.config)
                results = self._workers.alone(jobs, one_by_one, _died, error)
            for one in results:
                self._finish(one)
            if self._progress is not None:
                seconds = time.monotonic() - self._begun
                self._progress(Progress(len(self.out.files), len(self._asked), seconds))

    def _submit(self) -> None:
        """Hand on what waits; a few headers wait for more while others work."""
        if len(self._waiting) < _CHUNK and len(self._running) >= self._workers.count:
            return
        few = len(self._waiting) <= _FEW
        for jobs in _chunks(self._root, self._waiting):
            future = self._workers.submit(work, self._root, jobs, self.config, here=few)
            self._running[future] = jobs
            future.add_done_callback(self._done.put)
        self._waiting = []

    def _finish(self, one: _Done) -> None:
        path, now, content, facts, trouble = one
        if trouble:
            self.out.files.put(FileFacts(path, trouble=trouble))
            self._note(path, self.out.files.briefs[path])
            return
        assert now is not None
        if not facts and self._cache is not None:
            kept = self._cache.get(path)
            if kept is None:  # damaged since
                self._waiting.append((path, b""))
                return
            self._fresh += 1  # it has a new stamp
            self.out.kept += 1
            facts = bytes(kept.facts)
        else:
            self._fresh += 1
        brief = self.out.files.put_packed(path, content, facts)
        self._keep[path] = Kept(now, content, facts, brief)
        self._later(self._note(path, brief))

    def _later(self, paths: list[str]) -> None:
        self._asked.difference_update(paths)
        self.add(paths)

    def finish(self) -> Gathered:
        """Sort what was found, and keep it."""
        out = self.out
        out.files.sort()
        out.troubles.sort()
        if self._cache is not None:
            if self._fresh:
                self._cache.save(self._root, self._keep)
            out.notes.extend(self._cache.notes)
            if self._cache.damaged:
                out.notes.append(f"{self._cache.path}: {self._cache.damaged} entries were damaged")
        return out


def _chunks(root: Path, jobs: list[_Job]) -> Iterator[list[_Job]]:
    """Pieces of work of about the same size, in the order of the paths."""
    chunk: list[_Job] = []
    size = 0
    for job in sorted(jobs):
        chunk.append(job)
        about = stamp(root / job[0])
        size += about[0] if about is not None else 0
        if len(chunk) >= _CHUNK or size >= _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def work(root: Path, jobs: list[_Job], config: Config | None) -> list[_Done]:
    """In a worker: read and parse files; those whose content is known are not parsed."""
    return [_one(root, config, job) for job in jobs]


def _one(root: Path, config: Config | None, job: _Job) -> _Done:
    path, known = job
    found = read(root / path)
    content = digest(found.data)
    if found.trouble:
        return path, found.stamp, content, b"", found.trouble
    if content == known:
        return path, found.stamp, content, b"", ""
    facts, trouble = _facts(path, found.data, config or Config())
    return path, found.stamp, content, facts, trouble


def _facts(path: str, data: bytes, config: Config) -> tuple[bytes, str]:
    try:
        return pack(extract(path, data, config)), ""
    except Exception as error:  # noqa: BLE001 - a bug of ours costs this file, not the run
        return b"", f"the parser failed ({type(error).__name__}: {error}); please report it"


def _died(job: _Job, error: BrokenExecutor) -> _Done:
    sentence = f"a worker died while it was read ({error}); not audited, try --jobs 1"
    return job[0], None, b"", b"", sentence
