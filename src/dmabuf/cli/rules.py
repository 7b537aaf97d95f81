"""`dmabuf rules`: list the rules of the fence contract, explain one, run their designs.

The rules' designs are imported only where they are shown or run.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from dmabuf import __version__
from dmabuf.cli.arguments import Unusable, parse, parser_of
from dmabuf.cli.ends import complain, print_json, style_of_stdout
from dmabuf.codes import CODES
from dmabuf.report.json import RULES_SCHEMA, code_data, run_data
from dmabuf.report.rule_page import page_data, rule_list, rule_text
from dmabuf.report.rule_run import broken_lines, run_lines

__all__ = ["rules"]


def rules(arguments: list[str]) -> int:
    """Run `dmabuf rules` with these arguments; returns its exit code."""
    parser = parser_of("rules", "List the rules of the fence contract, explain or run some.")
    parser.add_argument("ids", nargs="*", metavar="ID", help="DF202, ...; all without")
    what = "run their designs: 0 if as declared; of one rule, show how it is broken"
    parser.add_argument("--run", action="store_true", help=what)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parse(parser, arguments)
    ids = [_known_id(one) for one in options.ids]
    if options.run:
        return _run_rules(ids, as_json=options.json)
    if options.json:
        return _rules_json(ids)
    if not ids:
        print(rule_list(CODES.values(), style_of_stdout()))
        return 0
    from dmabuf.rules import DOCUMENTS, PAGES

    pages = [rule_text(CODES[one], PAGES.get(one), style_of_stdout(), DOCUMENTS) for one in ids]
    print("\n\n".join(pages))
    return 0


def _known_id(text: str) -> str:
    code = text.upper()
    if code not in CODES:
        close = get_close_matches(code, CODES, 1)
        hint = f"; did you mean {close[0]}?" if close else "; dmabuf rules lists them"
        raise Unusable(f"no rule {text}{hint}")
    return code


def _run_rules(ids: list[str], *, as_json: bool) -> int:
    from dmabuf.explore.foreign.interrupts import interruptible
    from dmabuf.rules import RULES, run_rule

    missing = [one for one in ids if one not in RULES]
    if missing:
        complain(f"{', '.join(missing)}: no designs to run")
        return 3
    style = style_of_stdout()
    runs: list[Any] = []
    with interruptible(None) as is_asked:
        for one in ids or list(RULES):
            run = run_rule(RULES[one])
            if is_asked():
                raise KeyboardInterrupt
            runs.append(run)
            if not as_json:
                shown = ["", *broken_lines(run, style), ""] if len(ids) == 1 else []
                print("\n".join([*run_lines(run, style), *shown]), flush=True)
    code = 0 if all(run.ok for run in runs) else 1
    if as_json:
        _print_rules_json({"exit_code": code, "runs": [run_data(run) for run in runs]})
    else:
        bad = sum(not run.ok for run in runs)
        outcome = "every verdict is as declared" if not bad else f"{bad} not as declared"
        many = "rule" if len(runs) == 1 else "rules"
        print(f"{len(runs)} {many}: {outcome}, {sum(run.seconds for run in runs):.2f} s")
    return code


def _rules_json(ids: list[str]) -> int:
    if not ids:
        _print_rules_json({"rules": [code_data(one) for one in CODES]})
        return 0
    from dmabuf.rules import DOCUMENTS, PAGES

    pages = {one: page_data(PAGES[one]) for one in ids if one in PAGES}
    rules = [{**(code_data(one) or {}), "page": pages.get(one)} for one in ids]
    _print_rules_json({"rules": rules, "documents": DOCUMENTS})
    return 0


def _print_rules_json(data: dict[str, Any]) -> None:
    print_json({"schema": RULES_SCHEMA, "version": __version__, **data})
