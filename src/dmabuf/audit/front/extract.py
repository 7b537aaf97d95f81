"""The facts of one file, from its bytes.

A parser of our own, not tree-sitter: it knows the kernel's macros, and a statement that it does
not understand is just that (docs/design/0020).

Context: pure; never raises for bad input, which `trouble` and `flaws` tell of.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import replace
from pathlib import Path

from dmabuf.audit.front.brackets import pair
from dmabuf.audit.front.conditionals import resolve
from dmabuf.audit.front.config import Config
from dmabuf.audit.front.enumerators import enumerators
from dmabuf.audit.front.expand import candidates, definers
from dmabuf.audit.front.facts import FileFacts, Function, Macro
from dmabuf.audit.front.macros import read_macro
from dmabuf.audit.front.scan import Scanned, decode, scan
from dmabuf.audit.front.toplevel import FileReader

__all__ = ["extract", "version"]


@functools.cache
def _code() -> bytes:
    here = Path(__file__).parent
    sources = sorted(path for path in here.glob("*.py"))
    return hashlib.blake2b(
        b"\0".join(path.read_bytes() for path in sources), digest_size=16
    ).digest()


def version(config: Config | None = None) -> bytes:
    """What facts depend on beside the file's bytes: this package's own code, a configuration."""
    if config is None:
        return _code()
    values = repr(sorted(config.values.items())).encode()
    return hashlib.blake2b(_code() + values, digest_size=16).digest()


_NO_CONFIG = Config()


def extract(path: str, data: bytes, config: Config = _NO_CONFIG) -> FileFacts:
    """What the file at `path` with the bytes `data` holds, built with `config` if one is given."""
    text, trouble = decode(data)
    scanned = scan(text)
    tokens, lines, lost = resolve(scanned.tokens, scanned.lines, config)
    match = pair(tokens)
    work = FileReader(tokens, lines, match, set())
    work.read(definers(scanned.directives))
    return FileFacts(
        path=path,
        size=len(data),
        functions=_blamed(work.functions, lost),
        macros=(*enumerators(tokens, lines, match), *_macros(scanned, work.types)),
        structs=tuple(work.all_structs),
        variables=tuple(work.variables),
        prototypes=tuple(work.prototypes),
        typedefs=tuple(work.typedefs),
        top=tuple(work.top),
        includes=tuple(one.text.strip() for one in scanned.directives if one.word == "include"),
        flaws=tuple(work.places + lost),
        trouble=trouble,
        makers=_makers(scanned) if path.endswith(".h") else (),
        wants=tuple(work.wants),
    )


def _makers(scanned: Scanned) -> tuple[tuple[str, tuple[str, ...], str], ...]:
    return tuple(
        (name, one.parameters, " ".join(one.tokens))
        for name, one in candidates(scanned.directives).items()
    )


def _blamed(functions: list[Function], lost: list[tuple[int, int]]) -> tuple[Function, ...]:
    """The functions, with the bytes of branches that were left out of them among their flaws."""
    if not lost:
        return tuple(functions)
    out: list[Function] = []
    for one in functions:
        size = sum(size for line, size in lost if one.line <= line <= one.end)
        out.append(replace(one, flaws=one.flaws + size) if size else one)
    return tuple(out)


def _macros(scanned: Scanned, types: set[str]) -> tuple[Macro, ...]:
    found = (read_macro(one, types) for one in scanned.directives if one.word == "define")
    return tuple(one for one in found if one is not None)
