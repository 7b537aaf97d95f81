"""What the auditor knows about one file, before it knows any other.

Types are text in one form: `struct drm_sched_job *`, `u32`, `void (*)(struct work_struct *)`;
without `const`, `volatile`, `static` and attributes, one blank between words and before stars.
"""

from __future__ import annotations

import functools
import marshal
from dataclasses import dataclass, field
from typing import NamedTuple

from dmabuf.audit.front.code import Code, Expr

__all__ = ["FileFacts", "Function", "Macro", "Parameter", "Struct", "Variable"]


class Parameter(NamedTuple):
    """A parameter of a function or a field of a struct; the name may be empty."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function with a body.

    Attributes:
        name: as written.
        line, end: its first and last line, from 1.
        returns: the type.
        body: its instructions as marshal writes them; `code` decodes them when they are asked for,
            as those of a whole tree would not fit into memory. Those asked for last are kept.
        static: nobody outside the file sees it by name; a `static inline` of a header is that, too,
            but whoever includes the header does.
        conditions: the `#if` texts around it, outermost first, "!" before those of an `#else`.
        flaws: bytes of it that the parser did not understand.
        fresh: the instructions themselves, where they have just been read.
    """

    name: str
    line: int
    end: int
    returns: str
    parameters: tuple[Parameter, ...]
    body: bytes
    static: bool = False
    conditions: tuple[str, ...] = ()
    flaws: int = 0
    fresh: Code | None = field(default=None, compare=False, repr=False)

    @property
    def code(self) -> Code:
        """The instructions of its body."""
        return _decoded(self.body) if self.fresh is None else self.fresh


@functools.lru_cache(maxsize=1024)
def _decoded(body: bytes) -> Code:
    found: Code = marshal.loads(body)
    return found


class Macro(NamedTuple):
    """A macro, or a constant of an enum, which is used in the same way.

    Attributes:
        parameters: None for one used like a name (`#define XE_GFP (GFP_KERNEL | __GFP_NOWARN)`).
        code: what its body does, where that is statements or calls.
        value: the body, where that is an expression; calls are in `code` as well.
    """

    name: str
    line: int
    parameters: tuple[str, ...] | None
    code: Code = ()
    value: Expr | None = None


class Struct(NamedTuple):
    """A struct or union: `struct NAME`, `union NAME`, or the name that a typedef gives it.

    Fields of an anonymous struct inside count as its own. A named inner struct is a type of its
    own, `struct OUTER.field`.
    """

    name: str
    line: int
    fields: tuple[Parameter, ...]


class Variable(NamedTuple):
    """A variable outside functions. Tables of operations are these: type and ("list", ...)."""

    name: str
    line: int
    type: str
    value: Expr | None = None
    static: bool = False


@dataclass(frozen=True, slots=True)
class FileFacts:
    """All of one file.

    Attributes:
        path: relative to the root of the tree, with slashes.
        size: bytes read.
        prototypes: types of functions that are declared only, by name: (returns, parameter types).
        typedefs: (name, type).
        top: calls of macros outside functions, such as `MODULE_...` and `DEFINE_MUTEX(x)`, with
            line, name and arguments.
        includes: as written, with quotes or angle brackets.
        flaws: (line, bytes) of stretches that were not understood.
        trouble: one sentence if the file could not be used, or only a part of it.
        makers: of a header the macros that may define something for whoever includes it: name,
            parameters, and the body as tokens with blanks between.
        wants: what stands outside functions and is a call of a macro that the file does not
            define: line, name, the whole item as tokens with blanks between, the `#if` texts.
    """

    path: str
    size: int = 0
    functions: tuple[Function, ...] = ()
    macros: tuple[Macro, ...] = ()
    structs: tuple[Struct, ...] = ()
    variables: tuple[Variable, ...] = ()
    prototypes: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    typedefs: tuple[tuple[str, str], ...] = ()
    top: tuple[tuple[int, str, tuple[Expr, ...]], ...] = ()
    includes: tuple[str, ...] = ()
    flaws: tuple[tuple[int, int], ...] = ()
    trouble: str = ""
    makers: tuple[tuple[str, tuple[str, ...], str], ...] = ()
    wants: tuple[tuple[int, str, str, tuple[str, ...]], ...] = ()
