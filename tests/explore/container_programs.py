"""Random straight-line designs over chains, arrays and merges, and what came of their executions.

As tests/explore/programs.py, with other objects: three fences of two timelines, an array, a chain
of three nodes that share fences with it, and what tasks merge.
"""

from __future__ import annotations

import errno
import random
from typing import Any

from dmabuf import Machine, Timeline, wait_any
from dmabuf.core.fence_array import FenceArray
from dmabuf.core.fence_chain import PREV, FenceChain, chain_for_each, chain_walk, find_seqno
from dmabuf.core.fence_steps import state_of
from dmabuf.core.fence_unwrap import merge, unwrap
from tests.explore.comparison import Compared

_KINDS = ("kthread", "kthread", "userspace", "hardware")


class _World:
    """The objects of one execution."""

    def __init__(self, machine: Machine, shape: int) -> None:
        gpu, display = Timeline("gpu"), Timeline("display")
        self.fences = [gpu.fence(), gpu.fence(), display.fence()]
        a, b, c = self.fences
        self.array = FenceArray.create([a, c] if shape % 2 else [a, b])
        first = FenceChain.create(None, a, 1)
        contained = FenceArray.create([b, c]) if shape % 3 == 0 else b
        second = FenceChain.create(c if shape % 5 == 0 else first, contained, 2)
        self.nodes = [first, second, FenceChain.create(second, c, 2 if shape % 7 == 0 else 4)]
        self.machine = machine

    @property
    def state(self) -> Any:
        """Fences and containers, links and references."""
        states = [repr(one) for one in (*self.fences, self.array, *self.nodes)]
        counts = [state_of(one).references for one in (*self.fences, *self.nodes)]
        links = [getattr(node._prev, "name", None) for node in self.nodes]
        return states, links, counts

    def of(self, x: int) -> Any:
        """One of the containers."""
        return (self.array, self.nodes[2], self.nodes[1])[x % 3]


def _signal_failed(world: _World, x: int) -> None:
    fence = world.fences[x]
    if not fence.is_signaled():
        fence.set_error(-errno.EIO - x)
    fence.signal()


def _find(world: _World, x: int) -> Any:
    found = find_seqno(world.nodes[2], x + 1)
    return None if found is None else found.name


def _merge(world: _World, x: int) -> Any:
    merged = merge(world.of(x), world.fences[(x + 1) % 3])
    return merged.seqno, merged.is_signaled(), len(getattr(merged, "fences", ()))


def _adds_callback(world: _World, x: int) -> Any:
    log: list[str] = []
    world.logs.append(log)
    rt = world.machine.rt
    return world.of(x).add_callback(lambda _f: log.append(rt.current().name)) is None


def _looks_back(world: _World, x: int) -> Any:
    rt = world.machine.rt
    rt.step(PREV, world.nodes[x])
    return getattr(rt.current().value, "name", None)


OPERATIONS: dict[str, Any] = {
    "signal": lambda w, x: w.fences[x].signal(),
    "signal failed": _signal_failed,
    "is_signaled": lambda w, x: w.of(x).is_signaled(),
    "status": lambda w, x: w.of(x).status,
    "enable": lambda w, x: w.of(x).enable_signaling(),
    "wait": lambda w, x: w.of(x).wait(),
    "timed wait": lambda w, x: w.of(x).wait(1.0),
    "wait_any": lambda w, x: wait_any([w.of(x), w.of(x + 1)]),
    "add_callback": _adds_callback,
    "look back": _looks_back,
    "get": lambda w, x: w.fences[x].get() is None,
    "put": lambda w, x: w.fences[x].put(),
    "get container": lambda w, x: w.of(x).get() is None,
    "put container": lambda w, x: w.of(x).put(),
    "walk": lambda w, x: getattr(chain_walk(w.nodes[x]), "name", None),
    "for_each": lambda w, x: [node.name for node in chain_for_each(w.nodes[x])],
    "unwrap": lambda w, x: [fence.name for fence in unwrap(w.of(x))],
    "find": _find,
    "merge": _merge,
}

_COMMON = ("signal", "signal failed", "signal")


class Program(Compared):
    """One random design; the same seed gives the same one.

    Attributes:
        prelude: what the design's own body does before the tasks start; nothing unless set.
        tasks: of each task, its operations; may be set.
        shape: which fences are in which container; may be set.
    """

    operations = OPERATIONS
    prelude: tuple[tuple[str, int], ...] = ()

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        names = sorted(OPERATIONS)
        self.tasks = [
            [
                (rng.choice(_COMMON) if rng.random() < 0.4 else rng.choice(names), rng.randrange(3))
                for _ in range(rng.randint(1, 2))
            ]
            for _ in range(rng.choice((2, 2, 2, 3)))
        ]
        self.kinds = [rng.choice(_KINDS) for _ in self.tasks]
        self.shape = rng.randrange(210)

    def _make_world(self, machine: Machine) -> _World:
        world = _World(machine, self.shape)
        for name, x in self.prelude:
            OPERATIONS[name](world, x)
        return world
