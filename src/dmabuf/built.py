"""The optional compiled build of the explorer: which modules it has, and whether it may be used.

The engines and the explored runtime are Python, and the same files can be translated into C by
mypyc when the package is built (docs/design/0021-the-compiled-explorer.md). What comes out lies in
`_built`, in folders like those it was made from; a package that puts `places` in front of its
`__path__` finds it there.
Where nothing was built, or the sources have changed since, or `DMABUF_PURE` is set, there is
nothing in front and all is Python.

This module is loaded by the build as well, where there is no package `dmabuf`.

    >>> places("rt") in ([], [os.path.join(FOLDER, "rt")])
    True
"""

from __future__ import annotations

import os
import zlib

__all__ = [
    "BAKED_IN",
    "FOLDER",
    "GROUP",
    "MODULES",
    "STAMP",
    "is_built",
    "is_fresh",
    "places",
    "stamp",
]

HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib takes long
FOLDER = os.path.join(HERE, "_built")  # noqa: PTH118
GROUP = "dmabuf.rt.engines"
"""Names the module that holds them all; the others only refer to it."""
STAMP = "stamp"
"""The file in the folder that tells the sources it was made from."""
_STRATEGIES = (
    "bounded",
    "choice",
    "dfs",
    "directed",
    "dpor",
    "expiries",
    "graph",
    "happens",
    "pct",
    "races",
    "stands",
    "stems",
    "stops",
    "uniform",
    "wakeup",
    "watch",
)
_RUNTIME = (
    "adopted",
    "ambient",
    "carriers",
    "cpus",
    "explored_task",
    "known",
    "op",
    "possible",
    "tasks",
    "timeouts",
    "unwinding",
    "ways",
)
MODULES = (
    *(f"rt/{name}" for name in _RUNTIME),
    "explore/calm",
    "explore/dependence",
    "explore/explanations/shrink",
    "explore/jobs/numbers",
    "explore/traits",
    "explore/wakers",
    *(f"explore/strategies/{name}" for name in _STRATEGIES),
)
"""What is translated, in the folder of this file."""
BAKED_IN = ("rt/strategy",)
"""Modules of which constants are part of what comes out."""


def stamp() -> str:
    """What the sources are now, in some letters."""
    found = 0
    for name in (*MODULES, *BAKED_IN):
        with open(os.path.join(HERE, f"{name}.py"), "rb") as source:  # noqa: PTH118, PTH123
            found = zlib.crc32(source.read(), found)
    return f"{found:08x}"


def is_fresh() -> bool:
    """Was it built, and from these sources?"""
    try:
        with open(os.path.join(FOLDER, STAMP), encoding="ascii") as told:  # noqa: PTH118, PTH123
            return told.read() == stamp()
    except OSError:
        return False


_BUILT = not os.environ.get("DMABUF_PURE") and is_fresh()


def is_built() -> bool:
    """Are the engines compiled?"""
    return _BUILT


def places(package: str) -> list[str]:
    """Where a package of this folder finds what was built: at most one place."""
    return [os.path.join(FOLDER, package)] if _BUILT else []  # noqa: PTH118
