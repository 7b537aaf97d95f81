"""Random edits of a tree, each audited from what was kept and once more from nothing: the same.

    python -m tests.audit.kept.edits [TREE FOLDER...] [--seconds 600] [--seed 1]

Without a tree it is a made-up one, of the cases of tests/audit and a header that they share. A
real one is changed, and put back; leave it alone meanwhile.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dmabuf.audit.checks.audit import audit
from dmabuf.audit.checks.build_files import BuildFiles
from dmabuf.audit.front.gather import cache_of, gather
from dmabuf.audit.kept.last import LastAudit
from dmabuf.audit.kept.store import where

CASES = Path(__file__).parents[1] / "cases"
FOLDERS = ("drivers/gpu/drm",)
WANTED = ("df301_flags.c", "df301_scheduler.c")
HEADER = "include/drm/toy_shared.h"
SHARED = """
struct toy_shared {
	struct mutex lock;
	void (*later)(struct toy_shared *one);
	gfp_t flags;
};
typedef struct toy_shared toy_t;
#define TOY_GFP (GFP_KERNEL | __GFP_NOWARN)
#define DEFINE_TOY(name) static int name##_get(void) { return name##_take(TOY_GFP); }
static inline void *toy_alloc(size_t size)
{
	return kmalloc(size, TOY_GFP);
}
static inline void toy_lock(toy_t *one)
{
	mutex_lock(&one->lock);
}
"""
WORDS = (
    ("GFP_KERNEL", "GFP_ATOMIC"), ("GFP_ATOMIC", "TOY_GFP"), ("kmalloc", "toy_alloc"),
    ("mutex_lock", "mutex_trylock"), ("->lock", "->other"), ("static ", ""), ("0", "1"),
    ("run_job", "free_job"), ("work", "later"), ("struct ", "union "), ("if (", "if (!"),
)  # fmt: skip


def plant(root: Path, wanted: int = 0) -> None:
    """Write the made-up tree: every third case, and those that tests ask for, are enough.

    Args:
        root: of the tree.
        wanted: only so many of these, which is quick.
    """
    every = [] if wanted else sorted(CASES.glob("*.c"))
    names = WANTED[:wanted] if wanted else WANTED
    for case in sorted({*every[1::3], *(CASES / name for name in names)}):
        name = case.stem
        to = root / FOLDERS[0] / name / f"{name}.c"
        to.parent.mkdir(parents=True)
        to.write_bytes(b"#include <drm/toy_shared.h>\n" + case.read_bytes())
    (root / HEADER).parent.mkdir(parents=True)
    (root / HEADER).write_text(SHARED)


def found_in(
    root: Path, folders: Sequence[str], keep: Path | None, facts: Path | None = None
) -> tuple[Any, LastAudit]:
    """What an audit says, and what of the last one it could use.

    Args:
        root: of the tree.
        folders: of it.
        keep: where the last one was kept; None for a cold one.
        facts: where a cold one keeps what was read of files, as reading a real tree takes minutes.
    """
    there = keep or facts
    cache = cache_of(root, there) if there is not None else None
    gathered = gather(root, folders, jobs=1, cache=cache)
    last = LastAudit(where(keep, root, folders) if keep is not None else None)
    program = last.link(gathered.files)
    checked = audit(program, BuildFiles(str(root)), keeper=last.keeper if keep else None)
    last.save()
    return (checked, gathered.troubles, gathered.bytes_lost), last


def edit(root: Path, folders: Sequence[str], chance: random.Random) -> dict[Path, bytes | None]:
    """Change something; returns what was there, by file, with None for nothing."""
    files = sorted(path for one in folders for path in (root / one).rglob("*.[ch]"))
    if (root / HEADER).exists():
        files += [root / HEADER] * (len(files) // 4)
    path = chance.choice(files)
    before: dict[Path, bytes | None] = {path: path.read_bytes()}
    kind = chance.randrange(8)
    other = path.with_name(f"other_{chance.randrange(9)}{path.suffix}")
    if kind == 0 and not other.exists():
        before[other] = None
        path.rename(other)
    elif kind == 1:
        path.unlink()
    elif kind == 2 and not other.exists():
        before[other] = None
        other.write_bytes(chance.choice(files).read_bytes())
    else:
        path.write_bytes(_other(path.read_bytes(), chance))
    return before


def _other(data: bytes, chance: random.Random) -> bytes:
    lines = data.decode("latin-1").split("\n")
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(lines))
        kind = chance.randrange(6)
        if kind == 4:
            lines.insert(at, f"static int more_{chance.randrange(9)}(void) {{ return 1; }}")
        elif kind == 5:
            moved = lines[at : at + chance.randrange(40)]
            del lines[at : at + len(moved)]
            to = chance.randrange(len(lines) + 1)
            lines[to:to] = moved
        elif kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(chance.randrange(len(lines) + 1), lines[at])
        elif kind == 2:
            lines.insert(chance.choice((0, chance.randrange(len(lines) + 1))), "")
        else:
            old, new = chance.choice(WORDS)
            hits = [i for i, line in enumerate(lines) if old in line]
            if hits:
                hit = chance.choice(hits)
                lines[hit] = lines[hit].replace(old, new, 1)
        lines = lines or [""]
    return "\n".join(lines).encode("latin-1")


def put_back(before: dict[Path, bytes | None]) -> None:
    """Undo an edit."""
    for path, data in before.items():
        if data is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(data)


def wrong_after_edits(root: Path, keep: Path, seed: int, edits: int) -> str:
    """What differs after some of so many edits, one after another; "" for nothing."""
    chance = random.Random(seed)
    found_in(root, FOLDERS, keep)
    for number in range(edits):
        for _ in range(chance.randrange(1, 4)):
            edit(root, FOLDERS, chance)
        warm, _last = found_in(root, FOLDERS, keep)
        cold, _none = found_in(root, FOLDERS, None)
        if warm != cold:
            return f"seed {seed}, edit {number}: {_apart(warm, cold)}"
    return ""


def _apart(warm: Any, cold: Any) -> str:
    one, other = set(warm[0].findings), set(cold[0].findings)
    keys = sorted({each.key for each in one ^ other})
    return f"findings {keys}, limits {warm[0].limits} and {cold[0].limits}"


def main() -> None:
    """Run until something differs or the time is up."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("tree", nargs="?", type=Path)
    arguments.add_argument("folders", nargs="*")
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    end, seed = time.monotonic() + given.seconds, given.seed
    while time.monotonic() < end:
        with tempfile.TemporaryDirectory() as scratch:
            if given.tree is None:
                plant(Path(scratch, "tree"))
                wrong = wrong_after_edits(Path(scratch, "tree"), Path(scratch, "keep"), seed, 20)
            else:
                wrong = _wrong_in(given.tree.resolve(), given.folders, Path(scratch), seed, end)
        if wrong:
            raise SystemExit(wrong)
        seed += 1
    print(f"{seed - given.seed} rounds, nothing differs")  # noqa: T201 - a command


def _wrong_in(root: Path, folders: Sequence[str], keep: Path, seed: int, end: float) -> str:
    """The same for a real tree: each edit is put back."""
    chance = random.Random(seed)
    found_in(root, folders, keep)
    while time.monotonic() < end:
        before = edit(root, folders, chance)
        try:
            started = time.process_time()
            warm, last = found_in(root, folders, keep)
            took = time.process_time() - started
            cold, _none = found_in(root, folders, None, keep / "facts")
        finally:
            put_back(before)
        told = f"{sorted(map(str, before))}: {took:.1f} s, {last.recalled} of {last.asked} answers"
        print(told, flush=True)  # noqa: T201 - a command
        if warm != cold:
            return f"seed {seed}: {told}: {_apart(warm, cold)}"
    return ""


if __name__ == "__main__":
    main()
