"""The pytest plugin: marked tests are explored, and only a proof passes."""

import importlib.metadata
import re
from pathlib import Path

import pytest

import dmabuf.explore.check  # imported here once: `pytester` forgets what its runs import
import dmabuf.report.text
from dmabuf import Mutex, Shared, Timeline, design
from dmabuf.explore.foreign.wire import Limits

pytest_plugins = ["pytester"]

USED = (dmabuf, Mutex, Shared, Timeline, design)
HOW_TO = Path(__file__).parents[1] / "docs/how-to/pytest.md"

TWO_ORDERS = """
import pytest
from dmabuf import Mutex, design

@pytest.mark.explore
def test_orders(machine):
    a, b = Mutex("A"), Mutex("B")

    def one():
        with a, b:
            print("one has both")

    def other():
        with b, a:
            pass

    machine.kthread(one, "one")
    machine.kthread(other, "other")
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs pytest on the given source with the plugin, and without this project's settings."""
    for shapes_output in ("PYTEST_ADDOPTS", "CI", "BUILD_NUMBER", "COLUMNS"):
        monkeypatch.delenv(shapes_output, raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    installed = importlib.metadata.entry_points(group="pytest11", name="dmabuf")
    plugin = "dmabuf" if installed else "dmabuf.pytest_plugin"

    def run(source, *arguments, how="runpytest_inprocess"):
        pytester.makepyfile(test_it=source)
        common = ("-p", plugin, "-p", "no:cacheprovider", "-rf")
        return getattr(pytester, how)(*common, "--strict-markers", *arguments)

    return run


@pytest.mark.slow
def test_plugin_shows_finding_schedule_and_replay_line(run):
    """A violated design fails, with its report in a section."""
    result = run(TWO_ORDERS)

    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [
            r"test_it.py::test_orders: VIOLATED DF001 .*",
            r"replay: pytest test_it.py::test_orders --dmabuf-replay=1\..*",
            r".* Captured dmabuf call .*",
            r".* one .* other",
            r".*locks A .*test_it\.py:9",
            r".*locks A \[blocked\].*",
        ]
    )
    assert "dmabuf check" not in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


@pytest.mark.slow
def test_plugin_replays_the_line_that_it_shows(run):
    """The printed option runs one schedule, with the same finding and the design's prints."""
    shown = run(TWO_ORDERS).stdout.str()
    option = re.search(r"--dmabuf-replay=\S+", shown)[0]

    result = run(TWO_ORDERS, option)

    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines([r"test_it.py::test_orders: VIOLATED DF001 .*"])
    assert "1 execution" in result.stdout.str()


PASSES = """
import pytest
from dmabuf import Mutex, Shared, design

@pytest.fixture
def count():
    return 2

class TestThem:
    @pytest.mark.explore(budget="100x")
    def test_method(self, machine, count):
        cell = Shared(0, "cell")
        for number in range(count):
            machine.kthread(lambda: cell.add(1), f"t{number}")

@pytest.mark.parametrize("tasks", [1, 2])
@pytest.mark.explore
@design
def test_design(machine, tasks):
    for number in range(tasks):
        machine.kthread(lambda: machine.choose(2), f"t{number}")

def test_ordinary(count):
    assert count == 2
"""


@pytest.mark.slow
def test_plugin_passes_what_is_proved(run):
    """Methods, fixtures, parameters and designs work; unmarked tests are as ever."""
    run(PASSES, "-W", "error").assert_outcomes(passed=4)


@pytest.mark.slow
def test_plugin_works_under_xdist(run):
    """Sections and replay lines come back from the workers."""
    result = run(TWO_ORDERS + PASSES.partition("pytest\n")[2], "-p", "xdist", "-n", "2")

    result.assert_outcomes(passed=4, failed=1)
    assert "--dmabuf-replay=1." in result.stdout.str()
    assert "Captured dmabuf call" in result.stdout.str()


UNDECIDED = """
import pytest
from dmabuf import Shared

@pytest.mark.explore(budget="{budget}", engine="{engine}")
def test_{number}(machine):
    cell = Shared(0, "cell")
    for number in range(4):
        machine.kthread(lambda: [cell.add(1) for _ in range(3)], f"t{{number}}")
"""
LIMITS = [
    ("5x", "", "INCONCLUSIVE (5 executions)"),
    ("10s,3steps", "sleep-sets", "BOUNDED (3 steps in one execution)"),
    ("20x", "random", "INCONCLUSIVE (20 executions)"),
]


@pytest.mark.slow
def test_plugin_fails_what_is_not_proved(run):
    """A limit that was reached is never a pass."""
    source = "".join(
        UNDECIDED.format(number=number, budget=budget, engine=engine)
        for number, (budget, engine, _status) in enumerate(LIMITS)
    )

    result = run(source)

    result.assert_outcomes(failed=len(LIMITS))
    result.stdout.fnmatch_lines(
        [f"test_it.py::test_{number}: {limit[2]}" for number, limit in enumerate(LIMITS)]
    )


WRONG = """
import pytest

@pytest.mark.explore{mark}
def test_{number}({argument}):
    pass
"""
MARKS = [
    ("", "", "an explored test takes an argument `machine`, which starts its tasks"),
    ("(speed=1)", "machine", "takes budget, engine, seed, not speed"),
    ("('10s')", "machine", "takes budget, engine, seed, not '10s'"),
    ("(budget='soon')", "machine", "no budget: 'soon'; write 10s"),
    ("(engine='magic')", "machine", "no engine 'magic'; there is 'sleep sets'"),
]


@pytest.mark.slow
def test_plugin_says_what_is_wrong_with_a_mark(run):
    """One message each, with the remedy, and no traceback."""
    source = "".join(
        WRONG.format(number=number, mark=mark, argument=argument)
        for number, (mark, argument, _says) in enumerate(MARKS)
    )

    result = run(source)

    result.assert_outcomes(failed=len(MARKS))
    assert [] == [says for _mark, _argument, says in MARKS if says not in result.stdout.str()]
    assert "pytest_plugin.py" not in result.stdout.str()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--dmabuf-replay=nonsense", "'nonsense' is no replay token"),
        ("--dmabuf-budget=never", "no budget: 'never'"),
    ],
)
def test_plugin_says_what_is_wrong_with_an_option(run, option, says):
    """One message, and no traceback."""
    result = run(WRONG.format(number=1, mark="", argument="machine"), option)

    result.assert_outcomes(failed=1)
    assert says in result.stdout.str()
    assert "pytest_plugin.py" not in result.stdout.str()


@pytest.mark.slow
def test_plugin_notices_chance(run):
    """A design that takes chances of its own does not pass because it happened to go well."""
    source = "import pytest, random\n@pytest.mark.explore\ndef test_it(machine):\n"
    source += "    machine.kthread(lambda: random.random(), 'one')\n"

    result = run(source)

    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines([r".*VIOLATED DF005 one calls random\.random\(\).*"])


@pytest.mark.slow
def test_how_to_page_is_true(run):
    """Its tests pass, and with the mistake that it names one fails as it says."""
    page = HOW_TO.read_text()
    source = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    good = "            pass\n        fence.wait()\n"
    assert good in source

    passes, fails = run(source), run(source.replace(good, "            fence.wait()\n"))

    passes.assert_outcomes(passed=3)
    fails.assert_outcomes(passed=2, failed=1)
    said = re.search(r"test_it.py(::test_submit: .*)\n", fails.stdout.str())[1]
    token = re.search(r"--dmabuf-replay=\S+", fails.stdout.str())[0]
    assert said in page
    assert token in page


HANGS = """
import threading
import pytest
from dmabuf import Mutex

def spin():
    while True:
        pass

def swallow():
    while True:
        try:
            sum(range(1000))
        except BaseException:
            pass

@pytest.mark.explore
@pytest.mark.parametrize("body", [spin, swallow, threading.Event().wait])
def test_task(machine, body):
    machine.kthread(Mutex("A").lock, "other")
    machine.kthread(body, "task")

@pytest.mark.explore
def test_body(machine):
    spin()

@pytest.mark.explore
def test_after(machine):
    pass
"""


@pytest.mark.slow
def test_plugin_ends_what_computes_or_blocks_without_a_step(run, monkeypatch):
    """Such a test fails with the line that it stands at, and the run goes on."""
    short = Limits(cpu_seconds=0.05, idle_seconds=0.2)
    monkeypatch.setattr("dmabuf.explore.foreign.watchdog.DEFAULT", short)

    result = run(HANGS)

    result.assert_outcomes(failed=4, passed=1)
    headline = re.compile(r"test_it\.py::\S+: VIOLATED DF005 (\w+ \w+) .* at (\w+\.py):\d+;")
    said = [headline.match(line) for line in result.outlines]
    assert [
        ("spin computes", "test_it.py"),
        ("swallow computes", "test_it.py"),
        ("wait blocks", "threading.py"),
        ("spin computes", "test_it.py"),
    ] == [one.groups() for one in said if one]


INTERRUPTED = """
import signal
import pytest
from dmabuf import Shared

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a background job ignores
presses = [signal.SIGINT]

@pytest.mark.explore(budget="1000000x")
def test_large(machine):
    cell = Shared(0, "cell")

    def adds():
        for _ in range(6):
            cell.add(1)
        while presses:
            signal.raise_signal(presses.pop())

    for _ in range(4):
        machine.kthread(adds)

def test_after():
    pass
"""


@pytest.mark.slow
def test_plugin_interrupted_keeps_what_is_known(run):
    """Ctrl-C inside a task is no finding: the test is undecided, and the run ends."""
    result = run(INTERRUPTED, how="runpytest_subprocess")

    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines([r"test_it.py::test_large: INCONCLUSIVE \(interrupted\)"])
    assert pytest.ExitCode.INTERRUPTED == result.ret
