"""Macros that stand where a statement does: guards, loops, and what governs a block."""

from __future__ import annotations

from typing import Final

from dmabuf.audit.front.code import (
    BLOCK,
    BREAK,
    CALL,
    CONTINUE,
    DECLARE,
    END,
    IF,
    LOOP,
    SWITCH,
    Expr,
    Instruction,
)
from dmabuf.audit.front.expressions import ExpressionReader
from dmabuf.audit.front.words import LOOP_NAME

__all__ = ["MacroStatementReader", "leaves"]

_NOTHING: Expr = ("?", "")
# What a jump leaves, so that it does not leave what lies around that.
_LEFT_BY: Final = {BREAK: {LOOP, SWITCH}, CONTINUE: {LOOP}}


class MacroStatementReader(ExpressionReader):
    """Reads `guard(x)(y);`, `for_each(...) {`, `scoped_guard(x, y) {` and their like."""

    __slots__ = ()

    def statement(self) -> Expr:
        """Read one statement; returns its value if it is an expression."""
        raise NotImplementedError

    def inner(self) -> None:
        """Read the statement that something governs."""
        raise NotImplementedError

    def is_name_here(self) -> bool:
        """Whether the token here begins like a name."""
        token = self.tokens[self.at]
        return token[0].isalpha() or token[0] == "_"

    def is_macro_statement(self, start: int) -> bool:
        """Read `guard(x)(y);`, `for_each(...) {`, `scoped_guard(x, y) {`, if one stands here."""
        name = self.tokens[start]
        end = self.closing(start + 1)
        after = self.tokens[end + 1]
        if name == "guard" and after == "(":
            self.cleanup = "guard"
            self._guard(start, end)
            self.expect(";")
            return True
        if name == "CLASS" and after == "(":
            self._class(end)
            return True
        if name.startswith("scoped_") and "guard" in name:
            self._scoped(start, end)
            return True
        if after == "{" or self._begins_statement(end):
            self._block_macro(name, start)
            return True
        return False

    def _begins_statement(self, end: int) -> bool:
        """Whether a statement follows on the `)` at `end`, so that a macro governs it."""
        after = self.tokens[end + 1]
        if not (after[:1].isalpha() or after[:1] in ("_", "*", "(", "+", "-")) or after == "else":
            return False
        if after in ("*", "(", "+", "-") and self.lines[end + 1] == self.lines[end]:
            return False
        name = self.tokens[self.at]
        return LOOP_NAME(name) is not None or name.startswith("with_")

    def _guard(self, start: int, end: int) -> None:
        kind: Expr = ("name", self.text(start + 2, end))
        self.at = end + 1
        self.call(("call", ("name", "guard"), (kind,)))

    def _class(self, end: int) -> None:
        """`CLASS(name, variable)(arguments);`."""
        line, middle = self.lines[self.at], self._comma(self.at + 2, end)
        kind, variable = self.text(self.at + 2, middle), self.text(middle + 1, end)
        self.cleanup = kind
        self.code.append((DECLARE, line, variable, "auto", kind))
        self.at = end + 1
        made = self.call(("call", ("name", "CLASS"), (("name", kind),)))
        self.store(line, ("name", variable), made)
        self.expect(";")

    def _scoped(self, start: int, end: int) -> None:
        """`scoped_guard(mutex, &x) body`, `scoped_cond_guard(mutex_intr, fail, &x) body`."""
        line = self.lines[start]
        self.code.append((BLOCK, line))
        middle = self._comma(start + 2, end)
        kind: Expr = ("name", self.text(start + 2, middle))
        self.at = min(middle + 1, end)
        failed: tuple[int, int] | None = None
        if "cond" in self.tokens[start]:
            failed = (self.at, self._comma(self.at, end))
            self.at = min(failed[1] + 1, end)
        arguments: list[Expr] = []
        while self.at < end:
            arguments.append(self._argument(end))
            self.at += 1
        callee: Expr = ("call", ("name", "guard"), (kind,))
        given = tuple(arguments)
        self.code.append((CALL, line, callee, given, None))
        if failed is not None:
            self.at = failed[0]
            self.code.append((IF, line, ("unary", "!", ("call", callee, given))))
            self._statements_to(failed[1])
            self.code.append((END, line))
        self.at = end + 1
        self.inner()
        self.code.append((END, self.lines[self.at - 1]))

    def _block_macro(self, name: str, start: int) -> None:
        """A macro that governs what follows: a loop by its name, else done once."""
        line, mark = self.lines[start], len(self.code)
        self.at = start + 1
        made = self.call(("name", name))
        if LOOP_NAME(name) is not None:
            last = self.code.pop()
            self.code.append((LOOP, line, made))
            self.code.append(last)
        else:
            self.code.insert(mark, (BLOCK, line))
        self.inner()
        self.code.append((END, self.lines[self.at - 1]))

    def statement_argument(self, end: int) -> Expr:
        """A statement as an argument of a macro: whether it is done is the macro's affair.

        A `break` in it leaves a loop of the macro: `nvkm_msec(d, 2000, if (x) break;)`.
        """
        line, mark = self.lines[self.at], len(self.code)
        self._statements_to(self._comma(self.at, end))
        kind = LOOP if leaves(self.code, mark) else IF
        self.code.insert(mark, (kind, line, _NOTHING))
        self.code.append((END, line))
        return _NOTHING

    def _statements_to(self, stop: int) -> None:
        """Read the statements up to `stop` as if they stood alone."""
        token = self.tokens[stop]
        self.tokens[stop] = ";"
        try:
            while self.at < stop:
                self.statement()
        finally:
            self.tokens[stop] = token
        self.at = stop


def leaves(code: list[Instruction], start: int) -> bool:
    """Whether a `break` or `continue` of the loop at hand stands behind `start`."""
    around: list[int] = []
    for instruction in code[start:]:
        kind = instruction[0]
        if kind in (IF, LOOP, SWITCH, BLOCK):
            around.append(kind)
        elif kind == END and around:
            around.pop()
        elif kind in _LEFT_BY and _LEFT_BY[kind].isdisjoint(around):
            return True
    return False
