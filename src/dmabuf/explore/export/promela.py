"""Export of straight-line designs to Promela, the language of the model checker SPIN.

Every task becomes a process whose statements are its recorded steps (`explore.export.lines`), in
words that were written apart from our own guards and actions (`promela_words`). So SPIN is an
independent judge of a design: `spin -search FILE` answers "errors: 0" where we say PROVED.

* A kernel task that stays blocked is an invalid end state. Where nobody owes anything (idle tasks,
  userspace, hardware) the statement has an `end` label.
* Userspace and hardware that may hang can stop before each step.
* At rest, every fence that others know must be signalled, and whoever has ended holds no lock.
* What none of our schedules reached is an assertion that fails.

    >>> from dmabuf.machine import design
    >>> from dmabuf.sync.mutex import Mutex
    >>> @design
    ... def forgets(machine):
    ...     machine.kthread(Mutex("A").lock, "driver")
    >>> print(export(forgets).partition("proctype ")[2])  # doctest: +ELLIPSIS
    driver() {
      atomic { if :: A == 1 -> assert(false) :: A == 0 -> A = 1; assert(!(A == 1)) fi }; /* ... */
    }
    <BLANKLINE>
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dmabuf.explore.export.lines import Entry, Line, Recording, record
from dmabuf.explore.export.promela_irqs import IRQ_WORDS, Handlers, describe_line
from dmabuf.explore.export.promela_time import Timeouts
from dmabuf.explore.export.promela_words import (
    WORDS,
    Described,
    Untranslatable,
    Way,
    Words,
    describe,
)
from dmabuf.explore.export.refusal import NotExportable
from dmabuf.explore.search import Budget, Progress, Search
from dmabuf.irq import IrqLine
from dmabuf.machine import Design

__all__ = ["Model", "export", "model_of"]

_WRONG = "assert(false)"
_RESERVED = frozenset(
    [
        *("active", "assert", "atomic", "bit", "bool", "break", "byte", "chan", "d_step", "do"),
        *("else", "empty", "enabled", "end", "eval", "false", "fi", "for", "full", "goto"),
        *("hidden", "if", "in", "init", "inline", "int", "len", "local", "mtype", "nempty"),
        *("never", "nfull", "np_", "od", "of", "pc_value", "pid", "printf", "printm", "priority"),
        *("proctype", "provided", "run", "select", "short", "show", "skip", "timeout", "true"),
        *("typedef", "unless", "unsigned", "xr", "xs"),
        *("at", "c_code", "c_decl", "c_expr", "c_state", "c_track", "notrace", "trace", "ltl"),
        *("due", "now", "off", "on", "pending", "promises", "started", "stopped", "taken"),
        *("waits", "who"),
    ]
)
"""Words of the language and of the export."""


@dataclass(slots=True)
class Process:
    """One task as a process.

    Attributes:
        name: in Promela.
        body: its statements, a line each.
        kept: what is true if it holds a lock.
        goes_on: what is true if it could make its next step (with `places` only).
    """

    name: str
    body: list[str]
    kept: str
    goes_on: str


@dataclass(slots=True)
class Model:
    """A design in Promela, in parts.

    Attributes:
        recording: what it was made from.
        variables: declarations.
        processes: a process for each task.
        fences: by object number, what is true of a fence that others know, and that is signalled.
        cells: by object number, the value of what is no lock and no fence.
    """

    recording: Recording
    variables: list[str] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    fences: dict[int, tuple[str, str]] = field(default_factory=dict)
    cells: dict[int, str] = field(default_factory=dict)

    def text(self, title: str) -> str:
        """A file for SPIN."""
        tasks = len(self.processes)
        head = f"/* {_commented(title)}: {tasks} tasks, exported by dmabuf. `spin -search` it. */"
        parts = [head, "\n".join(self.variables)]
        for process in self.processes:
            body = "\n".join(f"  {line}" for line in process.body)
            parts.append(f"active proctype {process.name}() {{\n{body}\n}}")
        if self.fences:
            owed = [f"assert(!{known} || {signalled})" for known, signalled in self.fences.values()]
            body = f"end_rest: timeout -> atomic {{ {'; '.join(owed)} }}"
            parts.append(f"active proctype promises() {{ /* of known fences */\n  {body}\n}}")
        return "\n\n".join(parts) + "\n"


def export(
    design: Design,
    title: str = "",
    *,
    budget: Budget | None = None,
    seed: int = 0,
    carrier: str = "",
    engine: str = "",
    progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> str:
    """The design as a Promela file.

    Args:
        design: what to export.
        title: what the file calls it; the function's name if empty.
        budget: for the search that records it.
        seed: of that search, as what follows.
        carrier: "greenlet" or "threads"; the best there is if empty.
        engine: what `Search` takes if empty.
        progress: called now and then.
        stop: asked between executions whether to give up.

    Raises:
        NotExportable: a task's steps depend on outcomes, or a step has no words in Promela.
    """

    def search(recorded: Design, limits: Budget) -> Search:
        return Search(
            recorded,
            limits,
            seed=seed,
            carrier=carrier,
            engine=engine,
            progress=progress,
            stop=stop,
        )

    name = title or getattr(design, "__name__", "design")
    return model_of(design, budget=budget, search=search).text(name)


def model_of(
    design: Design,
    *,
    budget: Budget | None = None,
    prefix: str = "",
    wrong: str = _WRONG,
    places: bool = False,
    **options: Any,
) -> Model:
    """The design in parts, for whoever puts several into one file.

    Args:
        design: what to export.
        budget: for the search that records it.
        prefix: of every name.
        wrong: the statement for a broken rule.
        places: keep in `at[task]` twice the number of steps that each task has made, one more
            where it has queued; and leave it to the reader who keeps a lock at the end.
        options: for `record`.
    """
    recording = record(design, describe=_describe, budget=budget, **options)
    for line in recording.lines:
        if line.cpu is not None:
            raise NotExportable(
                f"{line.name} is bound to CPU {line.cpu}, and an export has no CPUs",
                remedy="let it have a CPU of its own (no cpu=)",
            )
    return _Writer(recording, prefix, wrong, places=places).write()


def _describe(obj: Any) -> Described | str:
    return describe_line(obj) if isinstance(obj, IrqLine) else describe(obj)


class _Writer:
    """Writes the model of a recording."""

    def __init__(self, recording: Recording, prefix: str, wrong: str, *, places: bool) -> None:
        self.recording = recording
        self.prefix = prefix
        self.wrong = wrong
        self.places = places
        self.names = set(_RESERVED)
        self.lines = recording.lines
        self.me = {line.number: index for index, line in enumerate(self.lines, 1)}
        self.size = len(self.lines) + 1
        self.variable: dict[int, str] = {}
        self.known: dict[int, str] = {}
        try:
            in_order = not recording.any_time
            self.timeouts = Timeouts.of(self.lines, self.me, prefix, in_order=in_order)
        except Untranslatable as error:
            raise NotExportable(str(error), remedy="let them be alike, such as whole ms") from None
        self.handlers: Handlers
        self.interrupts = any(e.op == "task.interrupt" for line in self.lines for e in line.entries)

    def write(self) -> Model:
        """The whole model."""
        model = Model(self.recording)
        for number, state in self.recording.objects.items():
            if isinstance(state, Described):
                self._declare(model, number, state)
        size = self.size
        self.handlers = Handlers(self.recording, self.me, self.variable, self.prefix)
        model.variables += [*self.timeouts.variables(size), *self.handlers.variables(size)]
        if any("_queue[" in text or "_queue =" in text for text in model.variables):
            model.variables.insert(0, "hidden byte who;")
        if self.interrupts:
            model.variables.append(f"bool {self.prefix}pending[{size}]; /* signals */")
        if any(len(line.key) > 1 for line in self.lines):
            model.variables.append(f"bool {self.prefix}started[{size}]; /* by another task */")
        if self.places:
            model.variables.append(f"byte {self.prefix}at[{size}];")
        model.processes = [self._process(line) for line in self.lines]
        return model

    # -- names and variables ---------------------------------------------------------------------

    def _name(self, label: str) -> str:
        """An identifier that nobody else has."""
        word = re.sub(r"\W+", "_", label, flags=re.ASCII).strip("_") or "x"
        if word[0].isdigit():
            word = f"x{word}"
        base, count = word, 1
        while word in self.names:
            count += 1
            word = f"{base}_{count}"
        self.names.add(word)
        return self.prefix + word

    def _declare(self, model: Model, number: int, state: Described) -> None:
        if not state.state:
            return
        label = self.recording.labels[number]
        x = self.variable[number] = self._name(label)
        for kind, suffix, size, value in state.state:
            many = f"[{self.size}]" if size else ""
            self.names.add((x + suffix).removeprefix(self.prefix))
            if kind == "chan":
                text = f"chan {x}{suffix} = {many} of {{ {value} }};"
            else:
                text = f"{kind} {x}{suffix}{many} = {value};"
            model.variables.append(f"{text} /* {_commented(label)} */")
        if state.kind == "fence":
            known = self.known[number] = self._name(f"{label}_known")
            model.variables.append(f"bool {known} = {int(self._is_known_at_first(number))};")
            model.fences[number] = (known, x)
        elif state.kind in ("cell", "completion", "semaphore"):
            model.cells[number] = x

    def _is_known_at_first(self, fence: int) -> bool:
        """Does a task that is there from the start begin with a step on it?"""
        return any(
            line.entries and fence in self._makes_known(line, 0)
            for line in self.lines
            if len(line.key) == 1
        )

    def _makes_known(self, line: Line, index: int) -> list[int]:
        """The fences that others know once a task stands at that step."""
        if index >= len(line.entries):
            return []
        obj = line.entries[index].obj
        if self.recording.creators.get(obj) == line.number:
            return []
        state = self.recording.objects.get(obj)
        return [obj] if isinstance(state, Described) and state.kind == "fence" else []

    # -- processes -------------------------------------------------------------------------------

    def _process(self, line: Line) -> Process:
        body: list[str] = []
        if len(line.key) > 1:
            body.append(f"end_start: {self.prefix}started[{self.me[line.number]}];")
        could: list[str] = []
        for index in range(len(line.entries)):
            ways = self._ways(line, index)
            body.append(self._step(line, index, ways))
            could.append(self._could(line, index, ways))
        kept = self._kept(line)
        code = line.breaks.get(len(line.entries), "")
        if code:
            body.append(f"{self.wrong}; /* breaks {code} here */")
        elif not line.ends:
            body.append(f"{self.wrong}; /* no schedule of ours comes so far */")
        if any(entry.may_stop for entry in line.entries):
            body.append("stopped: skip")
        elif not body:
            body.append("skip")
        name = self._name(line.name)
        return Process(name, body, " || ".join(kept.values()), " || ".join(could))

    def _kept(self, line: Line) -> dict[int, str]:
        """By object number, what is true if the task holds it."""
        found: dict[int, str] = {}
        for entry in line.entries:
            state = self.recording.objects.get(entry.obj)
            if isinstance(state, Described) and state.kept:
                x, me = self.variable[entry.obj], self.me[line.number]
                found[entry.obj] = state.kept.format(x=x, me=me)
        return found

    def _step(self, line: Line, index: int, ways: list[Way]) -> str:
        entry = line.entries[index]
        end = "" if entry.owed else f"end_{index}: "
        said = f"/* {entry.op} {_commented(self.recording.labels[entry.obj])} */"
        forward = self._forward(line, index)
        if all(way.then is None for way in ways) and not entry.may_stop:
            return f"{end}atomic {{ {self._choice(ways, forward)} }}; {said}"
        options = [self._option(line, index, ways, way) for way in ways]
        if entry.may_stop:
            options.append(":: true -> goto stopped")
        return f"{end}if {' '.join(options)} fi; {said}"

    def _choice(self, ways: list[Way], forward: tuple[str, ...]) -> str:
        """Ways of one indivisible step."""
        if len(ways) == 1 and not ways[0].guard:
            return "; ".join((*ways[0].does, *forward)) or "skip"
        if len(ways) == 1:
            return self._guarded(ways[0], forward)
        return f"if {' '.join(f':: {self._guarded(way, forward)}' for way in ways)} fi"

    def _guarded(self, way: Way, forward: tuple[str, ...]) -> str:
        is_wrong = self.wrong in way.does
        done = "; ".join((*way.does, *(() if is_wrong else forward))) or "skip"
        return f"{way.guard or 'true'} -> {done}"

    def _option(self, line: Line, index: int, ways: list[Way], way: Way) -> str:
        """A way as one option of a step that is not indivisible as a whole."""
        entry, forward = line.entries[index], self._forward(line, index)
        if way.then is None:
            return f":: atomic {{ {self._guarded(way, forward)} }}"
        then = f"atomic {{ {self._guarded(way.then, forward)} }}"
        if entry.may_stop:
            then = f"if :: {then} :: true -> goto stopped fi"
        end = "" if entry.owed else f"end_{index}_{ways.index(way)}: "
        queued = (f"{self._place(line)} = {2 * index + 1}",) if self.places else ()
        return f":: atomic {{ {self._guarded(way, queued)} }}; {end}{then}"

    def _place(self, line: Line) -> str:
        return f"{self.prefix}at[{self.me[line.number]}]"

    def _could(self, line: Line, index: int, ways: list[Way]) -> str:
        """What is true if the task stands at this step and could make it."""
        at = self._place(line)
        first = " || ".join(f"({way.guard or 'true'})" for way in ways)
        then = [
            f" || ({at} == {2 * index + 1} && ({w.then.guard or 'true'}))" for w in ways if w.then
        ]
        return f"({at} == {2 * index} && ({first})){''.join(then)}"

    def _ways(self, line: Line, index: int) -> list[Way]:
        """All ways of a step."""
        entry, me = line.entries[index], self.me[line.number]
        ends = ways = self._ends(line, index)
        if entry.interruptible and self.interrupts and all(way.guard for way in ways):
            blocked = " && ".join(f"!({way.guard})" for way in ways)
            ways = [*ways, Way(f"{self.prefix}pending[{me}] && {blocked}")]
        ways = self.timeouts.ways(line, index, ways, ends, self._ends)
        try:
            return self.handlers.ways(line, entry.op, ways)
        except Untranslatable as error:
            raise _no_words(entry, f"{_where(line, index)}: {error}") from None

    def _ends(self, line: Line, index: int) -> list[Way]:
        """The ways of a step as such, without signals, timeouts and handlers."""
        entry, where = line.entries[index], _where(line, index)
        if entry.op in ("task.spawn", "task.interrupt"):
            return [Way("", tuple(self._tell(entry)))]
        if entry.op in ("clock.now", "clock.arm"):
            return self.timeouts.clock(line, index)
        state = self.recording.objects.get(entry.obj)
        if isinstance(state, str):
            raise _no_words(entry, f"{where}: {state}")
        words = WORDS.get(entry.op) or IRQ_WORDS.get(entry.op)
        if words is None:
            raise _no_words(entry, f"{where} has no words in Promela")
        x = self.variable.get(entry.obj, "")
        try:
            return words(Words(x, self.me[line.number], entry.arg, self.wrong))
        except Untranslatable as error:
            raise _no_words(entry, f"{where}: {error}") from None

    def _tell(self, entry: Entry) -> list[str]:
        """Start another task, or make a signal pending for it."""
        told = next((line for line in self.lines if line.key == entry.arg[1]), None)
        if told is None:
            return []
        number = self.me[told.number]
        if entry.op == "task.interrupt":
            return [f"{self.prefix}pending[{number}] = true"]
        known = [f"{self.known[fence]} = true" for fence in self._makes_known(told, 0)]
        return [f"{self.prefix}started[{number}] = true", *known]

    def _forward(self, line: Line, index: int) -> tuple[str, ...]:
        """What comes with every way of a step: the task stands at the next one now."""
        done = [f"{self.known[fence]} = true" for fence in self._makes_known(line, index + 1)]
        if index == len(line.entries) - 1 and line.ends and not self.places:
            done += [f"assert(!({held}))" for held in self._kept(line).values()]
        if line.entries[index].op == "fence.publish":
            done.append(f"{self.known[line.entries[index].obj]} = true")
        if self.places:
            done.append(f"{self._place(line)} = {2 * index + 2}")
        return tuple(done)


def _commented(text: str) -> str:
    """Text that cannot end a comment."""
    return text.replace("*/", "* /").replace("\n", " ")


def _where(line: Line, index: int) -> str:
    return f"step {index + 1} of {line.name} ({line.entries[index].op})"


def _no_words(entry: Entry, message: str) -> NotExportable:
    kinds = "locks, fences, completions, semaphores, irq lines and numbers in Shared cells"
    return NotExportable(message, remedy=f"an export takes {kinds}", place=entry.place)
