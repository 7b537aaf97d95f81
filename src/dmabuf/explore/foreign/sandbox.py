"""Designs are explored in a child process that this one watches and ends.

A design is foreign code: it may loop, allocate, exit, crash, or close what is not its own. So
the parent owns the budget. It hears ten times a second where the search stands; a design that
computes or blocks without making a step is found by its stack and becomes a finding. Nothing
that the child does, or stops doing, is ever taken for a proof.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dmabuf.explore.foreign.load import Target
from dmabuf.explore.foreign.stacks import culprit, stuck
from dmabuf.explore.foreign.wire import LOST_PIPE, Job, Limits, Lines
from dmabuf.explore.search import Progress
from dmabuf.report.finding import Finding, Place
from dmabuf.report.verdict import ExitCode, Exported, Result, Status, Trouble, Verdict

__all__ = ["Job", "Limits", "explore_file"]

_BOOT = (
    "import json, sys; config = json.loads(sys.argv[1]); sys.path[:] = config['path']; "
    "from dmabuf.explore.foreign.child import main; main(config)"
)
_GARBAGE = "the design writes to file descriptors that it did not open"
_POLL_S = 0.1
_STACK_WAIT_S = 1.0
_LOOKS = 5
_BETWEEN_LOOKS_S = 0.01
_EXPLAIN_GRACE_S = 30.0
_STOP_GRACE_S = 5.0
_START_S = 60.0
"""For Python and this package to start, which on a busy machine takes seconds."""
_BEATS = 2
_UNHEARD = 4
"""So much longer may a child stand still that has not said, in so many beats, that it does."""
_FAULTS = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}

Tell = Callable[[str, Progress], None]
"""Called with a design's name and where its search stands."""


def explore_file(target: Target, job: Job, tell: Tell | None = None) -> Generator[Result]:
    """Explore the designs of a file in order; each yields one verdict, trouble or export.

    Closing the iterator, or an exception at a `yield`, ends the child. Ctrl-C asks it for what is
    known about the present design first, which is yielded before KeyboardInterrupt is raised; a
    second one does not wait for that.
    """
    done: list[str] = []
    while True:
        with _Child(target, job, done) as child:
            watch = _Watch(child, target, job, tell)
            for result, design in watch.results():
                if design:
                    done.append(design)
                paused = time.monotonic()
                yield result
                watch.started += time.monotonic() - paused
        if not watch.left:
            return


class _Child:
    """The process, its pipe of messages and its pipe of stacks."""

    def __init__(self, target: Target, job: Job, done: list[str]) -> None:
        word = secrets.token_hex(8)
        self.lines = Lines(word)
        self.stack = b""
        self.pipe, pipe_end = os.pipe()
        self.stacks, stacks_end = os.pipe()
        config = {
            "path": [str(Path(entry).absolute()) for entry in sys.path],
            "target": asdict(target),
            "job": job.to_data(),
            "done": done,
            "pipe": pipe_end,
            "stacks": stacks_end,
            "word": word,
        }
        try:
            self.process = subprocess.Popen(
                [sys.executable or "python3", "-P", "-c", _BOOT, json.dumps(config)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=None if job.token else subprocess.DEVNULL,
                pass_fds=(pipe_end, stacks_end),
                start_new_session=True,
                env={**os.environ, "MALLOC_ARENA_MAX": "2"},
            )
        except BaseException:
            os.close(self.pipe)
            os.close(self.stacks)
            raise
        finally:
            os.close(pipe_end)
            os.close(stacks_end)

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill()
        os.close(self.pipe)
        os.close(self.stacks)

    def kill(self) -> None:
        """End it and whatever it has started."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def messages(self) -> list[dict[str, Any]] | None:
        """What arrived within a moment; None once nothing more can come."""
        poll = select.poll()
        poll.register(self.pipe, select.POLLIN)
        poll.register(self.stacks, select.POLLIN)
        found: list[dict[str, Any]] = []
        wait = _POLL_S
        while events := poll.poll(wait * 1000):
            for descriptor, _event in events:
                data = os.read(descriptor, 1 << 16)
                if descriptor == self.stacks:
                    self._keep(data)
                elif data:
                    found += self.lines.feed(data)
                else:
                    return found or None
                if not data:
                    poll.unregister(descriptor)
            wait = 0.0
        if not found and self.process.poll() is not None:
            return None
        return found

    def _keep(self, data: bytes) -> None:
        self.stack = (self.stack + data)[-100_000:]

    def ask_stack(self) -> str:
        """Its threads' stacks now, as `faulthandler` writes them."""
        self.stack = b""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGUSR1)
        return self.read_stack(_STACK_WAIT_S)

    def read_stack(self, seconds: float) -> str:
        """What has arrived of a stack, waiting for its end."""
        poll = select.poll()
        poll.register(self.stacks, select.POLLIN)
        while poll.poll(seconds * 1000):
            data = os.read(self.stacks, 1 << 16)
            if not data:
                break
            self._keep(data)
            seconds = 0.05
        return self.stack.decode("ascii", "replace")

    def cpu(self) -> float:
        """Seconds of CPU used so far."""
        try:
            fields = _stat(Path(f"/proc/{self.process.pid}/stat"))
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, IndexError):
            return 0.0

    def computes(self) -> bool:
        """Does any thread compute, or want to, at most moments of the next few milliseconds?

        One look would not do: a thread that beats while the design is blocked runs at times too.
        """
        seen = 0
        for _ in range(_LOOKS):
            seen += self._wants_cpu()
            time.sleep(_BETWEEN_LOOKS_S)
        return seen > _LOOKS / 2

    def _wants_cpu(self) -> bool:
        try:
            tasks = list(Path(f"/proc/{self.process.pid}/task").iterdir())
            return any(_stat(task / "stat")[0] in "RD" for task in tasks)
        except (OSError, IndexError):
            return False


def _stat(path: Path) -> list[str]:
    """The fields after the command's name, the state first."""
    return path.read_text("ascii", "replace").rpartition(")")[2].split()


class _Watch:
    """Follows one child until it is done, dies, or has to be ended.

    Attributes:
        left: designs of this file are left for another child.
        beats: how often it has said since it moved that it has not.
        ready: the child has started, and imports the file.
        started: when it was started, when it was ready, and when the present design began.
    """

    def __init__(self, child: _Child, target: Target, job: Job, tell: Tell | None) -> None:
        self.child = child
        self.target = target
        self.job = job
        self.tell = tell
        self.left = False
        self.ready = False
        self.names: list[str] | None = None
        self.design = ""
        self.home: Place | None = None
        self.progress: Progress | None = None
        self.started = self.moved = time.monotonic()
        self.cpu = 0.0
        self.position: Any = None
        self.beats = 0
        self.ended = False
        self.stop_by: float | None = None

    def results(self) -> Iterator[tuple[Result, str]]:
        """Results with the design that each is about ("": the file)."""
        while not self.ended:
            try:
                messages = self.child.messages()
            except KeyboardInterrupt:
                if not self._asks_to_stop():
                    raise
                continue
            if messages is None:
                yield from self._end(self._of_death())
                break
            for message in messages:
                if not self.ended:
                    for result in self._hear(message):
                        yield result
                        self._end_if_told_to()
            if not self.ended:
                yield from self._end(self._judge())
                self._end_if_told_to(self.stop_by)
        self._end_if_told_to()

    def _asks_to_stop(self) -> bool:
        """Ask the child, once, for what is known about the design that it explores."""
        if self.stop_by is not None or not self.design or self.names is None:
            return False
        self.stop_by = time.monotonic() + _STOP_GRACE_S
        with suppress(ProcessLookupError):
            self.child.process.send_signal(signal.SIGUSR2)
        return True

    def _end_if_told_to(self, at: float | None = 0.0) -> None:
        """Raise KeyboardInterrupt if that was asked for, and the time until it is over."""
        if self.stop_by is not None and time.monotonic() >= (at or 0.0):
            raise KeyboardInterrupt

    def _end(self, result: Verdict | Trouble | None) -> Iterator[tuple[Verdict | Trouble, str]]:
        """The child is of no use any more; go on with another one if designs are left."""
        if result is None:
            return
        self.ended = True
        self.left = bool(self.names and self.names[-1] != self.design)
        yield result, self.design

    # -- what the child says -----------------------------------------------------------------------

    def _hear(self, message: dict[str, Any]) -> Iterator[tuple[Result, str]]:
        match message:
            case {"is": "beat", "at": position}:
                self._moved_to(position)
            case {"is": "progress", "progress": data}:
                self.progress = Progress(**data)
                if self.tell is not None:
                    self.tell(self.design, self.progress)
            case {"is": "ready"}:
                self.ready, self.started = True, time.monotonic()
            case {"is": "designs", "names": names}:
                self.names = names
            case {"is": "begin", "name": name, "place": place}:
                self._begin(name, Place.from_data(place))
            case {"is": "verdict" | "export"}:
                yield from self._answered(message)
            case {"is": "trouble", "trouble": data}:
                yield _trouble(data), self.design
                self.ended = not self.design
            case {"is": "done"}:
                self.ended = True
            case _:
                self.child.lines.garbage = True

    def _answered(self, message: dict[str, Any]) -> Iterator[tuple[Result, str]]:
        if self.child.lines.garbage:
            yield from self._end(self._broken(_GARBAGE))
            return
        self.moved = time.monotonic()
        match message:
            case {"verdict": data}:
                yield Verdict.from_data(data), self.design
            case {"language": language, "text": text}:
                yield Exported(self.target.subject(self.design), language, text), self.design
            case _:
                self.child.lines.garbage = True

    def _begin(self, design: str, home: Place | None) -> None:
        self.design, self.home, self.progress = design, home, None
        self.started = time.monotonic()
        self._moved_to(None)
        if self.tell is not None:
            self.tell(design, Progress(0, 0, 0, 0, 0.0, "starting"))

    def _moved_to(self, position: Any) -> None:
        self.beats += 1
        if position != self.position or position is None:
            self.position, self.beats = position, 0
            self.moved = time.monotonic()
            self.cpu = self.child.cpu()

    # -- what the parent sees ----------------------------------------------------------------------

    def _judge(self) -> Verdict | Trouble | None:
        """Is it stuck, or over its time?"""
        if self.names is None:
            return self._judge_import()
        if not self.design:
            return None
        now = time.monotonic()
        over = self._deadline() is not None and now > (self._deadline() or 0)
        # Before the stack is asked for: a blocked child that answers computes for a moment.
        does = self._hangs(now, patience=0.5 if over else 1.0)
        if not over and not does:
            return None
        place = culprit(self.child.ask_stack(), self.target.path)
        if place is not None and does:
            return self._broken(stuck(does, place), place)
        if over:
            return self._undecided(f"{self.job.budget.seconds:g} s")
        self.moved, self.cpu = now, self.child.cpu()  # our own computing, not the design's
        return None

    def _judge_import(self) -> Trouble | None:
        limit = self.job.limits.import_seconds if self.ready else _START_S
        if time.monotonic() - self.started < limit:
            return None
        if not self.ready:
            message = f"the process that explores it does not start within {limit:g} s"
            remedy = "is this machine out of memory, or very busy?"
            return Trouble(self.target.shown, message, remedy, exit_code=ExitCode.NOT_AVAILABLE)
        place = culprit(self.child.ask_stack(), self.target.path)
        return Trouble(
            self.target.shown,
            f"does not come to the end of its import within {limit:g} s",
            "put what takes long under `if __name__ == '__main__':`",
            place,
        )

    def _deadline(self) -> float | None:
        seconds = self.job.budget.seconds
        if seconds is None:
            return None
        explains = self.progress is not None and self.progress.findings > 0
        grace = _EXPLAIN_GRACE_S if explains else self.job.limits.grace_seconds
        return self.started + seconds * (1 + self.job.validate) + grace

    def _hangs(self, now: float, patience: float) -> str:
        """What it does that is no step, for too long by now; empty if there is no such thing.

        A silent child may only be one whose thread that beats has had no CPU, on a busy machine; or
        it computes in something that lets no other thread run.
        """
        limits = self.job.limits
        patience *= 1 if self.beats >= _BEATS else _UNHEARD
        still = now - self.moved
        if still < min(limits.cpu_seconds, limits.idle_seconds) * patience:
            return ""
        if self.child.computes():
            spent = self.child.cpu() - self.cpu
            return "computes on and on" if spent >= limits.cpu_seconds * patience else ""
        blocked = still >= limits.idle_seconds * patience
        return "blocks in something that is no step" if blocked else ""

    # -- results of our own ------------------------------------------------------------------------

    def _broken(self, what: str, place: Place | None = None) -> Verdict:
        """The design itself is at fault: DF005."""
        finding = Finding("DF005", what, place=place or self.home)
        return self._verdict(Status.VIOLATED, (finding,), "the design cannot go on")

    def _undecided(self, limit: str) -> Verdict:
        return self._verdict(Status.INCONCLUSIVE, (), limit)

    def _verdict(self, status: Status, findings: tuple[Finding, ...], limit: str) -> Verdict:
        known = self.progress
        notes: tuple[str, ...] = ()
        if known is not None and known.findings:
            notes = (f"{known.findings} findings had been seen and were not explained yet",)
        return Verdict(
            self.target.subject(self.design),
            status,
            findings,
            executions=known.executions if known else 0,
            steps=known.steps if known else 0,
            seconds=time.monotonic() - self.started,
            limit=limit,
            carrier=self.job.carrier,
            notes=notes,
        )

    def _of_death(self) -> Verdict | Trouble:
        """The child's pipe has closed before it said that it was done."""
        with suppress(subprocess.TimeoutExpired):
            self.child.process.wait(_STACK_WAIT_S)
        code = self.child.process.poll()
        place = culprit(self.child.read_stack(0.0), self.target.path)
        what = _cause_of_death(code)
        if not self.design:
            return self._of_death_at_import(what, place)
        if code == -signal.SIGXCPU:
            return self._undecided("CPU time")
        if code is not None and -code in _FAULTS and place is None:
            return Trouble(
                self.target.subject(self.design),
                f"internal error: the process that explored it {what}",
                "please report it",
                exit_code=ExitCode.INTERNAL,
            )
        return self._broken(f"the process that explored it {what}", place)

    def _of_death_at_import(self, what: str, place: Place | None) -> Trouble:
        message = f"the process that imported it {what}"
        remedy = "a file of designs must import without ending its process"
        return Trouble(self.target.shown, message, remedy, place)


def _cause_of_death(code: int | None) -> str:
    """What an exit code says, None for a process that lives on without its pipe."""
    if code is None or code == LOST_PIPE:
        return "lost its connection: it must not close or reuse descriptors that it did not open"
    if code >= 0:
        return f"was ended with exit code {code}: a design must not end its process"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    if code == -signal.SIGKILL:
        return f"was ended by {name}: did it use too much memory?"
    return f"was ended by {name}"


def _trouble(data: dict[str, Any]) -> Trouble:
    return Trouble(
        data["subject"],
        data["message"],
        data["remedy"],
        Place.from_data(data["place"]),
        ExitCode(data["exit_code"]),
    )
