"""The last audit of a tree, and what of it still holds in this one.

An audit is made of answers: what each file adds to the tables, which ways there are from a root.
With each is kept what was asked of the program for it, by name (`program.asked`). A name is dirty
if files say something else about it than they did (`front.signs`), if tables built from them do,
or if it has begun or ceased to matter. An answer holds if none of its names is dirty; who asks for
one that does not gets none, and finds it out anew. So nobody needs to know who depends on whom.

    last = LastAudit.load(path)
    program = last.link(gathered.files)
    ways = Ways(program); ways.keeper = last.keeper(program, ways.matter)
    ...
    last.save()
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from dmabuf.audit.front.across import expand_in
from dmabuf.audit.front.packing import unpack_signs
from dmabuf.audit.front.shelf import Shelf
from dmabuf.audit.front.signs import changed
from dmabuf.audit.kept.ahead import Asked, Found, Recorder
from dmabuf.audit.kept.changes import (
    of_handed,
    of_links,
    of_variables,
    sum_of_contents,
    typedefs_of,
)
from dmabuf.audit.kept.names import Numbers, meets, renumbered
from dmabuf.audit.kept.packed_keeper import PackedKeeper
from dmabuf.audit.kept.record import Record
from dmabuf.audit.kept.state import State
from dmabuf.audit.program.asked import EVERYTHING
from dmabuf.audit.program.links import Links
from dmabuf.audit.program.program import Program
from dmabuf.audit.ways.keeping import Question

__all__ = ["LastAudit"]


class LastAudit(PackedKeeper):
    """What the last audit kept, and what this one will.

    Attributes:
        notes: what was wrong with it, in sentences.
        linked: files whose links had to be found out.
        recalled: answers that held.
        taken: answers that somebody had found out ahead.
        asked: answers that were asked for.
    """

    def __init__(self, path: Path | None) -> None:
        super().__init__(_nowhere)
        self.notes: list[str] = []
        self.linked = self.recalled = self.taken = self.asked = 0
        self._record = Record(path, self.notes)
        self._before, self._now = self._record.state, State()
        self._numbers = Numbers(self._before.names)
        self._dirty: set[str] = set()
        self._all_dirty = True
        self._numbers_of_dirty = frozenset[int]()
        self._ahead: dict[Question, Asked] = {}

    def link(self, shelf: Shelf) -> Program:
        """The program of these files, with the links of those for which they are as they were."""
        before, now = self._before, self._now
        now.expanded = expand_in(shelf, before.expanded)
        now.contents = {path: shelf.contents.get(path, b"") for path in shelf.outlines}
        now.typedefs = typedefs_of(shelf.outlines.values())
        self._all_dirty = now.typedefs != before.typedefs
        differ = {
            path
            for path in before.contents.keys() | now.contents.keys()
            if before.contents.get(path) != now.contents.get(path) or not now.contents.get(path)
        }
        for path in shelf.outlines:
            kept = before.signs.get(path)
            now.signs[path] = shelf.signs(path) if path in differ or kept is None else kept
        otherwise: dict[str, set[str]] = {}
        for path in differ if not self._all_dirty else ():
            old, new = (_signs(one.signs.get(path)) for one in (before, now))
            otherwise[path] = changed(old, new)
            self._dirty |= otherwise[path]
        if differ:
            self._dirty.add(EVERYTHING)
        program = Program(shelf, self._sure_links(differ))
        self._begin = program.names.begin
        for path, names in otherwise.items():
            self._dirty |= of_variables(names, path, program.types.plain)
        self._take_links(program, differ)
        return program

    def _sure_links(self, differ: set[str]) -> dict[str, Links]:
        if self._all_dirty:
            return {}
        numbers = self._numbers.known(self._dirty)
        return {
            path: Links(*links)
            for path, (names, links) in self._before.links.items()
            if path not in differ and not (numbers and meets(names, numbers))
        }

    def _take_links(self, program: Program, differ: set[str]) -> None:
        """Keep the links of all files, and tell what is dirty by those that are new."""
        before, now = self._before, self._now
        for path, links in program.links.items():
            names = program.asked_by_links.get(path)
            if names is None:
                now.links[path] = before.links[path]
            else:
                self.linked += 1
                now.links[path] = (self._numbers.pack(names), tuple(links))
        fresh = program.asked_by_links.keys() | differ
        old = {path: Links(*before.links[path][1]) for path in fresh if path in before.links}
        new = {path: program.links[path] for path in fresh if path in program.links}
        now.handed = program.tables.handed
        self._dirty |= of_links(old, new) | of_handed(before.handed, now.handed)

    def keeper(self, matter: frozenset[str]) -> LastAudit:
        """This, once it is known which names matter."""
        self._now.matter = matter
        self._dirty |= matter ^ self._before.matter
        self._numbers_of_dirty = self._numbers.known(self._dirty)
        return self

    def held(self, question: Question) -> Asked | None:
        """The bytes of the last run's answer, if nothing that was asked for it is dirty."""
        kept = self._before.answers.get(question)
        if kept is None or self._all_dirty or meets(kept[0], self._numbers_of_dirty):
            return None
        return kept

    def _known(self, question: Question) -> bytes | None:
        """What the last run answered, if it still holds, or somebody found out ahead."""
        self.asked += 1
        kept = self._ahead.get(question)
        if kept is not None:
            self.taken += 1
        else:
            kept = self.held(question)
            if kept is None:
                return None
            self.recalled += 1
        self._now.answers[question] = kept
        return kept[1]

    def recorder(self, *, numbered: bool) -> Recorder:
        """Takes down answers for `take`.

        Args:
            numbered: it is this object that takes them, or the one that it is a copy of.
        """
        return Recorder(self.held, self._begin, self._numbers.of if numbered else ())

    def take(self, found: Found) -> None:
        """Take over answers that were found out ahead; of two to one question the longer one."""
        of = self._numbers.of
        other = [of.setdefault(name, len(of)) for name in found.names]
        for question, (names, answer) in found.answers.items():
            known = self._ahead.get(question)
            if known is None or len(known[1]) < len(answer):
                self._ahead[question] = (renumbered(names, found.base, other), answer)

    @property
    def state(self) -> bytes:
        """A sum of the contents of all files: who has the same one has the same program."""
        return sum_of_contents(self._now.contents)

    def _put(self, question: Question, data: bytes, names: Iterable[str]) -> None:
        self._now.answers[question] = (self._numbers.pack(names), data)

    def save(self) -> None:
        """Write what this audit found out, if that is not what there is already."""
        now, before = self._now, self._before
        if self.linked == 0 and now.answers == before.answers and now.contents == before.contents:
            return
        now.names = tuple(self._numbers.of)
        self._record.save(now)


def _signs(packed: bytes | None) -> Mapping[str, bytes]:
    return unpack_signs(packed) if packed is not None else {}


def _nowhere(_file: str, _function: str) -> int:
    """Where functions begin as long as nothing is linked."""
    return 0
