"""Designs that harm: each ends within its limits in one clear result, and never as a proof."""

import dataclasses
import signal
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from dmabuf.explore.foreign import sandbox
from dmabuf.explore.foreign.load import Target
from dmabuf.explore.foreign.sandbox import Job, Limits, explore_file
from dmabuf.explore.foreign.wire import Lines
from dmabuf.explore.search import Budget
from dmabuf.report.verdict import ExitCode, Status, Trouble, Verdict

BAD = Path(__file__).parent / "bad"
QUICK = Limits(
    memory=400_000_000, import_seconds=3.0, cpu_seconds=0.3, idle_seconds=1.5, grace_seconds=10.0
)


def explore(name, *, seconds=0.3, carrier="", limits=QUICK, token="", tell=None):
    """The results of `file::design` in tests/explore/foreign/bad."""
    file, _, design = name.partition("::")
    target = Target(str(BAD / file), file, design)
    job = Job(Budget(seconds=seconds), carrier=carrier, token=token, limits=limits)
    return list(explore_file(target, job, tell))


def lines_of(file: str, text: str) -> set[int]:
    """The line of a file that has `text` in it; of a loop also the one below."""
    lines = (BAD / file).read_text().splitlines()
    number = next(number for number, line in enumerate(lines, 1) if text in line)
    return {number, number + 1} if "while" in text else {number}


def the_finding(name, **how):
    """The one finding of the one design."""
    (verdict,) = explore(name, **how)
    assert isinstance(verdict, Verdict)
    assert Status.VIOLATED is verdict.status
    assert ExitCode.FINDINGS is verdict.exit_code
    assert name == verdict.subject
    return verdict.findings[0]


HARMFUL = [
    ("escapes.py::sleeps", "sleeps in real time", "nap(0.01)"),
    ("escapes.py::starts_thread", "starts a real thread", "threading.Thread("),
    ("escapes.py::starts_process", "starts a process", "subprocess.run("),
    ("escapes.py::forks", "starts a process", "act()  #"),
    ("escapes.py::opens_socket", "opens a socket", "act()  #"),
    ("escapes.py::exits", "ends the process", "os._exit(0)"),
    ("escapes.py::exits_behind_our_back", "exit code 0", None),
    ("escapes.py::raises_system_exit", "raised SystemExit", "raise SystemExit(0)"),
    ("escapes.py::raises_keyboard_interrupt", "raised KeyboardInterrupt", "raise KeyboardInterr"),
    ("escapes.py::body_exits", "own body raised SystemExit", None),
    ("escapes.py::crashes", "SIGSEGV", "ctypes.string_at(0)"),
    ("escapes.py::kills", "SIGKILL", None),
    ("escapes.py::blocks", "blocks", "act()  #"),
    ("meddles.py::closes_all", "lost its connection", None),
    ("meddles.py::writes_garbage", "did not open", None),
    ("allocates.py::in_task", "MemoryError", None),
    ("allocates.py::in_body", "MemoryError", None),
    ("spawns.py::bomb", "more than 64 tasks", None),
    ("spins.py::in_task", "computes on and on", "while True:"),
    ("spins.py::in_c", "computes on and on", "sum(iter(int, 1))"),
    ("spins.py::in_body", "computes on and on", None),
    ("spins.py::in_property", "computes on and on", None),
    ("swallows.py::all_of_it", "swallows", None),
]


@pytest.mark.slow
@pytest.mark.parametrize("carrier", ["greenlet", "threads"])
@pytest.mark.parametrize(("name", "word", "line"), HARMFUL, ids=[case[0] for case in HARMFUL])
def test_harm_is_a_finding_with_its_line(name, word, line, carrier):
    """What a design must not do is DF005, in words, at its line, on every carrier."""
    finding = the_finding(name, carrier=carrier)

    assert "DF005" == finding.code
    assert word in finding.message
    assert finding.place is not None
    file = name.partition("::")[0]
    assert str(BAD / file) == finding.place.file
    if line is not None:
        assert finding.place.line in lines_of(file, line)


@pytest.mark.parametrize(
    ("name", "text"),
    [("misuses.py::waits_for_itself", "holds already"), ("misuses.py::unlocks_unlocked", "nobody")],
)
def test_misuse_of_a_lock_is_df004(name, text):
    """A lock taken twice, or released by a stranger, is a finding of the search."""
    finding = the_finding(name)

    assert "DF004" == finding.code
    assert text in finding.message


@pytest.mark.slow
def test_loop_of_steps_ends_with_the_budget():
    """Tasks that make steps for ever are undecided, and the limit is named."""
    (verdict,) = explore("loops.py", seconds=0.3)

    assert Status.INCONCLUSIVE is verdict.status
    assert ExitCode.UNDECIDED is verdict.exit_code
    assert "0.3 s" == verdict.limit


@pytest.mark.slow
def test_design_after_a_harmful_one_is_explored():
    """A file goes on after designs whose child had to be ended, each with one result."""
    results = explore("spins.py")

    assert ["in_task", "in_c", "in_body", "in_property", "fine"] == [
        result.subject.partition("::")[2] for result in results
    ]
    assert [Status.VIOLATED] * 4 + [Status.PROVED] == [result.status for result in results]


@pytest.mark.parametrize(
    ("file", "word", "line"),
    [
        ("raises_at_import.py", "ValueError when it is imported: no such device", "raise Value"),
        ("exits_at_import.py", "SystemExit", "sys.exit(0)"),
        ("dies_at_import.py", "exit code 0", None),
        pytest.param(
            "loops_at_import.py", "import within 3 s", "while True:", marks=pytest.mark.slow
        ),
        ("no_design.py", "no design", None),
        ("takes_nothing.py", "one argument", "@design"),
        ("wrong_shapes.py", "coroutine", "@design"),
    ],
)
def test_file_that_cannot_be_used_is_trouble(file, word, line):
    """A file that fails before any design runs is unusable input, told once with its line."""
    (trouble,) = explore(file)

    assert isinstance(trouble, Trouble)
    assert ExitCode.USAGE is trouble.exit_code
    assert word in trouble.message
    if line is not None:
        assert trouble.place is not None
        assert trouble.place.line in lines_of(file, line)


def test_prints_of_a_design_go_nowhere(tmp_path, capfd):
    """A search is silent, whatever the design prints; a replay prints its one schedule."""
    (tmp_path / "d.py").write_text(
        "from dmabuf import Mutex, design\n"
        "@design\n"
        "def d(machine):\n"
        "    print('hello from the design')\n"
        "    lock = Mutex('A')\n"
        "    machine.kthread(lock.unlock, 'x')\n"
    )
    target = Target(str(tmp_path / "d.py"), "d.py")

    (found,) = explore_file(target, Job())
    assert ("", "") == tuple(capfd.readouterr())

    (replayed,) = explore_file(target, Job(token=found.findings[0].token))
    assert ("", "hello from the design\n") == tuple(capfd.readouterr())
    assert found.findings[0].message == replayed.findings[0].message


def test_token_that_fits_nothing_is_trouble():
    """A malformed token, and one of another design, are unusable input."""
    for token in ("nonsense", "1.aaaa.zzz"):
        (trouble,) = explore("misuses.py::waits_for_itself", token=token)

        assert isinstance(trouble, Trouble)
        assert ExitCode.USAGE is trouble.exit_code


def test_token_without_a_name_in_a_file_of_several_asks_which():
    """A token replays one design; a file of several must say which."""
    (trouble,) = explore("misuses.py", token="1.aaaa.a")

    assert "misuses.py::waits_for_itself, misuses.py::unlocks_unlocked" in trouble.remedy


def test_empty_design_is_proved_with_a_note(tmp_path):
    """A design in which nothing happens is proved, and the verdict says how little that is."""
    (tmp_path / "d.py").write_text("from dmabuf import design\n@design\ndef d(machine): pass\n")

    (verdict,) = explore_file(Target(str(tmp_path / "d.py"), "d.py"), Job())

    assert Status.PROVED is verdict.status
    assert ["no task makes a step, so there was nothing to explore"] == list(verdict.notes)


def test_child_is_gone_when_the_reader_stops(monkeypatch):
    """Leaving in the middle of a search leaves no process behind."""
    children = []

    class Recorded(subprocess.Popen):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            children.append(self)

    def stop(_design, progress):
        if progress.steps:
            raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    target = Target(str(BAD / "loops.py"), "loops.py")
    with pytest.raises(KeyboardInterrupt), closing(explore_file(target, Job(), stop)) as results:
        next(results)

    assert [-signal.SIGKILL] == [child.returncode for child in children]


@pytest.mark.slow
def test_progress_is_told():
    """The search tells where it stands while it goes on."""
    heard = []

    explore("loops.py", seconds=0.3, tell=lambda design, progress: heard.append((design, progress)))

    assert {"for_ever"} == {design for design, _progress in heard}
    assert heard[-1][1].steps > 0


def test_limits_are_wide_by_default():
    """A design may use 2 GiB, import 10 s, and compute a second without a step."""
    assert (2 << 30, 10.0, 1.0) == dataclasses.astuple(Limits())[:3]


class _Silent:
    """A child of which nothing is heard but what a test says."""

    lines = Lines("word")

    def ask_stack(self) -> str:
        """Nothing of the design's."""
        return ""

    def cpu(self) -> float:
        """Seconds of it: two more each time."""
        self.asked = getattr(self, "asked", 0) + 2
        return self.asked

    def computes(self) -> bool:
        """It does."""
        return True


def test_limit_of_the_import_begins_where_the_import_begins():
    """How long the child takes to start, on a busy machine, is not the file's fault."""
    job = Job(limits=Limits(import_seconds=3.0))
    watch = sandbox._Watch(_Silent(), Target("d.py", "d.py"), job, None)

    watch.started -= 4
    assert watch._judge() is None
    assert [] == [*watch._hear({"is": "ready"})]
    assert watch._judge() is None
    watch.started -= 4
    trouble = watch._judge()

    assert "does not come to the end of its import within 3 s" == trouble.message


def test_child_that_never_starts_is_told():
    """A child of which nothing is heard for a minute is given up."""
    watch = sandbox._Watch(_Silent(), Target("d.py", "d.py"), Job(), None)

    watch.started -= 61
    trouble = watch._judge()

    assert ExitCode.NOT_AVAILABLE is trouble.exit_code
    assert "does not start within 60 s" in trouble.message


def test_child_that_computes_has_to_say_that_it_stands_still():
    """The thread that beats may have had no CPU; without a beat a child gets four times as much."""
    watch = sandbox._Watch(_Silent(), Target("d.py", "d.py"), Job(), None)
    beat = {"is": "beat", "at": (1, 1)}

    said = []
    for _ in range(4):
        assert [] == [*watch._hear(beat)]
        said.append(watch._hangs(watch.moved + 2, 1.0))
    unheard = sandbox._Watch(_Silent(), Target("d.py", "d.py"), Job(), None)
    silent = [unheard._hangs(unheard.moved + 5, 1.0) for _ in range(3)]

    assert ["", "", "computes on and on", "computes on and on"] == said
    assert ["", "computes on and on", "computes on and on"] == silent
