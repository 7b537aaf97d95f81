"""The fixture `lock_watch`: a test fails by what its locks may come to."""

import importlib.metadata

import pytest

import dmabuf.pywatch  # imported here once: `pytester` forgets what its runs import
import dmabuf.report.text

pytest_plugins = ["pytester"]

USED = (dmabuf.pywatch, dmabuf.report.text)

TWO_ORDERS = """
import threading

def orders():
    a = threading.Lock()
    b = threading.Lock()

    def one():
        with a, b:
            pass

    def other():
        with b, a:
            pass

    first = threading.Thread(target=one, name="one")
    second = threading.Thread(target=other, name="other")
    gate = {gate}
    first.start()
    gate()
    second.start()
    first.join()
    second.join()
"""
TOGETHER = TWO_ORDERS.format(gate="int")
APART = TWO_ORDERS.format(gate="first.join")


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs pytest on the given source with the plugin, and without this project's settings."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    installed = importlib.metadata.entry_points(group="pytest11", name="dmabuf")
    plugin = "dmabuf" if installed else "dmabuf.pytest_plugin"

    def run(source, *arguments, how="runpytest_inprocess"):
        pytester.makepyfile(test_it=source)
        common = ("-p", plugin, "-p", "no:cacheprovider", "-rf")
        return getattr(pytester, how)(*common, "--strict-markers", *arguments)

    return run


@pytest.mark.slow
def test_findings_fail_the_test_with_a_section(run):
    """One line says what, the section where."""
    result = run(TOGETHER + "\ndef test_it(lock_watch): orders()\n")

    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [
            r"test_it.py::test_it: 1 certain, 0 suspected: one takes b .* while it holds a .*",
            r".* Captured lock_watch call .*",
            r".* DF001 No cycle of locks or waits\.",
            r".*took b .* at .*test_it\.py:12",
        ]
    )
    assert "Traceback" not in result.stdout.str()


@pytest.mark.slow
def test_a_test_without_findings_passes(run):
    """Also by mark, and beside tests that do not ask for it."""
    result = run(
        APART
        + "\nimport pytest\ndef test_it(lock_watch): orders()\n"
        + "@pytest.mark.usefixtures('lock_watch')\ndef test_marked(): orders()\n"
        + "def test_other(): orders()\n"
    )

    result.assert_outcomes(passed=3)


@pytest.mark.slow
def test_the_mark_usefixtures_is_enough(run):
    """The fixture need not be an argument."""
    result = run(
        TOGETHER
        + "\nimport pytest\n@pytest.mark.usefixtures('lock_watch')\ndef test_it(): orders()\n"
    )

    result.assert_outcomes(failed=1)


SUSPECTED = """
import threading

def test_it(lock_watch):
    lock_watch.strict = {strict}
    a, b = threading.Lock(), threading.Lock()
    with a, b:
        pass
    with b, a:
        pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("strict", [True, False])
def test_suspicions_fail_unless_the_test_says_otherwise(run, strict):
    """`strict = False` leaves them to the section."""
    result = run(SUSPECTED.format(strict=strict), "-rP")

    result.assert_outcomes(**({"failed": 1} if strict else {"passed": 1}))
    result.stdout.fnmatch_lines(["*Captured lock_watch call*", "*suspected: *"])


@pytest.mark.slow
def test_the_tests_own_failure_leads(run):
    """The findings are told beside it."""
    result = run(TOGETHER + "\ndef test_it(lock_watch):\n    orders()\n    assert 1 == 2\n")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert 1 == 2*", "*Captured lock_watch call*"])


@pytest.mark.slow
def test_it_works_under_xdist(run):
    """The section comes through from the worker."""
    pytest.importorskip("xdist")
    source = TOGETHER + "\ndef test_it(lock_watch): orders()\n"

    result = run(source, "-p", "xdist", "-n", "1", how="runpytest_subprocess")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*1 certain, 0 suspected*", "*Captured lock_watch call*"])
