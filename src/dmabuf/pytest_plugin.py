"""pytest: a test marked `explore` is a design, and passes only if it is proved.

    @pytest.mark.explore(budget="10s")
    def test_driver(machine):
        lock = Mutex("A")
        machine.kthread(...)

Whatever is no proof fails: a finding, a bound or a limit that was reached, a design that computes
or blocks without a step. Ctrl-C ends the run, and the search with what is known by then. The report
has a section with the schedule, and the line that runs that one schedule again. Other arguments are
fixtures as usual; they are the same objects in every execution, so they must not be changed by the
design.

A test that takes `lock_watch` has the `threading` locks watched that it makes (`dmabuf.pywatch`),
and fails if there are findings.

Imports stand inside functions: pytest loads this module in projects that have no design.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from dmabuf.machine import Machine
    from dmabuf.pywatch import Watcher
    from dmabuf.report.finding import Place
    from dmabuf.report.verdict import Verdict

__all__ = [
    "lock_watch",
    "machine",
    "pytest_addoption",
    "pytest_configure",
    "pytest_pyfunc_call",
    "pytest_runtest_call",
]

_MARK = "explore"
_ARGUMENT = "machine"
_BUDGET = "10s"
_KEYWORDS = ("budget", "engine", "seed")
_ABOUT = f"explore({', '.join(f'{word}=...' for word in _KEYWORDS)}): every schedule of the design"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--dmabuf-replay`, and what holds for all explored tests."""
    group = parser.getgroup("dmabuf", "explored designs (dmabuf)")
    group.addoption("--dmabuf-replay", metavar="TOKEN", default="", help="run one schedule again")
    group.addoption("--dmabuf-budget", metavar="B", default="", help="for all: 10s, 5000x, ...")
    group.addoption("--dmabuf-engine", metavar="E", default="", help="for all, such as random")


def pytest_configure(config: pytest.Config) -> None:
    """The mark is known, also under `--strict-markers`."""
    config.addinivalue_line("markers", _ABOUT)


@pytest.fixture
def machine(request: pytest.FixtureRequest) -> object:
    """The machine of an explored test; each execution gets a new one."""
    node = cast("pytest.Item", request.node)  # pyright: ignore[reportUnknownMemberType]
    if node.get_closest_marker(_MARK) is None:
        pytest.fail("`machine` is for tests marked with @pytest.mark.explore", pytrace=False)
    return None


@pytest.fixture
def lock_watch() -> Iterator[Watcher]:
    """Watches the locks that are made from here to the end of the test; findings fail it."""
    from dmabuf.pywatch import watch

    with watch() as watcher:
        yield watcher


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """After a test that took `lock_watch`: does it fail by its locks?"""
    watcher: Watcher | None = getattr(item, "funcargs", {}).get("lock_watch")
    if watcher is None:
        return (yield)
    watcher.subject = item.nodeid
    try:
        answer = yield
    finally:
        if watcher.findings:
            item.add_report_section("call", "lock_watch", watcher.text())
    if watcher.certain or (watcher.strict and watcher.suspected):
        pytest.fail(f"{watcher.headline()}: {watcher.findings[0].message}", pytrace=False)
    return answer


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Explore a marked test instead of calling it."""
    mark = pyfuncitem.get_closest_marker(_MARK)
    if mark is None:
        return None
    options = _options(pyfuncitem, mark)
    verdict = _explore(pyfuncitem, options)
    from dmabuf.report.verdict import Status

    if verdict.status is Status.PROVED and not options["replay"]:
        return True
    if verdict.limit == "interrupted":
        pyfuncitem.session.shouldstop = "interrupted"
    pyfuncitem.add_report_section("call", "dmabuf", _report(verdict, pyfuncitem.nodeid))
    pytest.fail(_headline(verdict, pyfuncitem.nodeid), pytrace=False)


def _options(item: pytest.Function, mark: pytest.Mark) -> Mapping[str, Any]:
    """What the mark and the command line say; the command line wins."""
    unknown = [*map(repr, mark.args), *(word for word in mark.kwargs if word not in _KEYWORDS)]
    if unknown:
        known = ", ".join(_KEYWORDS)
        pytest.fail(f"@pytest.mark.explore takes {known}, not {unknown[0]}", pytrace=False)
    if _ARGUMENT not in inspect.signature(item.obj).parameters:
        pytest.fail(
            f"an explored test takes an argument `{_ARGUMENT}`, which starts its tasks",
            pytrace=False,
        )
    if inspect.iscoroutinefunction(item.obj) or inspect.isgeneratorfunction(item.obj):
        pytest.fail("an explored test is a plain function, without async and yield", pytrace=False)
    config = item.config
    return {
        "budget": config.getoption("--dmabuf-budget") or mark.kwargs.get("budget", _BUDGET),
        "engine": config.getoption("--dmabuf-engine") or mark.kwargs.get("engine", ""),
        "seed": mark.kwargs.get("seed", 0),
        "replay": config.getoption("--dmabuf-replay"),
    }


def _explore(item: pytest.Function, options: Mapping[str, Any]) -> Verdict:
    """The verdict about a test; a design's prints are shown on replay only."""
    from contextlib import nullcontext, redirect_stdout
    from io import StringIO

    from dmabuf.explore.budget import parse_budget
    from dmabuf.explore.check import check_design, replay_design
    from dmabuf.explore.explanations.token import TokenError
    from dmabuf.explore.foreign.chance import guarded
    from dmabuf.explore.foreign.watchdog import Watchdog
    from dmabuf.explore.portfolio import EngineError

    subject, token = item.nodeid, options["replay"]
    quiet = nullcontext() if token else redirect_stdout(StringIO())
    try:
        with Watchdog(subject, _home(item)) as watchdog, guarded(), quiet:
            fn = watchdog.watched(_design_of(item))
            if token:
                return replay_design(fn, subject, token)
            return check_design(
                fn,
                subject,
                budget=parse_budget(str(options["budget"])),
                engine=options["engine"],
                seed=options["seed"],
            )
        return watchdog.verdict
    except TokenError as error:
        said = f"--dmabuf-replay: {error} (name one test: pytest {subject} --dmabuf-replay=...)"
        pytest.fail(said, pytrace=False)
    except (ValueError, EngineError) as error:
        pytest.fail(f"@pytest.mark.explore: {error}", pytrace=False)


def _home(item: pytest.Function) -> Place:
    """Where the test begins."""
    from dmabuf.report.finding import Place

    path, line, _name = item.reportinfo()
    return Place(str(path), (line or 0) + 1, item.originalname)


def _design_of(item: pytest.Function) -> Callable[[Machine], object]:
    """The test as a function of its machine."""
    names = item._fixtureinfo.argnames
    others = {name: item.funcargs[name] for name in names if name != _ARGUMENT}

    def design(one: Machine, /) -> object:
        return item.obj(**{_ARGUMENT: one}, **others)

    design.__name__ = item.name
    code = getattr(item.obj, "__code__", None)
    if code is not None:
        return _Placed(design, code)
    return design


class _Placed:
    """A design that begins where the test does."""

    def __init__(self, design: Callable[[Machine], object], code: object) -> None:
        self._design = design
        self.__name__ = design.__name__
        self.__code__ = code

    def __call__(self, one: Machine, /) -> object:
        return self._design(one)


def _headline(verdict: Verdict, nodeid: str) -> str:
    from dmabuf.report.text import verdict_line

    lines = [verdict_line(verdict)]
    lines += [_replay_line(nodeid, one.token) for one in verdict.findings[:1] if one.token]
    return "\n".join(lines)


def _report(verdict: Verdict, nodeid: str) -> str:
    """The whole report; what replays a finding is a command of pytest's."""
    from dataclasses import replace

    from dmabuf.report.text import verdict_text

    findings = tuple(replace(one, token="") for one in verdict.findings)
    lines = [verdict_text(replace(verdict, findings=findings))]
    lines += [_replay_line(nodeid, one.token) for one in verdict.findings if one.token]
    return "\n".join(lines)


def _replay_line(nodeid: str, token: str) -> str:
    import shlex

    return f"replay: pytest {shlex.quote(nodeid)} {shlex.quote(f'--dmabuf-replay={token}')}"
