"""What a command line says: parsers that complain in one line, and guesses at what was meant.

>>> meant("chekc", ("check", "rules"))
'; did you mean check?'
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["Unusable", "meant", "parse", "parser_of", "path_meant"]


class Unusable(Exception):
    """The command line cannot be understood, or cannot be followed."""


def parser_of(command: str, purpose: str) -> argparse.ArgumentParser:
    """A parser for the words after a command; it raises Unusable."""

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise Unusable(f"{message} (dmabuf {command} --help says more)")

    return Parser(prog=f"dmabuf {command}", description=purpose, allow_abbrev=False)


def parse(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """What the arguments say. Raises Unusable."""
    found, unknown = parser.parse_known_intermixed_args(arguments)
    if unknown:
        options = [o for action in parser._actions for o in action.option_strings if o[:2] == "--"]
        word = unknown[0].partition("=")[0]
        raise Unusable(f"no option {word}{meant(word, options)}")
    return found


def meant(word: str, choices: Sequence[str]) -> str:
    """The end of a complaint about a word: the choice that is close to it, or all of them."""
    from difflib import get_close_matches

    close = get_close_matches(word, choices, 1)
    return f"; did you mean {close[0]}?" if close else f"; there is {', '.join(choices)}"


def path_meant(word: str) -> str:
    """A hint, if what stands for a command is a file."""
    exists = os.path.lexists(word.partition("::")[0])
    return f" (dmabuf check {word} explores it)" if exists else ""
