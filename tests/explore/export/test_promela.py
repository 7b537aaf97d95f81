"""Export to Promela: SPIN says what we say, and what has no faithful export is refused by name."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from dmabuf import Completion, Fence, Machine, Mutex, Shared, SpinLock, Timeline, design
from dmabuf.explore.export import promela_time, promela_words
from dmabuf.explore.export.promela import export
from dmabuf.explore.export.promela_irqs import IRQ_WORDS
from dmabuf.explore.export.promela_words import Way
from dmabuf.explore.export.refusal import NotExportable
from dmabuf.explore.search import Budget
from dmabuf.sync.rwlock import RwLock
from dmabuf.sync.semaphore import Semaphore
from dmabuf.sync.spinlock import SPIN_LOCK_IRQ, SPIN_UNLOCK_IRQ
from dmabuf.sync.waitqueue import WaitQueue
from tests.explore.export.promela_campaign import campaign
from tests.explore.export.promela_judge import judge, missing, prepare, unlike
from tests.explore.export.promela_programs import Handler, Program, Task

PROGRAMS = 15
needs_spin = pytest.mark.skipif(bool(missing()), reason=missing() or "SPIN is here")


def _fence(name: str = "gpu") -> Fence:
    return Timeline(name).fence_at(1)


@design
def lock_across_wait(machine: Machine) -> None:
    """One task waits for a fence under the lock that the way to its signal takes."""
    lock, fence = Mutex("A"), _fence()

    def waits() -> None:
        with lock:
            fence.wait()

    def signals() -> None:
        with lock:
            pass
        fence.signal()

    machine.kthread(waits)
    machine.kthread(signals)


@design
def lock_before_wait(machine: Machine) -> None:
    """The same, without the lock across the wait."""
    lock, fence = Mutex("A"), _fence()

    def waits() -> None:
        with lock:
            pass
        fence.wait()

    def signals() -> None:
        with lock:
            pass
        fence.signal()

    machine.kthread(waits)
    machine.kthread(signals)


@design
def userspace_signals(machine: Machine) -> None:
    """Nobody waits, but a fence that others know depends on userspace."""
    fence = _fence()
    machine.userspace(fence.signal, "program")


@design
def job_hangs(machine: Machine) -> None:
    """A job that may hang signals what the kernel waits for."""
    fence = _fence()
    machine.hardware(fence.signal, "gpu")
    machine.kthread(fence.wait, "driver")


@design
def job_never_hangs(machine: Machine) -> None:
    """A job that does not hang does so."""
    fence = _fence()
    machine.hardware(fence.signal, "gpu", hangs=False)
    machine.kthread(fence.wait, "driver")


@design
def keeps_lock(machine: Machine) -> None:
    """A task ends with its lock held."""
    machine.kthread(Mutex("A").lock, "driver")


@design
def times_out(machine: Machine) -> None:
    """A wait that nobody ends times out, and who waits longer is told in time."""
    event, fence = Completion("never"), _fence()
    machine.kthread(lambda: (event.wait(1.0), fence.signal()), "driver")
    machine.kthread(lambda: fence.wait(2.0), "client")


@design
def late_program(machine: Machine) -> None:
    """A program that stops for ever before its timeout keeps no later one back."""
    event = Completion("never")
    machine.userspace(lambda: event.wait(1.0), "program")
    machine.kthread(lambda: event.wait(2.0), "driver")


@design
def handler_spins(machine: Machine) -> None:
    """A handler spins for a lock that the task it interrupts holds."""
    _handler_and_task(machine, SpinLock.lock, SpinLock.unlock)


@design
def handler_waits_its_turn(machine: Machine) -> None:
    """The same with interrupts off under the lock."""
    _handler_and_task(
        machine,
        lambda lock: lock.lock_with(SPIN_LOCK_IRQ),
        lambda lock: lock.unlock_with(SPIN_UNLOCK_IRQ),
    )


def _handler_and_task(machine: Machine, take: Any, give: Any) -> None:
    lock, fence = SpinLock("L"), _fence()

    def handler() -> None:
        lock.lock()
        lock.unlock()
        fence.signal()

    def driver() -> None:
        take(lock)
        give(lock)
        fence.wait()

    line = machine.irq(handler, "line")
    machine.hardware(line.raise_irq, "gpu", hangs=False)
    machine.kthread(driver, "driver")


_DESIGNS = {
    lock_across_wait: True,
    lock_before_wait: False,
    userspace_signals: True,
    job_hangs: True,
    job_never_hangs: False,
    keeps_lock: True,
    times_out: False,
    late_program: False,
    handler_spins: True,
    handler_waits_its_turn: False,
}


@needs_spin
@pytest.mark.slow
def test_spin_judges_the_exported_file(tmp_path: Path) -> None:
    """`spin -search` of a design's file finds errors where the design is wrong, and only there."""
    chosen = {lock_across_wait: True, job_never_hangs: False}

    found = {}
    for fn in chosen:
        (tmp_path / "design.pml").write_text(export(fn))
        command = ["spin", "-search", "design.pml"]
        said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        found[fn] = "errors: 0" not in said.stdout

    assert chosen == found


@needs_spin
@pytest.mark.slow
def test_spin_agrees_on_each_way_of_going_wrong(tmp_path: Path) -> None:
    """Deadlock, a fence that userspace or a hung job owes, a lock that is kept: as we say."""
    ours = [prepare(fn, number) for number, fn in enumerate(_DESIGNS)]
    known = [one for one in ours if one is not None]

    theirs = judge(known, tmp_path)

    assert list(_DESIGNS.values()) == [bool(found.bad) for found in theirs]
    assert [[]] * len(_DESIGNS) == [unlike(*pair) for pair in zip(known, theirs, strict=True)]


@needs_spin
@pytest.mark.slow
def test_spin_agrees_on_random_programs() -> None:
    """All bad states of rest and all ends of random programs are the same in both."""
    counts = campaign(range(1000, 2000), most=PROGRAMS, executions=300)

    assert (PROGRAMS, 0) == (counts["compared"], counts["unlike"])
    assert counts["with timeouts"]
    assert counts["with handlers"]


_NOTICES = {
    "mutex.unlock": (("m.lock", 0), ("m.unlock", 0)),
    "spinlock.lock": (("s.lock", 0), ("x.add", 0, 1), ("s.unlock", 0)),
    "fence.signal": (("f.signal", 0), ("f.wait", 0)),
    "completion.complete": (("c.complete", 0), ("c.wait", 0)),
    "semaphore.up": (("n.up", 0), ("n.down", 0)),
    "rwsem.up_write": (("r.write", 0), ("r.end_write", 0)),
    "rwlock.read_unlock": (("w.read", 0), ("w.end_read", 0), ("w.write", 0), ("w.end_write", 0)),
    "shared.add": (("x.add", 0, 1),),
    "irq.raise": (("i.raise", 0), ("x.add", 0, 1)),
    "irq.enter": (("i.raise", 0), ("s.lock", 0), ("s.unlock", 0)),
    "irq.disable": (("i.disable", 0), ("i.raise", 0)),
}


@needs_spin
@pytest.mark.slow
def test_wrong_word_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation that does nothing in Promela makes the two disagree: the judge is awake."""
    made = []
    for number, (op, acts) in enumerate(_NOTICES.items()):
        words = IRQ_WORDS if op in IRQ_WORDS else promela_words.WORDS
        monkeypatch.setitem(words, op, lambda w, real=words[op]: [_unheeding(real(w)[0])])
        handlers = (Handler((("x.add", 0, 1),)),) if op in IRQ_WORDS else ()
        tasks = (Task("kthread", acts), Task("kthread", acts))
        made.append(prepare(Program(tasks, handlers), number))
        monkeypatch.undo()
    ours = [one for one in made if one is not None]

    theirs = judge(ours, tmp_path)

    differ = [bool(unlike(*pair)) for pair in zip(ours, theirs, strict=True)]
    assert dict.fromkeys(_NOTICES, True) == dict(zip(_NOTICES, differ, strict=True))


def _unheeding(way: Way) -> Way:
    """It changes nothing; and waits for nothing, unless it is the start of a handler."""
    return Way(way.guard if "runner" in " ".join(way.does) else "")


@needs_spin
@pytest.mark.slow
def test_timeout_that_stops_behind_a_stopped_task_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a program's deadline keeps the kernel's back, SPIN finds a task that waits for ever."""
    early = Task("userspace", (("c.wait_timed", 0, 1.0),))
    late = Task("kthread", (("c.wait_timed", 1, 3.0),))
    keeps = ["(p0_waits[1] != 3 || p0_due[1] >= p0_due[2])"]
    ours = prepare(Program((early, late)), 0)
    monkeypatch.setattr(promela_time.Timeouts, "_earlier", lambda *_how: keeps)
    wrong = prepare(Program((early, late)), 0)
    assert ours is not None
    assert wrong is not None

    theirs, mistaken = (judge([one], tmp_path)[0] for one in (ours, wrong))

    assert [] == unlike(ours, theirs)
    assert unlike(wrong, mistaken)


# -- what is refused -------------------------------------------------------------------------------


def _trylock_steers(machine: Machine) -> None:
    lock = Mutex("A")

    def tries() -> None:
        if lock.trylock():
            lock.unlock()

    machine.kthread(tries, "one")
    machine.kthread(tries, "two")


def _timed_semaphore(machine: Machine) -> None:
    semaphore = Semaphore(0, "n")
    machine.kthread(lambda: semaphore.down_timeout(1.0), "driver")
    machine.kthread(semaphore.up, "other")


def _far_apart(machine: Machine) -> None:
    event = Completion("c")
    machine.kthread(lambda: event.wait(1e-9), "driver")
    machine.kthread(lambda: event.wait(10.0), "other")


def _on_a_cpu(machine: Machine) -> None:
    machine.kthread(Mutex("A").is_locked, "driver", cpu=0)


def _line_on_a_cpu(machine: Machine) -> None:
    machine.irq(lambda: None, "line", cpu=0)


def _handler_and_rwlock(machine: Machine) -> None:
    machine.irq(lambda: None, "line")
    machine.kthread(RwLock("w").read_lock, "driver")


def _stores_what_it_read(machine: Machine) -> None:
    cell = Shared(0, "n")

    def copies() -> None:
        cell.write(cell.read() + 1)

    machine.kthread(copies, "one")
    machine.kthread(copies, "two")


def _text(machine: Machine) -> None:
    machine.kthread(Shared("text", "n").read, "driver")


def _queue(machine: Machine) -> None:
    machine.kthread(WaitQueue("q").wake_up, "driver")


def _raises(machine: Machine) -> None:
    cell = Shared(0, "n")
    machine.kthread(lambda: [][cell.read()], "driver")


@pytest.mark.parametrize(
    ("fn", "words"),
    [
        (_trylock_steers, "step 2 of two (mutex.unlock of A)"),
        (_timed_semaphore, "(semaphore.cancel of n): it ends before that in another schedule"),
        (_far_apart, "the timeouts have no unit in which 32 bits can count"),
        (_on_a_cpu, "driver is bound to CPU 0, and an export has no CPUs"),
        (_line_on_a_cpu, "irq line is bound to CPU 0, and an export has no CPUs"),
        (_handler_and_rwlock, "reader-writer spinlocks and irq lines do not go together"),
        (_stores_what_it_read, "(shared.write of n)"),
        (_text, "n holds 'text'"),
        (_queue, "step 1 of driver (waitqueue.wake)"),
        (_raises, "driver raises IndexError"),
    ],
)
def test_refusal_names_the_step(fn: Any, words: str) -> None:
    """What has no faithful export is refused, and the message names the step or object."""
    with pytest.raises(NotExportable) as refused:
        export(fn)

    assert words in str(refused.value)


def test_limit_is_a_refusal() -> None:
    """A design of which not every schedule was run is not exported."""
    with pytest.raises(NotExportable, match="not every schedule was run"):
        export(lock_across_wait, budget=Budget(executions=1))


def test_step_that_nobody_reached_is_an_assertion() -> None:
    """What comes after a wait that never ends, by our search, is for SPIN to deny."""

    @design
    def waits_for_ever(machine: Machine) -> None:
        fence = _fence()
        machine.kthread(fence.wait, "driver")

    text = export(waits_for_ever)

    assert "assert(false); /* no schedule of ours comes so far */" in text


def test_names_are_fit_for_promela() -> None:
    """Reserved words, equal names and ends of comments do not break the file."""

    @design
    def oddly_named(machine: Machine) -> None:
        first, second = Mutex("init"), Mutex("init")
        machine.kthread(first.is_locked, "9 */ lives")
        machine.kthread(second.is_locked, "init")

    text = export(oddly_named)

    assert ["byte init_2 = 0; /* init */", "byte init_3 = 0; /* init */"] == [
        line for line in text.splitlines() if line.startswith("byte")
    ]
    assert text.count("*/") == text.count("/*")
