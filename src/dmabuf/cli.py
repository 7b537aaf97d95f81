"""The command `dmabuf`: check designs, show and run rules.

Results go to stdout, progress and complaints to stderr. Exit codes: 0 clean, 1 findings, 2
unusable input, 3 not available here, 4 undecided, 70 internal error, 130 interrupted.

Imports stand inside functions: `dmabuf --version` must not pay for what it does not use.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from dmabuf.explore.foreign.load import Target
    from dmabuf.explore.foreign.wire import Job
    from dmabuf.explore.search import Progress as Standing
    from dmabuf.report.progress import Progress
    from dmabuf.report.style import Style
    from dmabuf.report.verdict import ExitCode, Trouble, Verdict

__all__ = ["main"]

_HELP = """\
usage: dmabuf check PATH... [--budget 10s,5000x] [--replay TOKEN] [--json] [--quiet]
                          [--html FILE] [--trace FILE]
       dmabuf rules [ID...] [--run] [--json]
       dmabuf --version

  check   explore the designs of a file, of a folder, or one: file.py::name
  rules   list the rules of the fence contract, explain one, or run their designs

dmabuf COMMAND --help says more. Exit codes: 0 clean, 1 findings, 2 unusable input,
3 not available here, 4 undecided, 70 internal error, 130 interrupted."""

_OPTIONS = ("--help", "--version")
_BROKEN_PIPE = 141
_LONGEST_IMPORT_S = 10.0
_SHORTEST_IMPORT_S = 2.0


class _Usage(Exception):
    """The command line cannot be understood."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if None in (sys.stdin, sys.stdout, sys.stderr):
        from dmabuf.report.terminal import open_streams

        open_streams()
    try:
        try:
            code = _dispatch(arguments)
        finally:
            sys.stdout.flush()
    except _Usage as error:
        _complain(str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _discard_stdout()
        return _BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the last resort: one message, no traceback
        return _internal(error)
    return code


def _dispatch(arguments: list[str]) -> int:
    if not arguments:
        print(_HELP, file=sys.stderr)
        return 2
    command, rest = arguments[0], arguments[1:]
    if command in ("--version", "-V"):
        from dmabuf import __version__
        from dmabuf.core.compiled import is_compiled

        print(f"dmabuf {__version__} ({'compiled' if is_compiled() else 'pure Python'})")
        return 0
    if command in ("--help", "-h", "help"):
        print(_HELP)
        return 0
    from dmabuf.report.terminal import forgive_encoding

    forgive_encoding()
    if command in _COMMANDS:
        return _COMMANDS[command](rest)
    if command.startswith("-"):
        raise _Usage(f"no option {command}{_meant(command, _OPTIONS)}")
    raise _Usage(f"no command {command!r}{_meant(command, tuple(_COMMANDS))}{_path_meant(command)}")


def _meant(word: str, choices: Sequence[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, choices, 1)
    return f"; did you mean {close[0]}?" if close else f"; there is {', '.join(choices)}"


def _path_meant(word: str) -> str:
    exists = os.path.lexists(word.partition("::")[0])
    return f" (dmabuf check {word} explores it)" if exists else ""


def _complain(message: str) -> None:
    from dmabuf.report.columns import clean

    print(f"dmabuf: {clean(message)}", file=sys.stderr)


def _discard_stdout() -> None:
    """Nobody reads any more; the interpreter's flush at exit must not complain."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _internal(error: Exception) -> int:
    if os.environ.get("DMABUF_DEBUG"):
        import traceback

        traceback.print_exception(error)
    if isinstance(error, OSError):
        _complain(f"cannot go on: {error.strerror or error}")
    else:
        told = f"{type(error).__name__}: {error}"
        _complain(f"internal error: {told}; please report it (DMABUF_DEBUG=1 shows where)")
    return 70


def _parser(command: str, purpose: str) -> argparse.ArgumentParser:
    import argparse

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise _Usage(f"{message} (dmabuf {command} --help says more)")

    return Parser(prog=f"dmabuf {command}", description=purpose, allow_abbrev=False)


def _parse(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    found, unknown = parser.parse_known_intermixed_args(arguments)
    if unknown:
        options = [o for action in parser._actions for o in action.option_strings if o[:2] == "--"]
        word = unknown[0].partition("=")[0]
        raise _Usage(f"no option {word}{_meant(word, options)}")
    return found


def _style() -> Style:
    from dmabuf.report.style import Style
    from dmabuf.report.terminal import wants_colour, width_of_terminal

    return Style(width_of_terminal(sys.stdout), wants_colour(sys.stdout))


# -- check -----------------------------------------------------------------------------------------


def _check_parser() -> argparse.ArgumentParser:
    parser = _parser("check", "Explore every schedule of the designs in Python files.")
    add = parser.add_argument
    add("paths", nargs="*", metavar="PATH", help="file.py, file.py::name, or a folder")
    add("--json", action="store_true", help="print one JSON document (docs/reference/json.md)")
    add("--html", metavar="FILE", default="", help="write one page that shows all results")
    add("--trace", metavar="FILE", default="", help="write the schedules as a trace for Perfetto")
    add("--replay", metavar="TOKEN", default="", help="run the one schedule of a token again")
    add("--budget", metavar="B", default="30s", help="per design: 10s, 2m, 5000x, 900steps, 10s,5x")
    add("--seed", metavar="N", type=int, default=0, help="order in which schedules are tried")
    add("--engine", metavar="E", default="", help="one engine only, such as sleep-sets or random")
    add("-j", "--jobs", metavar="N", default="", help="processes for a long search")
    add("--carrier", choices=("greenlet", "threads"), default="", help="what tasks run on")
    add("-q", "--quiet", action="store_true", help="one line per design, no progress")
    return parser


def _check(arguments: list[str]) -> int:
    from dmabuf.explore.budget import parse_budget, parse_jobs
    from dmabuf.explore.foreign.load import find_targets
    from dmabuf.explore.foreign.sandbox import Job, Limits
    from dmabuf.report.export import unwritable
    from dmabuf.rt.carriers import has_greenlet

    parser = _check_parser()
    options = _parse(parser, arguments)
    if not options.paths:
        raise _Usage("nothing to check: name a file, a folder, or file.py::name")
    if options.replay and (len(options.paths) != 1 or os.path.isdir(options.paths[0])):  # noqa: PTH112
        raise _Usage("--replay takes one design: dmabuf check FILE::NAME --replay TOKEN")
    try:
        budget, jobs = parse_budget(options.budget), parse_jobs(options.jobs)
    except ValueError as error:
        raise _Usage(str(error)) from None
    if trouble := unwritable(options.html, options.trace):
        raise _Usage(trouble)
    if options.carrier == "greenlet" and not has_greenlet():
        _complain("--carrier greenlet: greenlet is not installed (pip install 'dmabuf[explore]')")
        return 3
    engine = _engine(options.engine)
    seconds = min(max(budget.seconds or _LONGEST_IMPORT_S, _SHORTEST_IMPORT_S), _LONGEST_IMPORT_S)
    limits = Limits(import_seconds=seconds)
    job = Job(
        budget,
        options.seed,
        options.carrier,
        engine,
        options.replay,
        limits,
        jobs,
    )
    code = _Checking(options, job).run(find_targets(options.paths))
    if not options.quiet and not options.carrier and not has_greenlet():
        hint = "greenlet is not installed; pip install 'dmabuf[explore]' makes the search faster"
        print(f"hint: {hint}", file=sys.stderr)
    return code


def _engine(text: str) -> str:
    """The name of an engine, as asked for; empty if none was."""
    if not text:
        return ""
    from dmabuf.explore.portfolio import EngineError, engine_named

    try:
        return engine_named(text).name
    except EngineError as error:
        raise _Usage(f"--engine: {error}") from None


class _Checking:
    """One `dmabuf check`: collects results, and prints them as they come."""

    def __init__(self, options: Any, job: Job) -> None:
        self.options = options
        self.job = job
        self.style = _style()
        self.progress = self._make_progress()
        self.results: list[Verdict | Trouble] = []
        self.files = 0
        self.empty = 0
        self.standing: tuple[str, Standing] | None = None
        self.target = ""
        self.interrupted = False

    def _make_progress(self) -> Progress:
        from dmabuf.report.progress import Progress
        from dmabuf.report.terminal import is_live, width_of_terminal

        stream = None if self.options.quiet else sys.stderr
        width = width_of_terminal(sys.stderr)
        return Progress(stream, live=is_live(sys.stderr), width=width)

    def run(self, targets: Iterable[Target | Trouble]) -> int:
        """Explore everything; returns the exit code."""
        from dmabuf.report.verdict import ExitCode, worst

        try:
            self._explore_all(targets)
        except KeyboardInterrupt:
            self.interrupted = True
            self._add_interrupted()
        codes = [result.exit_code for result in self.results]
        if self.interrupted:
            codes.append(ExitCode.INTERRUPTED)
        code = int(worst(codes))
        self.progress.clear()
        self._print_end(code)
        return int(worst([ExitCode(code), self._write_views()]))

    def _write_views(self) -> ExitCode:
        """The files of --html and --trace."""
        from dmabuf.report.export import write_views
        from dmabuf.report.verdict import ExitCode

        try:
            write_views(self.results, html=self.options.html, trace=self.options.trace)
        except OSError as error:
            _complain(f"cannot write {error.filename}: {error.strerror}")
            return ExitCode.USAGE
        return ExitCode.CLEAN

    def _explore_all(self, targets: Iterable[Target | Trouble]) -> None:
        from dmabuf.explore.foreign.load import Target
        from dmabuf.report.verdict import Trouble

        for target in targets:
            if not isinstance(target, Target):
                self._add(target)
                continue
            self.files += 1
            if target.empty or not self._explore(target):
                self.empty += 1
        if not self.results:
            remedy = "mark a function of a machine with @design (from dmabuf import design)"
            self._add(Trouble(self.options.paths[0], "no design found", remedy))

    def _explore(self, target: Target) -> bool:
        """Explore one file; does it hold a design, or trouble?"""
        from contextlib import closing

        from dmabuf.explore.foreign.sandbox import explore_file

        def tell(design: str, standing: Standing) -> None:
            self.standing = (target.subject(design), standing)
            self.progress.tell(_told(*self.standing))

        before = len(self.results)
        self.target = target.shown
        with closing(explore_file(target, self.job, tell)) as results:
            for result in results:
                self.standing = None
                self._add(result)
        self.target = ""
        return len(self.results) > before

    def _add(self, result: Verdict | Trouble) -> None:
        self.results.append(result)
        self.progress.clear()
        if not self.options.json:
            self._print(result)

    def _print(self, result: Verdict | Trouble) -> None:
        from dmabuf.report.text import trouble_text, verdict_line, verdict_text
        from dmabuf.report.verdict import Trouble

        if isinstance(result, Trouble):
            sys.stdout.flush()
            print(f"dmabuf: {trouble_text(result, self.style)}", file=sys.stderr)
        elif self.options.quiet:
            print(verdict_line(result, self.style), flush=True)
        else:
            print(f"{verdict_text(result, self.style)}\n", flush=True)

    def _add_interrupted(self) -> None:
        """Ctrl-C: what is known about the design that was being explored."""
        from dmabuf.report.verdict import Status, Verdict

        if self.standing is None:
            said = bool(self.results) and getattr(self.results[-1], "limit", "") == "interrupted"
            if self.target and not said:
                self._add(Verdict(self.target, Status.INCONCLUSIVE, limit="interrupted"))
            return
        subject, standing = self.standing
        seen = standing.findings
        notes = (f"{seen} findings had been seen and were not explained yet",) if seen else ()
        self._add(
            Verdict(
                subject,
                Status.INCONCLUSIVE,
                executions=standing.executions,
                steps=standing.steps,
                seconds=standing.seconds,
                limit="interrupted",
                notes=notes,
            )
        )

    def _print_end(self, code: int) -> None:
        from dmabuf.report.verdict import Verdict

        if self.options.json:
            self._print_json(code)
            return
        verdicts = [result for result in self.results if isinstance(result, Verdict)]
        if len(verdicts) > 1 and not self.options.quiet:
            from dmabuf.report.text import summary_text

            print(summary_text(verdicts, self.style))
        if self.interrupted:
            _complain("interrupted")

    def _print_json(self, code: int) -> None:
        import json

        from dmabuf import __version__
        from dmabuf.report.json import check_document

        document = check_document(
            self.results,
            version=__version__,
            exit_code=code,
            files=self.files,
            empty_files=self.empty,
            interrupted=self.interrupted,
        )
        print(json.dumps(document, indent=2))


def _told(subject: str, standing: Standing) -> str:
    from dmabuf.report.progress import counted

    found = f", {standing.findings} found" if standing.findings else ""
    return (
        f"{subject}: {counted(standing.executions)} executions, {counted(standing.steps)} steps, "
        f"depth {standing.depth}{found}, {counted(int(standing.rate))}/s, "
        f"{standing.seconds:.0f} s, {standing.phase}"
    )


# -- rules -----------------------------------------------------------------------------------------


def _rules(arguments: list[str]) -> int:
    parser = _parser("rules", "List the rules of the fence contract, explain or run some.")
    parser.add_argument("ids", nargs="*", metavar="ID", help="DF202, ...; all without")
    parser.add_argument("--run", action="store_true", help="run their designs: 0 if as declared")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = _parse(parser, arguments)
    ids = [_known_id(one) for one in options.ids]
    if options.run:
        return _run_rules(ids, as_json=options.json)
    if options.json:
        return _rules_json(ids)
    from dmabuf.codes import CODES
    from dmabuf.report.rule_page import rule_list, rule_text

    if not ids:
        print(rule_list(CODES.values(), _style()))
        return 0
    from dmabuf.rules import DOCUMENTS, RULES

    pages = [rule_text(CODES[one], RULES.get(one), _style(), DOCUMENTS) for one in ids]
    print("\n\n".join(pages))
    return 0


def _known_id(text: str) -> str:
    from dmabuf.codes import CODES

    code = text.upper()
    if code not in CODES:
        from difflib import get_close_matches

        close = get_close_matches(code, CODES, 1)
        hint = f"; did you mean {close[0]}?" if close else "; dmabuf rules lists them"
        raise _Usage(f"no rule {text}{hint}")
    return code


def _run_rules(ids: list[str], *, as_json: bool) -> int:
    from dmabuf.report.rule_page import run_lines
    from dmabuf.rules import RULES, run_rule

    missing = [one for one in ids if one not in RULES]
    if missing:
        _complain(f"{', '.join(missing)}: no designs to run")
        return 3
    style = _style()
    runs: list[Any] = []
    for one in ids or list(RULES):
        run = run_rule(RULES[one])
        runs.append(run)
        if not as_json:
            print("\n".join(run_lines(run, style)), flush=True)
    code = 0 if all(run.ok for run in runs) else 1
    if as_json:
        from dmabuf.report.json import run_data

        _print_rules_json({"exit_code": code, "runs": [run_data(run) for run in runs]})
    else:
        bad = sum(not run.ok for run in runs)
        outcome = "every verdict is as declared" if not bad else f"{bad} not as declared"
        print(f"{len(runs)} rules: {outcome}, {sum(run.seconds for run in runs):.2f} s")
    return code


def _rules_json(ids: list[str]) -> int:
    from dmabuf.codes import CODES
    from dmabuf.report.json import code_data

    if not ids:
        _print_rules_json({"rules": [code_data(one) for one in CODES]})
        return 0
    from dmabuf.report.rule_page import page_data
    from dmabuf.rules import DOCUMENTS, RULES

    pages = {one: page_data(RULES[one]) for one in ids if one in RULES}
    rules = [{**(code_data(one) or {}), "page": pages.get(one)} for one in ids]
    _print_rules_json({"rules": rules, "documents": DOCUMENTS})
    return 0


def _print_rules_json(data: dict[str, Any]) -> None:
    import json

    from dmabuf import __version__
    from dmabuf.report.json import RULES_SCHEMA

    print(json.dumps({"schema": RULES_SCHEMA, "version": __version__, **data}, indent=2))


_COMMANDS = {"check": _check, "rules": _rules}
