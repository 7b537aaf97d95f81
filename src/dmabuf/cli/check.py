"""`dmabuf check`: explore the designs of Python files, audit C source."""

from __future__ import annotations

import argparse
import os
import sys

from dmabuf.cli.arguments import Unusable, parse, parser_of
from dmabuf.cli.audit_options import about_source, add_audit_options, choice_of
from dmabuf.cli.auditing import split, write_design
from dmabuf.cli.checking import Checking
from dmabuf.cli.ends import complain
from dmabuf.explore.budget import parse_budget, parse_jobs
from dmabuf.explore.foreign.load import find_targets
from dmabuf.explore.foreign.wire import Job, Limits
from dmabuf.explore.portfolio import EngineError, engine_named
from dmabuf.report.export import unwritable
from dmabuf.rt.carriers import has_greenlet

__all__ = ["check"]

_LONGEST_IMPORT_S = 10.0
_SHORTEST_IMPORT_S = 2.0


def check(arguments: list[str]) -> int:
    """Run `dmabuf check` with these arguments; returns its exit code."""
    options = parse(_parser(), arguments)
    if not options.paths:
        raise Unusable("nothing to check: name a file, a folder, or file.py::name")
    requests, others = split(options.paths, options.diff)
    written = (options.html, options.trace, options.sarif)
    trouble = _not_together(options) or about_source(options, requests, others)
    if trouble := trouble or unwritable(*written):
        raise Unusable(trouble)
    if options.carrier == "greenlet" and not has_greenlet():
        complain("--carrier greenlet: greenlet is not installed (pip install 'dmabuf[explore]')")
        return 3
    choice = choice_of(options)
    job = _job(options)
    if options.design:
        return write_design(requests, options, choice)
    code = Checking(options, job, requests, choice).run(find_targets(others))
    if others and not options.quiet and not options.carrier and not has_greenlet():
        hint = "greenlet is not installed; pip install 'dmabuf[explore]' makes the search faster"
        print(f"hint: {hint}", file=sys.stderr)
    return code


def _not_together(options: argparse.Namespace) -> str:
    """Which of the options do not go together; empty if all do."""
    is_one = len(options.paths) == 1 and not os.path.isdir(options.paths[0])  # noqa: PTH112
    if options.replay and not is_one:
        return "--replay takes one design: dmabuf check FILE::NAME --replay TOKEN"
    if options.replay and options.validate:
        return "--validate watches random runs, so it does not go with --replay"
    if not options.export:
        return ""
    if not is_one:
        return f"--export takes one design: dmabuf check --export {options.export} FILE::NAME"
    for other in ("replay", "html", "trace", "validate"):
        if getattr(options, other):
            return f"--export writes the design, not a verdict, so it does not go with --{other}"
    return ""


def _job(options: argparse.Namespace) -> Job:
    """How the designs are to be explored."""
    try:
        budget, jobs = parse_budget(options.budget), parse_jobs(options.jobs)
    except ValueError as error:
        raise Unusable(str(error)) from None
    seconds = min(max(budget.seconds or _LONGEST_IMPORT_S, _SHORTEST_IMPORT_S), _LONGEST_IMPORT_S)
    return Job(
        budget,
        options.seed,
        options.carrier,
        _engine(options.engine),
        options.replay,
        Limits(import_seconds=seconds),
        jobs,
        options.export,
        options.validate,
    )


def _engine(text: str) -> str:
    """The name of an engine, as asked for; empty if none was."""
    if not text:
        return ""
    try:
        return engine_named(text).name
    except EngineError as error:
        raise Unusable(f"--engine: {error}") from None


def _parser() -> argparse.ArgumentParser:
    purpose = "Explore every schedule of designs in Python; audit C source of drivers."
    parser = parser_of("check", purpose)
    add = parser.add_argument
    add("paths", nargs="*", metavar="PATH", help="file.py, file.py::name, file.c, or a folder")
    add("--json", action="store_true", help="print one JSON document (docs/reference/json.md)")
    add("--html", metavar="FILE", default="", help="write one page that shows all results")
    add("--trace", metavar="FILE", default="", help="write the schedules as a trace for Perfetto")
    add("--export", choices=("promela",), default="", help="write one design for SPIN to stdout")
    add("--validate", action="store_true", help="predict from a few runs, and judge that")
    add("--replay", metavar="TOKEN", default="", help="run the one schedule of a token again")
    add("--budget", metavar="B", default="30s", help="per design: 10s, 2m, 5000x, 900steps, 10s,5x")
    add("--seed", metavar="N", type=int, default=0, help="order in which schedules are tried")
    add("--engine", metavar="E", default="", help="one engine only, such as sleep-sets or random")
    add("-j", "--jobs", metavar="N", default="", help="processes for a long search")
    add("--carrier", choices=("greenlet", "threads"), default="", help="what tasks run on")
    add("-q", "--quiet", action="store_true", help="a line per design or finding, no progress")
    add_audit_options(parser)
    return parser
