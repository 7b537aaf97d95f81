"""The auditor beside coccinelle and sparse, on the same tree.

    python benchmarks/audit.py TREE [--folders F...] [--built DIR] [--json] [--check]

TREE is an unpacked kernel source (`apt-get install linux-source-6.12`). Times are those of whole
commands, two workers where the tool has any; memory is that of the largest process. The peers say
less: coccinelle sees one function at a time, so its rule finds what a scheduler's callback
allocates itself (in examples/run_job_allocates.c it finds line 41); sparse knows types and the
balance of locks, and nothing of fences, and has to know how each file is compiled: DIR is where
`make O=DIR allmodconfig` and `make O=DIR drivers/gpu/drm/msm/` ran.
"""

from __future__ import annotations

import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _measure import Must, finish, options_of

FOLDERS = ("drivers/gpu/drm", "drivers/dma-buf", "drivers/accel", "drivers/gpu/host1x")
ONE_DRIVER = "drivers/gpu/drm/msm"
CHANGED = "drivers/gpu/drm/panfrost/panfrost_job.c"
CHECKED_AS = (
    *("-D__linux__", "-Dlinux", "-D__STDC__", "-Dunix", "-D__unix__", "-D__x86_64__"),
    *("-Wbitwise", "-Wno-return-void", "-Wno-unknown-attribute", "-Wcontext"),
    *("--arch=x86", "-mlittle-endian", "-m64"),
)
"""As the kernel's build calls sparse, and the balance of locks besides."""
RULE = """
@callback@
identifier ops, fn;
@@
struct drm_sched_backend_ops ops = { .run_job = fn, };

@allocates@
identifier callback.fn;
expression size;
identifier alloc =~ "^(kmalloc|kzalloc|kcalloc|kvmalloc|kmem_cache_alloc|kmem_cache_zalloc)$";
position p;
@@
fn(...) { <+... alloc@p(size, GFP_KERNEL) ...+> }

@script:python@
p << allocates.p;
@@
print("%s:%s" % (p[0].file, p[0].line))
"""


def timed(command: list[str], cwd: Path) -> tuple[float, str]:
    """Seconds of wall time, and what it printed."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return time.perf_counter() - started, done.stdout


def ours(folders: list[str], cache: Path) -> list[str]:
    """Our command line."""
    package = [sys.executable, "-m", "dmabuf", "check", "-q", "--level", "error", "-j", "2"]
    return [*package, "--cache", str(cache), *folders]


def one_file_changed(tree: Path, folders: list[str], cache: Path) -> float:
    """An audit of the same folders after a line was added to one file; it is put back."""
    path = tree / CHANGED
    before = path.read_bytes()
    try:
        path.write_bytes(before + b"\nstatic int dmabuf_benchmark_changed;\n")
        return timed(ours(folders, cache), tree)[0]
    finally:
        path.write_bytes(before)


def outside(
    tree: Path, folders: list[str], cache: Path, without: float
) -> dict[str, dict[str, float]]:
    """The same with what the rest of the kernel does; the first run has to find that out."""
    command = [*ours(folders, cache), "--outside"]
    first, text = timed(command, tree)
    places = len([line for line in text.splitlines() if ": error: " in line])
    return {
        "whole, with functions outside": {"s": first, "places": places},
        "functions outside alone": {"s": max(0.1, first - without)},
        "whole, with functions outside, again": {"s": timed(command, tree)[0]},
    }


def coccinelle(tree: Path, folders: list[str], scratch: Path) -> tuple[float, int]:
    """Seconds and places of one rule about callbacks of the scheduler."""
    rule = scratch / "rule.cocci"
    rule.write_text(RULE)
    command = ["spatch", "--very-quiet", "--no-includes", "-j", "2", "--sp-file", str(rule)]
    taken, said = 0.0, 0
    for folder in folders:
        seconds, text = timed([*command, "--dir", folder], tree)
        taken, said = taken + seconds, said + len(set(text.splitlines()))
    return taken, said


def sparse(built: Path, folder: str) -> tuple[float, int, int]:
    """Seconds, complaints and files for one driver, with the flags with which it was compiled."""
    taken, said, files = 0.0, 0, 0
    for record in sorted((built / folder).rglob(".*.o.cmd")):
        first = record.read_text().split("\n", 1)[0]
        words = shlex.split(first.partition(":=")[2])
        if not words or not words[-1].endswith(".c"):
            continue
        command = ["sparse", *CHECKED_AS, *_understood(words), words[-1]]
        started = time.perf_counter()
        done = subprocess.run(command, cwd=built, capture_output=True, text=True, check=False)
        taken += time.perf_counter() - started
        said += len([line for line in done.stderr.splitlines() if ": warning:" in line])
        files += 1
    return taken, said, files


def _understood(words: list[str]) -> list[str]:
    """Of the compiler's flags those that say what the text is."""
    kept: list[str] = []
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word.startswith(("-I", "-D")) or word == "-nostdinc":
            kept.append(word)
        elif word in ("-include", "-isystem"):
            kept += [word, following]
    return kept


def measured(tree: Path, folders: list[str], scratch: Path) -> dict[str, dict[str, float]]:
    """Our own figures, and those of the peers that are installed."""
    cache = scratch / "cache"
    cold, text = timed(ours(folders, cache), tree)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    rows: dict[str, dict[str, float]] = {
        "whole, cold": {
            "s": cold,
            "processor s": used.ru_utime + used.ru_stime,
            "GB": used.ru_maxrss / 1024**2,
            "places": len([line for line in text.splitlines() if ": error: " in line]),
        },
        "whole, again": {"s": timed(ours(folders, cache), tree)[0]},
        "whole, one file changed": {"s": one_file_changed(tree, folders, cache)},
    }
    rows |= outside(tree, folders, cache, rows["whole, again"]["s"])
    if shutil.which("spatch"):
        seconds, places = coccinelle(tree, folders, scratch)
        rows["whole, coccinelle, one rule"] = {"s": seconds, "places": places}
    if (tree / ONE_DRIVER).exists():
        rows["msm, cold"] = {"s": timed(ours([ONE_DRIVER], scratch / "one"), tree)[0]}
    return rows


def main() -> int:
    """Measure, print, compare with what must be."""
    parser = options_of(__doc__)
    parser.add_argument("tree", type=Path, help="an unpacked kernel source")
    parser.add_argument("--folders", nargs="+", default=FOLDERS, help="what is audited of it")
    parser.add_argument("--built", type=Path, help="where msm was compiled, for sparse")
    asked = parser.parse_args()
    tree = asked.tree.resolve()
    folders = [one for one in asked.folders if (tree / one).exists()]
    with tempfile.TemporaryDirectory() as scratch:
        rows = measured(tree, folders, Path(scratch))
    if asked.built is not None and shutil.which("sparse"):
        seconds, said, files = sparse(asked.built, ONE_DRIVER)
        rows["msm, sparse"] = {"s": seconds, "places": said, "files": files}
    whole = rows["whole, cold"]
    musts = [
        Must("60 s over cold", 60 / whole["s"], 1),
        Must("1.5 GB over memory", 1.5 / whole["GB"], 1),
        Must("150 s over functions outside", 150 / rows["functions outside alone"]["s"], 1),
        Must("5 s over one file changed", 5 / rows["whole, one file changed"]["s"], 1),
        Must("80 over clusters at error level", 80 / max(1.0, whole["places"]), 1),
    ]
    return finish(asked, rows, "wall time; places that are reported", musts)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).resolve().parent.parent / "src"))
    sys.exit(main())
