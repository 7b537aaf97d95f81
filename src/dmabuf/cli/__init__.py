"""The command `dmabuf`: check designs and C source, show and run rules.

A module a subcommand; `arguments` (what command lines say) and `ends` (messages, output files,
exit codes) are for all. Results go to stdout, progress and complaints to stderr. Exit codes: 0
clean, 1 findings, 2 unusable input, 3 not available here, 4 undecided, 70 internal error, 130
interrupted.

Imports stand inside functions: `dmabuf --version` must not pay for what it does not use.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as in typing, whose import would cost more than all of this
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_HELP = """\
usage: dmabuf check PATH... [--budget 10s,5000x] [--replay TOKEN] [--json] [--quiet]
                          [--html FILE] [--trace FILE]
       dmabuf check --export promela FILE::NAME
       dmabuf check FILE.c|FOLDER... [--level L] [--json] [--html FILE] [--sarif FILE]
                          [--baseline FILE] [--diff TREE TREE] [--suppressions FILE]
       dmabuf rules [ID...] [--run] [--json]
       dmabuf --version

  check   explore the designs of a file, of a folder, or one: file.py::name; audit C source
  rules   list the rules of the fence contract, explain one, or run their designs

dmabuf COMMAND --help says more. Exit codes: 0 clean, 1 findings, 2 unusable input,
3 not available here, 4 undecided, 70 internal error, 130 interrupted."""

_OPTIONS = ("--help", "--version")


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
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last resort
        from dmabuf.cli.ends import end_of

        return end_of(error)
    return code


def _build() -> str:
    """What of this installation is compiled."""
    from dmabuf.built import is_built
    from dmabuf.core.compiled import is_compiled

    parts = [name for name, there in (("fences", is_compiled()), ("explorer", is_built())) if there]
    if not parts:
        return "pure Python"
    return "compiled" if len(parts) > 1 else f"compiled {parts[0]}"


def _dispatch(arguments: list[str]) -> int:
    if not arguments:
        print(_HELP, file=sys.stderr)
        return 2
    command, rest = arguments[0], arguments[1:]
    if command in ("--version", "-V"):
        from dmabuf import __version__

        print(f"dmabuf {__version__} ({_build()})")
        return 0
    if command in ("--help", "-h", "help"):
        print(_HELP)
        return 0
    from dmabuf.report.terminal import forgive_encoding

    forgive_encoding()
    if command in _COMMANDS:
        return _COMMANDS[command](rest)
    from dmabuf.cli.arguments import Unusable, meant, path_meant

    if command.startswith("-"):
        raise Unusable(f"no option {command}{meant(command, _OPTIONS)}")
    raise Unusable(f"no command {command!r}{meant(command, tuple(_COMMANDS))}{path_meant(command)}")


def _check(arguments: list[str]) -> int:
    from dmabuf.cli.check import check

    return check(arguments)


def _rules(arguments: list[str]) -> int:
    from dmabuf.cli.rules import rules

    return rules(arguments)


_COMMANDS = {"check": _check, "rules": _rules}
