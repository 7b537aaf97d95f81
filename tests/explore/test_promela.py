"""Export to Promela: SPIN says what we say, and what has no faithful export is refused by name."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from dmabuf import Fence, Machine, Mutex, Shared, Timeline, design
from dmabuf.explore.export import promela_words
from dmabuf.explore.export.promela import export
from dmabuf.explore.export.refusal import NotExportable
from dmabuf.explore.search import Budget
from dmabuf.sync.waitqueue import WaitQueue
from tests.explore.promela_campaign import campaign
from tests.explore.promela_judge import judge, missing, prepare, unlike
from tests.explore.promela_programs import Program, Task

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


_DESIGNS = {
    lock_across_wait: True,
    lock_before_wait: False,
    userspace_signals: True,
    job_hangs: True,
    job_never_hangs: False,
    keeps_lock: True,
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
    counts = campaign(range(1000), most=PROGRAMS)

    assert (PROGRAMS, 0) == (counts["compared"], counts["unlike"])


_NOTICES = {
    "mutex.unlock": (("m.lock", 0), ("m.unlock", 0)),
    "spinlock.lock": (("s.lock", 0), ("x.add", 0, 1), ("s.unlock", 0)),
    "fence.signal": (("f.signal", 0), ("f.wait", 0)),
    "completion.complete": (("c.complete", 0), ("c.wait", 0)),
    "semaphore.up": (("n.up", 0), ("n.down", 0)),
    "rwsem.up_write": (("r.write", 0), ("r.end_write", 0)),
    "rwlock.read_unlock": (("w.read", 0), ("w.end_read", 0), ("w.write", 0), ("w.end_write", 0)),
    "shared.add": (("x.add", 0, 1),),
}


@needs_spin
@pytest.mark.slow
def test_wrong_word_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation that does nothing in Promela makes the two disagree: the judge is awake."""
    made = []
    for number, (op, acts) in enumerate(_NOTICES.items()):
        monkeypatch.setitem(promela_words.WORDS, op, promela_words.WORDS["machine.choose"])
        made.append(prepare(Program((Task("kthread", acts), Task("kthread", acts))), number))
        monkeypatch.undo()
    ours = [one for one in made if one is not None]

    theirs = judge(ours, tmp_path)

    differ = [bool(unlike(*pair)) for pair in zip(ours, theirs, strict=True)]
    assert dict.fromkeys(_NOTICES, True) == dict(zip(_NOTICES, differ, strict=True))


# -- what is refused -------------------------------------------------------------------------------


def _trylock_steers(machine: Machine) -> None:
    lock = Mutex("A")

    def tries() -> None:
        if lock.trylock():
            lock.unlock()

    machine.kthread(tries, "one")
    machine.kthread(tries, "two")


def _timed(machine: Machine) -> None:
    fence = _fence()
    machine.kthread(lambda: fence.wait(1.0), "driver")


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
        (_timed, "step 2 of driver (clock.arm) has a timeout"),
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
