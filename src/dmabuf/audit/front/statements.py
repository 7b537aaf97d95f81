"""Statements of C as a line of instructions.

What cannot be read is skipped up to the next semicolon of the same block: it becomes UNKNOWN, with
the names of what it calls kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dmabuf.audit.front.code import (
    ASSEMBLER,
    BLOCK,
    BREAK,
    CASE,
    CONTINUE,
    DECLARE,
    ELSE,
    END,
    GOTO,
    IF,
    LABEL,
    LOOP,
    RETURN,
    SWITCH,
    Code,
    Expr,
)
from dmabuf.audit.front.macro_statements import MacroStatementReader, leaves
from dmabuf.audit.front.packing import DEEPEST, is_deep
from dmabuf.audit.front.reader import DEPTH, Lost
from dmabuf.audit.front.words import ATTRIBUTES, KEYWORDS, QUALIFIERS, TYPES

__all__ = ["StatementReader"]

_NOTHING: Expr = ("?", "")
_ONE: Expr = ("number", 1)
_AFTER_NAME: Final = frozenset((";", "=", ",", "[", ")", "__free", "__cleanup", ":"))


class StatementReader(MacroStatementReader):
    """Reads the bodies of functions."""

    __slots__ = ()

    def body(self, start: int, end: int) -> Code:
        """The instructions of the block whose braces are at `start` and `end`."""
        self.code = []
        self.begin()
        self.forks = []
        self.depth = 0
        self.at = start
        self.compound()
        self.at = end + 1
        return tuple(self.code)

    def compound(self) -> Expr:
        """Read a block; returns the value of its last expression."""
        end = self.closing(self.at)
        self.at += 1
        mark, cleaned, self.cleanup = len(self.code), self.cleanup, ""
        line = self.lines[self.at - 1]
        value = self.statements(end)
        if self.cleanup:
            self.code.insert(mark, (BLOCK, line))
            self.code.append((END, self.lines[end]))
        self.cleanup = cleaned
        self.at = end + 1
        return value

    def statements(self, end: int) -> Expr:
        """All statements up to `end`; returns the value of the last one."""
        value = _NOTHING
        around, self.forks = self.forks, []
        while self.at < end:
            value = self.guarded(end)
        for open_ones in self.forks:  # a conditional does not outlive its block
            self.code.extend(((END, self.lines[end]),) * open_ones)
        self.forks = around
        return value

    def guarded(self, end: int) -> Expr:
        """One statement; if it is not understood, it is noted and skipped."""
        start, depth, mark = self.at, self.depth, len(self.code)
        cleanup, forks, open_ones = self.cleanup, self.forks, self.forks[:]
        try:
            value = self.statement()
            if self.at <= end and not self._is_too_deep(start, mark):
                self.cleanup = self.cleanup or cleanup
                return value
        except Lost:
            pass
        self.depth, self.cleanup, self.forks = depth, cleanup, forks
        forks[:] = open_ones
        del self.code[mark:]
        self.at = start
        self._recover(end)
        return _NOTHING

    def _is_too_deep(self, start: int, mark: int) -> bool:
        """Whether what a long statement left is nothing to recurse over."""
        return self.at - start > DEEPEST and any(map(is_deep, self.code[mark:]))

    def _recover(self, end: int) -> None:
        """Skip a statement that is not understood; a block in it is read for itself."""
        start = self.at
        while self.at < end:
            token = self.tokens[self.at]
            if token == "{" and self.at in self.match and self.depth < DEPTH:
                break
            self.at = min(self.match.get(self.at, self.at) + 1, end)
            if token == ";":
                break
        if self.at > start:
            self.unknown(start, self.at)
            self.salvage(start, self.at)
        if self.tokens[self.at] == "{" and self.at < end and self.at in self.match:
            self.depth += 1
            self._block_in_the_dark(end)
            self.depth -= 1

    def _block_in_the_dark(self, end: int) -> None:
        line = self.lines[self.at]
        self.code.append((IF, line, _NOTHING))
        close = self.closing(self.at)
        try:
            self.compound()
        except Lost:
            self.unknown(self.at, close)
        self.at = min(close + 1, end)
        self.code.append((END, line))

    # -- one statement ----------------------------------------------------------------------------

    def statement(self) -> Expr:
        """One statement; returns its value if it is an expression."""
        token = self.tokens[self.at]
        handler = _STATEMENTS.get(token)
        if handler is not None:
            self.depth += 1
            if self.depth > DEPTH:
                raise Lost
            handler(self)
            self.depth -= 1
            return _NOTHING
        if token[:1] == "#":
            self._conditional(token)
            return _NOTHING
        if self.tokens[self.at + 1] == ":" and self.is_name_here():
            self._label(token)
            return _NOTHING
        if self._is_declaration(token):
            self.declaration()
            return _NOTHING
        return self._expression_statement()

    def _label(self, token: str) -> None:
        self.code.append((LABEL, self.lines[self.at], token))
        self.at += 2
        while self.tokens[self.at] in ATTRIBUTES:
            self.attribute()

    def _conditional(self, token: str) -> None:
        """`#if` between statements: what follows is done under a condition of the configuration."""
        line = self.lines[self.at]
        self.at += 1
        if token.startswith("#if"):
            self.code.append((IF, line, ("?", token)))
            self.forks.append(1)
        elif not self.forks:
            raise Lost
        elif token == "#endif":
            self.code.extend(((END, line),) * self.forks.pop())
        else:
            self.code.append((ELSE, line))
            if token != "#else":
                self.code.append((IF, line, ("?", token)))
                self.forks[-1] += 1

    def _is_declaration(self, token: str) -> bool:
        after = self.tokens[self.at + 1]
        if token in TYPES:
            return True
        if not self.is_name_here():
            return False
        if after[:1].isalpha() or after[:1] == "_":
            return after not in KEYWORDS and not self._is_lone_word(token)
        if after == "*":
            return self._is_pointer_declaration()
        return after == "(" and token in self.types and self.tokens[self.at + 2] == "*"

    def _is_lone_word(self, token: str) -> bool:
        """Whether a macro stands alone in its line, in front of a statement."""
        alone = self.lines[self.at + 1] > self.lines[self.at]
        return alone and token.isupper() and self.tokens[self.at + 2] not in _AFTER_NAME

    def _is_pointer_declaration(self) -> bool:
        """`foo *bar` and what ends or begins a value; as an expression it would be of no use."""
        at = self.at + 1
        while self.tokens[at] == "*" or self.tokens[at] in ("const", "__restrict"):
            at += 1
        name = self.tokens[at]
        if name in ATTRIBUTES:
            return True
        if not (name[:1].isalpha() or name[:1] == "_"):
            return False
        return self.tokens[at + 1] in _AFTER_NAME

    def declaration(self) -> None:
        """Local variables, with their values."""
        outer, self.cleanup = self.cleanup, ""
        if self._is_defining():
            return
        base = self.specifiers()
        cleaned = self.cleanup
        while self.tokens[self.at] != ";":
            line = self.lines[self.at]
            one = self.declarator(base)
            self.attributes()
            cleanup = self.cleanup or cleaned
            outer = outer or cleanup
            self.code.append((DECLARE, line, one.name, one.type, cleanup))
            if self.tokens[self.at] == "=":
                self.at += 1
                self.store(line, ("name", one.name), self.initial())
            if self.tokens[self.at] != ",":
                break
            self.at += 1
        self.cleanup = outer
        self.expect(";")

    def _is_defining(self) -> bool:
        """Step to the macro of `static DEFINE_MUTEX(x);` and read that."""
        at = self.at
        while self.tokens[at] in QUALIFIERS:
            at += 1
        if at == self.at or self.tokens[at] in TYPES or self.tokens[at + 1] != "(":
            return False
        if self.tokens[self.closing(at + 1) + 1] != ";":
            return False
        self.at = at
        self._expression_statement()
        return True

    def _expression_statement(self) -> Expr:
        start = self.at
        if self.tokens[start + 1] == "(" and self.is_name_here() and self.is_macro_statement(start):
            return _NOTHING
        value = self.expression()
        token = self.tokens[self.at]
        if token == ";":
            self.at += 1
        elif not (token == "}" and value[0] == "call") and not self._ends_without(value):
            raise Lost
        return value

    def _ends_without(self, value: Expr) -> bool:
        """A macro may bring its own semicolon: what follows begins a line of its own."""
        if value[0] not in ("call", "name"):
            return False
        return self.lines[self.at] > self.lines[self.at - 1] or self.tokens[self.at][:1] == "#"

    # -- governed statements ----------------------------------------------------------------------

    def inner(self) -> None:
        """The statement that an `if` or a loop governs."""
        if self.tokens[self.at] == "{":
            self.compound()
        else:
            self.statement()

    def _condition(self) -> Expr:
        self.at += 1
        self.expect("(")
        value = self.expression()
        self.expect(")")
        return value

    def _if(self) -> None:
        """`if`, and all `else if` that follow, without recursion."""
        ends = 0
        while True:
            line = self.lines[self.at]
            condition = self._condition()
            self.code.append((IF, line, condition))
            ends += 1
            self.inner()
            if self.tokens[self.at] != "else":
                break
            self.code.append((ELSE, self.lines[self.at]))
            self.at += 1
            if self.tokens[self.at] != "if":
                self.inner()
                break
        line = self.lines[self.at - 1]
        self.code.extend(((END, line),) * ends)

    def _while(self) -> None:
        line = self.lines[self.at]
        condition = self._condition()
        self.code.append((LOOP, line, condition))
        self.inner()
        self.code.append((END, self.lines[self.at - 1]))

    def _for(self) -> None:
        line = self.lines[self.at]
        end = self.closing(self.at + 1)
        self.at += 2
        if self.tokens[self.at] == ";":
            self.at += 1
        elif self._is_declaration(self.tokens[self.at]):
            self.declaration()
        else:
            self.expression()
            self.expect(";")
        condition = _ONE
        if self.tokens[self.at] != ";":
            condition = self.expression()
        self.expect(";")
        self.code.append((LOOP, line, condition))
        mark = len(self.code)
        if self.at < end:
            self.expression()
        steps = self.code[mark:]
        del self.code[mark:]
        self.expect(")")
        self.inner()
        self.code.extend(steps)
        self.code.append((END, self.lines[self.at - 1]))

    def _do(self) -> None:
        """`do ... while (condition)`: done once at least; of `while (0)` only the body remains."""
        line, mark = self.lines[self.at], len(self.code)
        self.code.append((LOOP, line, _ONE))
        self.at += 1
        self.inner()
        if self.tokens[self.at] != "while":
            raise Lost
        last = self.lines[self.at]
        condition = self._condition()
        if self.tokens[self.at] == ";":
            self.at += 1
        if condition in (("number", 0), ("name", "false")):
            if not leaves(self.code, mark + 1):
                del self.code[mark]
                return
            self.code.append((BREAK, last))
        elif condition not in (_ONE, ("name", "true")):
            self.code.append((IF, last, ("unary", "!", condition)))
            self.code.append((BREAK, last))
            self.code.append((END, last))
        self.code.append((END, last))

    def _switch(self) -> None:
        line = self.lines[self.at]
        subject = self._condition()
        self.code.append((SWITCH, line, subject))
        self.inner()
        self.code.append((END, self.lines[self.at - 1]))

    def _case(self) -> None:
        line = self.lines[self.at]
        self.at += 1
        value = self.binary(1)
        if self.tokens[self.at] == "?":
            raise Lost
        if self.tokens[self.at] == "...":
            self.at += 1
            value = ("op", "...", value, self.binary(1))
        self.expect(":")
        self.code.append((CASE, line, value))

    def _default(self) -> None:
        self.code.append((CASE, self.lines[self.at], None))
        self.at += 1
        self.expect(":")

    def _return(self) -> None:
        line = self.lines[self.at]
        self.at += 1
        value = None if self.tokens[self.at] == ";" else self.expression()
        self.expect(";")
        self.code.append((RETURN, line, value))

    def _goto(self) -> None:
        line, label = self.lines[self.at], self.tokens[self.at + 1]
        self.at += 2
        if label == "*":
            self.expression()
            label = "*"
        self.expect(";")
        self.code.append((GOTO, line, label))

    def _break(self) -> None:
        self.code.append((BREAK, self.lines[self.at]))
        self.at += 1
        self.expect(";")

    def _continue(self) -> None:
        self.code.append((CONTINUE, self.lines[self.at]))
        self.at += 1
        self.expect(";")

    def _assembler(self) -> None:
        start = self.at
        while self.tokens[self.at] not in (";", ""):
            self.at = self.match.get(self.at, self.at) + 1
        self.code.append((ASSEMBLER, self.lines[start], self.text(start, self.at)))
        self.expect(";")

    def _nothing(self) -> None:
        self.at += 1

    def _block(self) -> None:
        self.compound()

    def _skip_word(self) -> None:
        """`fallthrough;`, `__label__ x;`."""
        while self.tokens[self.at] not in (";", ""):
            self.at += 1
        self.expect(";")


_STATEMENTS: Final[dict[str, Callable[[StatementReader], None]]] = {
    "if": StatementReader._if,
    "while": StatementReader._while,
    "for": StatementReader._for,
    "do": StatementReader._do,
    "switch": StatementReader._switch,
    "case": StatementReader._case,
    "default": StatementReader._default,
    "return": StatementReader._return,
    "goto": StatementReader._goto,
    "break": StatementReader._break,
    "continue": StatementReader._continue,
    "asm": StatementReader._assembler,
    "__asm__": StatementReader._assembler,
    "__asm": StatementReader._assembler,
    "asm_inline": StatementReader._assembler,
    "asm_volatile_goto": StatementReader._assembler,
    "asm_goto_output": StatementReader._assembler,
    "{": StatementReader._block,
    ";": StatementReader._nothing,
    "fallthrough": StatementReader._skip_word,
    "__label__": StatementReader._skip_word,
}
