"""The engines by name, and which one explores a design next.

An engine is a strategy that a `Search` drives from execution to execution. This is the one place
that knows all of them; a new one is an entry in `ENGINES`.

    >>> engine_named("sleep-sets").name, [engine.name for engine in ENGINES.values()][:2]
    ('sleep sets', ['sleep sets', 'source-DPOR'])

What follows what is `phases`' work, by the constants here: the engine that proves goes first, as
most designs are exhausted at once and a random walk tells nothing about them that the proof does
not. A design that is larger gets some random walks and runs of random priorities, for findings
that the order of the proof would come by late. Then come engines for what keeps the proof from
ending: GRAPH where executions are cut or ways lead back to where they came from, as they loop;
BOUNDED where there are too many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dmabuf.errors import DmabufError
from dmabuf.explore.strategies.setup import Setup

if TYPE_CHECKING:
    from dmabuf.explore.strategies.dfs import DepthFirst

__all__ = [
    "BOUNDED",
    "CLAUSE_SHARE",
    "DPOR",
    "ENGINES",
    "FIRST_EXECUTIONS",
    "GRAPH",
    "LOOP_STEPS",
    "NAIVE",
    "PCT",
    "PROOF_STEPS",
    "RANDOM",
    "SAMPLES",
    "SAMPLE_STEPS",
    "SLEEP",
    "STATES_STEPS",
    "Engine",
    "EngineError",
    "Setup",
    "engine_named",
    "engine_that_proves",
]

SLEEP = "sleep sets"
DPOR = "source-DPOR"
NAIVE = "naive"
RANDOM = "random"
PCT = "pct"
GRAPH = "graph"
BOUNDED = "bounded"

FIRST_EXECUTIONS = 200
"""A design with no more executions than this is exhausted before anything else is tried."""
SAMPLES = 50
"""Random executions by each of the engines that sample."""
SAMPLE_STEPS = 10_000
"""Steps after which one of them samples no more: some designs have long executions."""
LOOP_SHARE = 0.5
"""How much of what is left GRAPH may use where executions are cut."""
LOOP_STEPS = 1000
"""New steps of GRAPH after which it goes on only if a way has led back to where it came from."""
PROOF_STEPS = 20_000
"""New steps of the proof before GRAPH is tried once more: conditions that are waited for make few
states and very many classes."""
STATES_STEPS = 5000
"""New steps of GRAPH then; a step of it costs as much as some of the proof."""
PROOF_SHARE = 0.5
"""How much of what is left the engine that proves may use before BOUNDED has its turn."""
CLAUSE_SHARE = 0.5
"""How much of what is left GRAPH may use to decide whether a timer is the only way."""
BOUNDED_SHARE = 0.5
"""How much of what is left then BOUNDED may use before the proof goes on."""


class EngineError(DmabufError):
    """An engine that is not there was asked for."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A way to go through the schedules of a design.

    Attributes:
        name: for people and for `--engine`.
        make: its strategy; imports what it needs.
        proves: exhausting it, with no execution cut, proves the design.
        says: what it is good for, in a few words.
    """

    name: str
    make: Callable[[Setup], DepthFirst]
    proves: bool
    says: str


def _sleep_sets(setup: Setup) -> DepthFirst:
    from dmabuf.explore.strategies.dfs import DepthFirst

    return DepthFirst(setup)


def _naive(setup: Setup) -> DepthFirst:
    from dmabuf.explore.strategies.dfs import DepthFirst

    return DepthFirst(replace(setup, sleep=False))


def _source_sets(setup: Setup) -> DepthFirst:
    from dmabuf.explore.strategies.dpor import SourceSets

    if setup.stem is not None:
        from dmabuf.explore.strategies.stems import BelowStem

        return BelowStem(setup.stem, setup)
    return SourceSets(setup)


def _graph(setup: Setup) -> DepthFirst:
    from dmabuf.explore.strategies.graph import Graph

    return Graph(setup)


def _uniform(setup: Setup) -> DepthFirst:
    from dmabuf.explore.strategies.uniform import Uniform

    return Uniform(setup)


def _pct(setup: Setup) -> DepthFirst:
    from dmabuf.explore.strategies.pct import Pct

    return Pct(setup)


def _bounded(setup: Setup) -> DepthFirst:
    from dmabuf.explore.strategies.bounded import Bounded

    return Bounded(setup)


ENGINES: dict[str, Engine] = {
    engine.name: engine
    for engine in (
        Engine(SLEEP, _sleep_sets, proves=True, says="visits every state once per class"),
        Engine(DPOR, _source_sets, proves=True, says="only the schedules that races call for"),
        Engine(GRAPH, _graph, proves=True, says="no state twice, so loops come to an end"),
        Engine(NAIVE, _naive, proves=True, says="every schedule, for comparison"),
        Engine(BOUNDED, _bounded, proves=False, says="schedules of at most two preemptions"),
        Engine(RANDOM, _uniform, proves=False, says="random walks until the budget ends"),
        Engine(PCT, _pct, proves=False, says="random priorities until the budget ends"),
    )
}
"""Every engine by name."""


def engine_named(text: str) -> Engine:
    """The engine of that name, in any case, with spaces or dashes. Raises EngineError."""
    plain = _plain(text)
    for engine in ENGINES.values():
        if _plain(engine.name) == plain:
            return engine
    raise EngineError(f"no engine {text!r}; there is {', '.join(map(repr, ENGINES))}")


def _plain(name: str) -> str:
    return name.lower().replace("-", " ").replace("_", " ").strip()


def engine_that_proves() -> str:
    """The name of the engine that a search begins with."""
    return DPOR
