"""The child process of a sandbox: imports one file, explores its designs, tells the parent.

Everything foreign happens here, under limits that this process sets for itself; the parent
(`dmabuf.explore.foreign.sandbox`) watches and ends it. A thread tells ten times a second where the
search stands; when that does not change, the parent asks for the stack by SIGUSR1.
"""

from __future__ import annotations

import faulthandler
import math
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from types import FrameType
from typing import Any

from dmabuf.errors import ContractViolation, DesignError, InternalError
from dmabuf.explore.check import check_design, replay_design
from dmabuf.explore.explanations.explain import place_of_error
from dmabuf.explore.explanations.token import TokenError
from dmabuf.explore.foreign import chance
from dmabuf.explore.foreign.guards import Guards
from dmabuf.explore.foreign.load import LoadError, Target, load_designs, said
from dmabuf.explore.foreign.wire import LOST_PIPE, Job, line_of
from dmabuf.explore.search import Progress
from dmabuf.machine import Design
from dmabuf.report.finding import Finding, Place
from dmabuf.report.json import trouble_data
from dmabuf.report.verdict import ExitCode, Exported, Result, Status, Trouble, Verdict
from dmabuf.rt.carriers import carrier_named

__all__ = ["main"]

_BEAT_S = 0.1
_STACK_BYTES = 1 << 20
"""Stack of a baton thread: up to 64 of them must fit into the memory limit."""

_STOPPED = threading.Event()
"""Set by SIGUSR2: the parent wants to hear what is known by now."""

_exit = os._exit  # the design finds a guarded one
_write = os.write


class Wire:
    """The child's end of the pipe."""

    def __init__(self, descriptor: int, word: str) -> None:
        self._descriptor = descriptor
        self._word = word
        self._lock = threading.Lock()

    def say(self, kind: str, **message: Any) -> None:
        """Send a message; a pipe that is gone ends this process."""
        with self._lock:
            self._send({"is": kind, **message})

    def say_if_free(self, kind: str, **message: Any) -> None:
        """Send it unless another message is under way."""
        if self._lock.acquire(blocking=False):
            try:
                self._send({"is": kind, **message})
            finally:
                self._lock.release()

    def _send(self, message: dict[str, Any]) -> None:
        line = memoryview(line_of(self._word, message))
        try:
            while line:
                line = line[_write(self._descriptor, line) :]
        except OSError:
            _exit(LOST_PIPE)


class Prints:
    """Where a design's own output goes: nowhere during a search, to stderr on replay."""

    def __init__(self) -> None:
        self._null = os.open(os.devnull, os.O_RDWR)
        self._stderr = os.dup(2)
        self.show(on=False)

    def show(self, *, on: bool) -> None:
        """Let output through, or not."""
        with suppress(Exception):  # the design may have replaced or closed them
            sys.stdout.flush()
            sys.stderr.flush()
        with suppress(OSError):
            os.dup2(self._stderr if on else self._null, 1)
            os.dup2(self._stderr if on else self._null, 2)


def main(config: dict[str, Any]) -> None:
    """Do the job that the parent describes, then end without cleaning up."""
    wire = Wire(config["pipe"], config["word"])
    try:
        _work(config, wire)
    except BaseException as error:  # noqa: BLE001 - ours; told instead of printed
        trouble = _internal(error, config["target"]["shown"])
        wire.say("trouble", trouble=trouble_data(trouble))
    _exit(0)


def _work(config: dict[str, Any], wire: Wire) -> None:
    job = Job.from_data(config["job"])
    target = Target(**config["target"])
    prints = Prints()
    _limit(job, config["pipe"], config["stacks"])
    guards = Guards(prints.show if job.token else None)
    guards.install()
    chance.install()
    signal.signal(signal.SIGUSR2, _stop)
    _start_beating(wire, guards)
    sys.dont_write_bytecode = True
    wire.say("ready")
    try:
        designs = load_designs(target)
    except LoadError as error:
        wire.say("trouble", trouble=trouble_data(error.trouble))
        return
    if (job.token or job.export) and len(designs) > 1:
        what = "a token replays" if job.token else "an export holds"
        wire.say("trouble", trouble=trouble_data(_which_one(target, list(designs), what)))
        return
    names = [name for name in designs if name not in config["done"]]
    wire.say("designs", names=names)
    for name in names:
        wire.say("begin", name=name, place=_home(designs[name]))
        _limit_cpu(job)
        answer = _answer(_Asked(designs[name], target, name, job), guards, wire)
        prints.show(on=False)
        if isinstance(answer, Trouble):
            wire.say("trouble", trouble=trouble_data(answer))
        elif isinstance(answer, Exported):
            wire.say("export", language=answer.language, text=answer.text)
        else:
            wire.say("verdict", verdict=answer.to_data())
    wire.say("done")


def _stop(_signal: int, _frame: FrameType | None) -> None:
    _STOPPED.set()


def _home(design: Design) -> dict[str, Any] | None:
    """Where a design begins."""
    code = getattr(design, "__code__", None)
    return None if code is None else asdict(Place(code.co_filename, code.co_firstlineno))


def _limit(job: Job, pipe: int, stacks: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_AS, job.limits.memory)
    for descriptor in (pipe, stacks):
        os.set_inheritable(descriptor, False)
    threading.stack_size(_STACK_BYTES)
    faulthandler.enable(file=stacks)
    faulthandler.register(signal.SIGUSR1, file=stacks, all_threads=True)


def _lower(what: int, value: int) -> None:
    _soft, hard = resource.getrlimit(what)
    allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (allowed, hard))


def _limit_cpu(job: Job) -> None:
    """A last resort for a parent that has died: twice what the next design may take."""
    if job.budget.seconds is not None:
        seconds = 2 * (time.process_time() + job.budget.seconds + job.limits.grace_seconds)
        _lower(resource.RLIMIT_CPU, math.ceil(min(seconds, 1e9)))


def _start_beating(wire: Wire, guards: Guards) -> None:
    """Tell the parent regularly where the search stands."""
    wait = threading.Event().wait

    def beat() -> None:
        while True:
            wait(_BEAT_S)
            try:
                wire.say_if_free("beat", at=guards.position())
            except MemoryError:
                continue

    threading.Thread(target=beat, name="heartbeat", daemon=True).start()


# -- one design ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asked:
    """A design and what is to be done with it."""

    design: Design
    target: Target
    name: str
    job: Job

    @property
    def subject(self) -> str:
        """What it is called."""
        return self.target.subject(self.name)


def _answer(asked: _Asked, guards: Guards, wire: Wire) -> Result:
    """What became of a design."""
    try:
        if asked.job.export:
            return _export(asked, guards.watched(asked.design), wire)
        verdict = _explore(asked, guards.watched(asked.design), wire)
    except TokenError as error:
        return Trouble(asked.subject, str(error), "check it without --replay to get a new token")
    except BaseException as error:  # noqa: BLE001 - the body of a design raises what it likes
        return _outcome_of_error(error, asked.subject, asked.job, guards)
    return _said_better(verdict, asked.job)


def _export(asked: _Asked, design: Design, wire: Wire) -> Exported | Trouble:
    """The design in another language, or why not."""
    from dmabuf.explore.export.promela import export
    from dmabuf.explore.export.refusal import NotExportable

    job, subject = asked.job, asked.subject
    try:
        text = export(
            design,
            subject,
            budget=job.budget,
            seed=job.seed,
            carrier=job.carrier,
            engine=job.engine,
            progress=_telling(wire),
            stop=_STOPPED.is_set,
        )
    except NotExportable as refused:
        code = ExitCode.UNDECIDED if refused.limit else ExitCode.USAGE
        message = f"has no faithful export: {refused}"
        return Trouble(subject, message, refused.remedy, refused.place, code)
    return Exported(subject, job.export, text)


def _telling(wire: Wire) -> Callable[[Progress], None]:
    """Tells the parent where the search stands."""

    def tell(progress: Progress) -> None:
        wire.say("progress", progress=_progress_data(progress))

    return tell


def _explore(asked: _Asked, design: Design, wire: Wire) -> Verdict:
    job = asked.job
    if job.token:
        verdict = replay_design(design, asked.subject, job.token, carrier=job.carrier)
        return replace(verdict, limit="one schedule")
    crew = None
    if job.jobs:
        from dmabuf.explore.jobs.workers import crew_of

        crew = crew_of(design, asked.target, asked.name, job.limits, job.jobs)
    verdict = check_design(
        design,
        asked.subject,
        budget=job.budget,
        seed=job.seed,
        carrier=job.carrier,
        engine=job.engine,
        progress=_telling(wire),
        stop=_STOPPED.is_set,
        crew=crew,
    )
    if verdict.status is Status.PROVED and not verdict.steps:
        note = "no task makes a step, so there was nothing to explore"
        verdict = replace(verdict, notes=(*verdict.notes, note))
    if job.validate and not _STOPPED.is_set():
        from dmabuf.explore.predictions.confirm import predicted

        answers = predicted(
            design, asked.subject, budget=job.budget, carrier=job.carrier, known=verdict
        )
        verdict = replace(verdict, predicted=answers)
    return verdict


def _progress_data(progress: Progress) -> dict[str, Any]:
    return {name: getattr(progress, name) for name in Progress.__slots__}


def _said_better(verdict: Verdict, job: Job) -> Verdict:
    """Say which limit it was where a design ran out of memory."""
    findings = tuple(
        replace(one, message=f"{one.message} ({_memory(job)})")
        if one.code == "DF005" and one.message.endswith(" raised MemoryError")
        else one
        for one in verdict.findings
    )
    return replace(verdict, findings=findings)


def _memory(job: Job) -> str:
    return f"a design may use {job.limits.memory / (1 << 30):g} GiB"


def _outcome_of_error(
    error: BaseException, subject: str, job: Job, guards: Guards
) -> Verdict | Trouble:
    """An exception that left the search: the design's body raised it, or it is our bug."""
    place = place_of_error(error)
    traceback.clear_frames(error.__traceback__)  # it may hold all the memory there is
    if place is None and _is_lack_of_memory(error):
        return Verdict(subject, Status.INCONCLUSIVE, limit=f"memory: {_memory(job)}")
    if place is None or isinstance(error, InternalError):
        return _internal(error, subject)
    code, message = _of_body(error, guards)
    finding = Finding(code, message, place=place)
    verdict = Verdict(
        subject,
        Status.VIOLATED,
        (finding,),
        executions=guards.calls,
        limit="the design's body failed",
        carrier=carrier_named(job.carrier).name,
    )
    return _said_better(verdict, job)


def _is_lack_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or "can't start new thread" in str(error)


def _of_body(error: BaseException, guards: Guards) -> tuple[str, str]:
    """Rule and sentence for what the body of a design raised."""
    reports = guards.runtime.reports if guards.runtime is not None else []
    if isinstance(error, ContractViolation) or reports:
        code, message, _task = reports[0] if reports else ("DF005", str(error), None)
        return code, message
    if isinstance(error, DesignError):
        return "DF005", str(error)
    return "DF005", f"the design's own body raised {type(error).__name__}{said(error)}"


def _internal(error: BaseException, subject: str) -> Trouble:
    frames = traceback.extract_tb(error.__traceback__)
    place = Place(frames[-1].filename, frames[-1].lineno or 0, frames[-1].name) if frames else None
    message = f"internal error: {type(error).__name__}: {error}"
    if os.environ.get("DMABUF_DEBUG"):
        message += "\n" + "".join(traceback.format_exception(error))
    remedy = "please report it (DMABUF_DEBUG=1 shows the traceback)"
    return Trouble(subject, message, remedy, place, ExitCode.INTERNAL)


def _which_one(target: Target, names: Sequence[str], what: str) -> Trouble:
    choices = ", ".join(target.subject(name) for name in names)
    return Trouble(target.shown, f"{what} one design", f"name one: {choices}")
