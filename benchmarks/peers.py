"""The peers beside us in one run: SPIN, frontrun, interleave-test, and naive search.

    python benchmarks/peers.py [--json] [--check] [--engine E] [--rounds N]
                               [--venv DIR] [--without-python-peers]

From edit to verdict on 20 designs: a fresh `dmabuf check` against `spin -a`, `gcc -O1` and `pan`
(with partial-order reduction) on the Promela of the same design, our own export or, for nine
of them, written by hand. The Python peers run designs written with `threading`, in an environment
of their own that is made for the run (DIR keeps it). A peer that is not here is named.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import peer_designs
from _measure import Must, finish, options_of

from dmabuf.explore.export.promela import export
from dmabuf.explore.search import Budget, Search
from dmabuf.machine import Design

HERE = Path(__file__).resolve().parent
SECONDS = 60
NAIVE_CAP = 20_000
PACKAGES = ("frontrun", "interleave-test")
NEWEST = ("python3.14", "python3.13", "python3.12")


# -- SPIN ------------------------------------------------------------------------------------------


def promela_of(design: Design) -> str:
    """What SPIN gets of a design."""
    by_hand = peer_designs.BY_HAND.get(design.__name__)
    if by_hand is not None:
        return by_hand
    return export(design, budget=Budget(seconds=None), engine="source-DPOR")


def of_spin(text: str, folder: Path) -> tuple[float, str]:
    """Seconds from a Promela file to SPIN's verdict, and the verdict."""
    (folder / "design.pml").write_text(text)
    started = time.perf_counter()
    subprocess.run(["spin", "-a", "design.pml"], cwd=folder, check=True, capture_output=True)
    compiler = ["gcc", "-O1", "-w", "-DSAFETY", "-o", "pan", "pan.c"]
    subprocess.run(compiler, cwd=folder, check=True, capture_output=True)
    command = ["./pan", "-m200000", "-w24"]
    try:
        run = subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return float(SECONDS), "gave up"
    seconds = time.perf_counter() - started
    return seconds, "PROVED" if "errors: 0" in run.stdout else "VIOLATED"


def of_ours(design: Design, engine: str) -> tuple[float, str]:
    """Seconds from a file of designs to our verdict, in a fresh process."""
    command = [sys.executable, "-m", "dmabuf", "check", "--json", "--budget", f"{SECONDS}s"]
    command += ["--engine", engine] if engine else []
    command.append(f"{HERE / 'peer_designs.py'}::{design.__name__}")
    started = time.perf_counter()
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    result = json.loads(run.stdout)["results"][0]
    return seconds, str(result.get("status") or result.get("message"))


def beside_spin(engine: str, rounds: int) -> tuple[dict[str, dict[str, float]], list[Must]]:
    """Rows by design, and what must hold of the ratios."""
    rows: dict[str, dict[str, float]] = {}
    if shutil.which("spin") is None or shutil.which("gcc") is None:
        sys.stderr.write("SPIN is not here (apt-get install spin gcc): nothing is compared\n")
        return rows, []
    with tempfile.TemporaryDirectory() as folder:
        for design in peer_designs.DESIGNS:
            rows[design.__name__] = _row(design, engine, rounds, Path(folder))
            told = ", ".join(f"{name} {value:.2f}" for name, value in rows[design.__name__].items())
            sys.stderr.write(f"{design.__name__}: {told}\n")
    ratios = [row["SPIN / ours"] for row in rows.values()]
    agree = [row["same verdict"] for row in rows.values()]
    return rows, [
        Must("share of designs on which we are no slower than SPIN", _share(ratios, 1.0), 0.5),
        Must("ours beside SPIN, the slowest design", min(ratios), 0.2),
        Must("share of designs with the same verdict", sum(agree) / len(agree), 1.0),
    ]


def _row(design: Design, engine: str, rounds: int, folder: Path) -> dict[str, float]:
    spin: list[tuple[float, str]] = []
    ours: list[tuple[float, str]] = []
    text = promela_of(design)
    while len(spin) < rounds:
        spin.append(of_spin(text, folder))
        ours.append(of_ours(design, engine))
        if ours[-1][0] > SECONDS / 6:
            rounds = 1
    seconds = [statistics.median(second for second, _said in found) for found in (spin, ours)]
    return {
        "SPIN s": seconds[0],
        "ours s": seconds[1],
        "SPIN / ours": seconds[0] / seconds[1],
        "same verdict": float(spin[0][1] == ours[0][1]),
    }


def _share(ratios: list[float], floor: float) -> float:
    return sum(ratio >= floor for ratio in ratios) / len(ratios)


# -- the peers in Python ---------------------------------------------------------------------------


def environment(folder: Path) -> dict[str, Path]:
    """Python of an environment with each peer that can be had; says which cannot."""
    python = next(filter(None, map(_python, NEWEST)), sys.executable)
    if not (folder / "bin" / "python").exists():
        subprocess.run([python, "-m", "venv", str(folder)], check=True)
    found = {}
    for package in PACKAGES:
        pip = [str(folder / "bin" / "pip"), "install", "-q", package]
        done = subprocess.run(pip, check=False, capture_output=True, text=True)
        if done.returncode:
            why = done.stderr.strip().splitlines()[-1:] or ["pip failed"]
            sys.stderr.write(f"{package} is not here: {why[0]}\n")
        else:
            found[package] = folder / "bin" / "python"
    return found


def _python(name: str) -> str | None:
    """An interpreter of that name that runs (a shim of a version manager may not)."""
    versions = Path.home() / ".pyenv" / "versions"
    candidates = [shutil.which(name), *sorted(versions.glob(f"*/bin/{name}"))]
    for candidate in candidates:
        if candidate is None:
            continue
        done = subprocess.run([str(candidate), "-V"], check=False, capture_output=True)
        if done.returncode == 0:
            return str(candidate)
    return None


def of_peer(package: str, python: Path) -> dict[str, Any]:
    """What a peer in Python says of each design."""
    command = [str(python), str(HERE / "peers_in_python.py"), package]
    if package == "frontrun":
        command = [str(python.parent / "frontrun"), *command]
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYENV"))}
    run = subprocess.run(command, check=False, capture_output=True, text=True, env=variables)
    try:
        found: dict[str, Any] = json.loads(run.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        sys.stderr.write(f"{package} gave no answer: {run.stderr.strip()[-300:]}\n")
        return {}
    return found


def ours_beside(name: str) -> dict[str, dict[str, Any]]:
    """What our engines and naive search need for the same design."""
    design = next(design for design in peer_designs.DESIGNS if design.__name__ == name)
    found = {}
    for engine in ("source-DPOR", "sleep sets", "naive"):
        cap = NAIVE_CAP if engine == "naive" else None
        search = Search(design, Budget(seconds=SECONDS, executions=cap), engine=engine).run()
        found[f"ours, {engine}"] = {
            "first": _first(design, engine) if search.cases else 0,
            "all": search.executions + search.asleep if not search.limit else 0,
            "seconds": search.seconds,
        }
    return found


def _first(design: Design, engine: str) -> int:
    """The number of the execution that finds the first bug, by halving."""
    low, high = 0, NAIVE_CAP
    while high - low > 1:
        middle = (low + high) // 2
        search = Search(design, Budget(seconds=SECONDS, executions=middle), engine=engine).run()
        low, high = (low, middle) if search.cases else (middle, high)
    return high


def in_python(folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """By design, by tool: executions to the first bug and to exhaust, and seconds."""
    answers = {package: of_peer(package, python) for package, python in environment(folder).items()}
    names = dict.fromkeys(name for answer in answers.values() for name in answer)
    table: dict[str, dict[str, dict[str, Any]]] = {}
    for name in names or ("abba", "lock_across_wait", "dining_3"):
        table[name] = ours_beside(name)
        for package, answer in answers.items():
            if name in answer:
                table[name][package] = _said(answer[name])
    return table


def _said(answer: dict[str, Any]) -> dict[str, Any]:
    first, every = answer["first"], answer["all"]
    exhausted = every or (first if first["said"].startswith("holds") else None)
    return {
        "first": first["executions"] if first["said"] == "bug" else 0,
        "all": exhausted["executions"] if exhausted else 0,
        "seconds": (every or first)["seconds"],
        "said": first["said"],
    }


def show_peers(table: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Executions and seconds, a line for each design and tool."""
    print(f"\n{'':<20}{'':<20}{'first bug':>11}{'to exhaust':>12}{'seconds':>10}{'x ours':>9}")
    for name, tools in table.items():
        base = tools["ours, source-DPOR"]["seconds"]
        for shown, (tool, row) in zip([name] + [""] * len(tools), tools.items(), strict=False):
            first, every = row["first"] or "-", row["all"] or "-"
            took = f"{row['seconds']:>10.3f}{row['seconds'] / base:>9,.1f}"
            print(f"{shown:<20}{tool:<20}{first:>11}{every:>12}{took} {row.get('said', '')}")


def main() -> int:
    """Measure and print."""
    parser = options_of(__doc__ or "")
    parser.add_argument(
        "--engine", default="", help="our engine; what `dmabuf check` takes if empty"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of each design, beside SPIN")
    parser.add_argument("--venv", type=Path, help="where the peers are installed; kept")
    parser.add_argument("--without-python-peers", action="store_true", help="SPIN only")
    args = parser.parse_args()
    rows, musts = beside_spin(args.engine, args.rounds)
    table = {}
    if not args.without_python_peers:
        with tempfile.TemporaryDirectory() as folder:
            table = in_python(args.venv or Path(folder) / "venv")
    if table and not args.json:
        show_peers(table)
        print()
    for name, tools in table.items():
        for tool, row in tools.items():
            rows[f"{name}: {tool}"] = {k: v for k, v in row.items() if k != "said"}
    if not args.json:
        rows = {name: row for name, row in rows.items() if "SPIN s" in row}
    return finish(args, rows, "seconds from edit to verdict", musts)


if __name__ == "__main__":
    sys.exit(main())
