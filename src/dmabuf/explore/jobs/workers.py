"""Worker processes of a sandbox: each imports the file itself, under the same rules as the child.

A worker that computes or blocks in a design without making a step ends itself, as it would never
come back; its work is then done again by the child, where the sandbox's parent watches and can say
where the design is stuck. A worker whose child has gone ends as well.

>>> FileSource(Target("driver.py", "driver.py"), "broken", Limits()).name
'broken'
"""

from __future__ import annotations

import functools
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from types import FrameType

from dmabuf.explore.foreign import chance
from dmabuf.explore.foreign.guards import Guards
from dmabuf.explore.foreign.load import Target, load_designs
from dmabuf.explore.foreign.whose import is_of_design, is_ours
from dmabuf.explore.foreign.wire import Limits
from dmabuf.explore.jobs.feed import Fed
from dmabuf.explore.jobs.parallel import Crew, Given, InProcess
from dmabuf.machine import Design

__all__ = ["STUCK", "FileSource", "crew_of"]

STUCK = 98
"""Exit code of a worker that a design keeps."""

_LOOK_S = 0.25
_CPU_PER_WORK_S = 120
"""CPU time of one piece of work, after which the kernel ends the worker."""

_exit = os._exit  # a design finds a guarded one


@dataclass(frozen=True, slots=True)
class FileSource:
    """A design of a file, for workers that are processes of their own.

    Attributes:
        target: the file.
        name: of the design.
        limits: what it may use; the memory limit is inherited from the child.
    """

    target: Target
    name: str
    limits: Limits

    def __call__(self) -> Design:
        """The design, in a process that watches what it does."""
        guards = _guarded_process(self.limits)
        _raise_cpu_limit()
        return guards.watched(_designs(self.target)[self.name])


def crew_of(design: Design, target: Target, name: str, limits: Limits, jobs: int) -> Crew:
    """The workers of a design that the calling process has imported already.

    Args:
        design: the design.
        target: its file.
        name: its name there.
        limits: what it may use.
        jobs: how many, the calling process among them.
    """
    if jobs == 1:
        return Crew(InProcess, Given(design))
    source = FileSource(target, name, limits)
    return Crew(functools.partial(_processes, jobs - 1), source, helps=True)


def _processes(jobs: int) -> Executor:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("spawn")
    return Fed(ProcessPoolExecutor(max_workers=jobs, mp_context=context), jobs)


# -- inside a worker -------------------------------------------------------------------------------


@functools.cache
def _designs(target: Target) -> dict[str, Design]:
    return load_designs(target)


@functools.cache
def _guarded_process(limits: Limits) -> Guards:
    """Put up the guards, once in a process."""
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    guards = Guards()
    guards.install()
    chance.install()
    watch = functools.partial(_watch, guards, limits, os.getppid(), time.process_time)
    threading.Thread(target=watch, name="watch", daemon=True).start()
    return guards


def _raise_cpu_limit() -> None:
    """A last resort for what not even the watching thread sees: C code that never ends."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    wanted = int(time.process_time()) + _CPU_PER_WORK_S
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (allowed, hard))


def _watch(guards: Guards, limits: Limits, parent: int, cpu_time: Callable[[], float]) -> None:
    wait = threading.Event().wait
    position, cpu, since = guards.position(), cpu_time(), time.monotonic()
    while True:
        wait(_LOOK_S)
        if os.getppid() != parent:
            _exit(0)
        now = guards.position()
        if now != position or not _is_in_design():
            position, cpu, since = now, cpu_time(), time.monotonic()
        elif cpu_time() - cpu > limits.cpu_seconds or (
            time.monotonic() - since > limits.idle_seconds and cpu_time() - cpu < _LOOK_S
        ):
            _exit(STUCK)


def _is_in_design() -> bool:
    """Does the main thread run, or wait in, the design's own code?"""
    frame: FrameType | None = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None:
        if is_ours(frame.f_code.co_filename):
            return False
        if is_of_design(frame.f_code.co_filename):
            return True
        frame = frame.f_back
    return False
