"""Expressions of C as tuples, their calls and assignments as instructions before them.

Binary operators are read by precedence climbing (Richards, 1979): one loop, one call for each
level that really occurs.
"""

from __future__ import annotations

from typing import Final

from dmabuf.audit.front.code import CALL, ELSE, END, IF, SET, Expr
from dmabuf.audit.front.numbers import character, number
from dmabuf.audit.front.reader import DEPTH, Lost
from dmabuf.audit.front.types import TypeReader
from dmabuf.audit.front.words import ATTRIBUTES, KEYWORDS, TYPES, is_type_name

__all__ = ["ExpressionReader"]

_BINARY: Final = {
    "||": 1,
    "&&": 2,
    "|": 3,
    "^": 4,
    "&": 5,
    "==": 6,
    "!=": 6,
    "<": 7,
    ">": 7,
    "<=": 7,
    ">=": 7,
    "<<": 8,
    ">>": 8,
    "+": 9,
    "-": 9,
    "*": 10,
    "/": 10,
    "%": 10,
}
_ASSIGN: Final = frozenset(["=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="])
_POSTFIX: Final = frozenset(("(", "[", "->", ".", "++", "--"))
_PREFIX: Final = frozenset(("!", "~", "-", "+", "*", "&", "++", "--", "&&", "__extension__"))
_ENDS: Final = frozenset((",", ")", ";", "]", "}", ""))
_STATEMENT_WORDS: Final = KEYWORDS - {"sizeof", "_Generic", "_Alignof", "__alignof__"}
_NOTHING: Expr = ("?", "")
_ONE: Expr = ("number", 1)
# How many operators of one level may follow each other: a tuple is as deep as this.
_CHAIN: Final = 150


class ExpressionReader(TypeReader):
    """Reads expressions; a statement in an expression is read by who inherits."""

    __slots__ = ()

    def compound(self) -> Expr:
        """Read `{ ... }` and return the value of its last expression."""
        raise NotImplementedError

    def statement_argument(self, end: int) -> Expr:
        """Read an argument of a macro that is a statement."""
        raise NotImplementedError

    # -- operators --------------------------------------------------------------------------------

    def expression(self) -> Expr:
        """A full expression; of `a, b` the value is `b`."""
        value = self.assignment()
        while self.tokens[self.at] == ",":
            self.at += 1
            value = self.assignment()
        return value

    def assignment(self) -> Expr:
        """An expression without a comma."""
        leaf = self.leaves.get(self.tokens[self.at])
        if leaf is not None and self.tokens[self.at + 1] in _ENDS:  # many are just a name
            self.at += 1
            return leaf
        self.depth += 1
        if self.depth > DEPTH:
            raise Lost
        left = self.binary(1)
        token = self.tokens[self.at]
        if token == "?":
            left = self._choice(left)
            token = self.tokens[self.at]
        if token in _ASSIGN:
            line = self.lines[self.at]
            self.at += 1
            self.store(line, left, self.initial() if token == "=" else self._compute(token, left))
        self.depth -= 1
        return left

    def _compute(self, token: str, left: Expr) -> Expr:
        return ("op", token[:-1], left, self.assignment())

    def initial(self) -> Expr:
        """What a variable is set to: an expression or a list in braces."""
        if self.tokens[self.at] == "{":
            return self.initialiser()
        return self.assignment()

    def store(self, line: int, target: Expr, value: Expr) -> None:
        """Write that `target` gets `value`; a call that has just been made learns where to."""
        if value[0] == "call" and self.code:
            last = self.code[-1]
            if last[0] == CALL and last[2] is value[1] and last[3] is value[2]:
                self.code[-1] = (CALL, last[1], last[2], last[3], target)
        self.code.append((SET, line, target, value))

    def binary(self, level: int) -> Expr:
        """Operators that bind at least as strongly as `level`."""
        left = self.leaves.get(self.tokens[self.at])
        if left is None or self.tokens[self.at + 1] in _POSTFIX:
            left = self.unary()
        else:
            self.at += 1
        links = 0
        while True:
            token = self.tokens[self.at]
            strength = _BINARY.get(token)
            if strength is None or strength < level:
                return left
            if self.tokens[self.at + 1] in _ENDS:
                return self._half(left, token)
            links += 1
            if links > _CHAIN:
                raise Lost
            self.at += 1
            if strength > 2:
                left = ("op", token, left, self.binary(strength + 1))
            else:
                left = self._lazy(left, token, strength)

    def _half(self, left: Expr, token: str) -> Expr:
        """`foo *` as an argument of a macro: a type, or an operator that is handed over."""
        while self.tokens[self.at] == "*":
            token += "*"
            self.at += 1
        if left[0] == "name" and token[0] == "*" and self.tokens[self.at] in _ENDS:
            return ("type", f"{left[1]} {token[1:]}")
        raise Lost

    def _lazy(self, left: Expr, token: str, strength: int) -> Expr:
        """The right side of `&&` and `||` is done only if the left one does not decide."""
        mark, line = len(self.code), self.lines[self.at]
        right = self.binary(strength + 1)
        if len(self.code) > mark:
            guard = left if token == "&&" else ("unary", "!", left)
            self.code.insert(mark, (IF, line, guard))
            self.code.append((END, self.lines[self.at - 1]))
        return ("op", token, left, right)

    def _choice(self, condition: Expr) -> Expr:
        line = self.lines[self.at]
        mark = len(self.code)
        self.at += 1
        yes = condition if self.tokens[self.at] == ":" else self.expression()
        middle = len(self.code)
        self.expect(":")
        no = self.assignment()
        if len(self.code) > mark:
            if len(self.code) > middle:
                self.code.insert(middle, (ELSE, line))
            self.code.insert(mark, (IF, line, condition))
            self.code.append((END, self.lines[self.at - 1]))
        return ("choice", condition, yes, no)

    def unary(self) -> Expr:
        """Prefixes, what they stand before, and what follows that."""
        token = self.tokens[self.at]
        leaf = self.leaves.get(token)
        if leaf is not None:
            self.at += 1
        elif token in _PREFIX:
            return self._prefix(token)
        else:
            leaf = self._primary(token)
        while (token := self.tokens[self.at]) in _POSTFIX:
            if token == "->" or token == ".":
                name = self.tokens[self.at + 1]
                if not (name[:1].isalpha() or name[:1] == "_"):
                    raise Lost
                self.at += 2
                leaf = ("field", leaf, name)
            else:
                leaf = self._postfix(leaf, token)
        return leaf

    def _prefix(self, token: str) -> Expr:
        self.at += 1
        self.depth += 1
        if self.depth > DEPTH:
            raise Lost
        inner = self.unary()
        self.depth -= 1
        if token == "&":
            return ("addr", inner)
        if token == "*":
            return ("deref", inner)
        if token in ("!", "~"):
            return ("unary", token, inner)
        if token == "-":
            return ("number", -inner[1]) if inner[0] == "number" else ("unary", "-", inner)
        if token in ("++", "--"):
            self.code.append((SET, self.lines[self.at - 1], inner, ("op", token[0], inner, _ONE)))
        return inner

    def _postfix(self, leaf: Expr, token: str) -> Expr:
        if token == "(":
            return self.call(leaf)
        self.at += 1
        if token == "[":
            index = self.expression()
            self.expect("]")
            return ("index", leaf, index)
        self.code.append((SET, self.lines[self.at - 1], leaf, ("op", token[0], leaf, _ONE)))
        return leaf

    # -- calls ------------------------------------------------------------------------------------

    def call(self, callee: Expr) -> Expr:
        """A call, from its `(`: its arguments, then the instruction."""
        start = self.at
        line = self.lines[start - 1]
        end = self.closing(start)
        self.at += 1
        arguments: list[Expr] = []
        while self.at < end:
            arguments.append(self._argument(end))
            if self.tokens[self.at] == "," and self.at + 1 == end:
                arguments.append(_NOTHING)
            self.at += 1
        self.at = end + 1
        given = tuple(arguments)
        self.code.append((CALL, line, callee, given, None))
        return ("call", callee, given)

    def _argument(self, end: int) -> Expr:
        """An argument of a call; macros take types, operators, statements and nothing, too."""
        token = self.tokens[self.at]
        leaf = self.leaves.get(token)
        if leaf is not None and self.tokens[self.at + 1] in (",", ")"):  # most are just a name
            self.at += 1
            return leaf
        start, mark, depth = self.at, len(self.code), self.depth
        if token == ",":
            return _NOTHING
        try:
            if token in TYPES and ";" not in self.tokens[start : self._comma(start, end)]:
                value: Expr = ("type", self.type_name(self._comma(start, end)))
            elif token == "{" and ";" not in self.tokens[start : self.closing(start)]:
                value = self.initialiser()
            elif token in _STATEMENT_WORDS or token in TYPES or token == "{":
                value = self.statement_argument(end)
            else:
                value = self.assignment()
            if self.tokens[self.at] == "," or self.at == end:
                return value
        except Lost:
            pass
        self.depth = depth
        stop = self._comma(start, end)
        del self.code[mark:]
        self.salvage(start, stop)
        self.at = stop
        return ("?", self.text(start, min(stop, start + 40)))

    def salvage(self, start: int, end: int) -> None:
        """Keep at least the names of what is called in a stretch that is not understood."""
        for at in range(start, end - 1):
            name = self.tokens[at]
            if self.tokens[at + 1] != "(" or not (name[0].isalpha() or name[0] == "_"):
                continue
            if name not in KEYWORDS and name not in TYPES:
                self.code.append((CALL, self.lines[at], ("name", name), (_NOTHING,), None))

    # -- primaries --------------------------------------------------------------------------------

    def _primary(self, token: str) -> Expr:
        first = token[:1]
        if first == "(":
            return self._parenthesis()
        if first.isalpha() or first in ("_", "$"):
            return self._word(token)
        if first == '"':
            return self._string()
        self.at += 1
        if first == "'":
            return ("number", character(token))
        value = number(token)
        if value is None:
            self.at -= 1
            raise Lost
        leaf = self.leaves[token] = ("number", value)
        return leaf

    def _word(self, token: str) -> Expr:
        if token in ("sizeof", "_Alignof", "__alignof__"):
            return self._sizeof()
        if token in KEYWORDS:
            return self._generic(token)
        if token in TYPES and token not in ("gfp_t", "bool"):
            raise Lost
        self.at += 1
        if self.tokens[self.at][:1] == '"':
            return self._string(token)
        leaf = self.leaves[token] = ("name", token)
        return leaf

    def _generic(self, token: str) -> Expr:
        if token != "_Generic":
            raise Lost
        end = self.closing(self.at + 1)
        self.salvage(self.at + 2, end)
        text = self.text(self.at, min(end + 1, self.at + 40))
        self.at = end + 1
        return ("?", text)

    def _string(self, text: str = "") -> Expr:
        """Strings that follow each other, macros between them."""
        parts = [text]
        while True:
            token = self.tokens[self.at]
            if token[:1] == '"':
                parts.append(token[1:-1])
            elif not self._is_part(token):
                break
            else:
                parts.append(token)
            self.at += 1
        return ("string", "".join(parts))

    def _is_part(self, token: str) -> bool:
        """Whether a macro stands between two strings."""
        if not token[:1].isalpha() or token in KEYWORDS:
            return False
        return self.tokens[self.at - 1][:1] == '"' and self.tokens[self.at + 1] != "("

    def _sizeof(self) -> Expr:
        self.at += 1
        start, mark = self.at, len(self.code)
        if self.tokens[start] == "(":
            end = self.closing(start)
            self.at = end + 1
            return ("sizeof", self.text(start + 1, end))
        self.unary()
        del self.code[mark:]  # not evaluated
        return ("sizeof", self.text(start, self.at))

    def _parenthesis(self) -> Expr:
        start = self.at
        end = self.closing(start)
        if self.tokens[start + 1] == "{":
            self.at += 1
            self.depth += 1
            if self.depth > DEPTH:
                raise Lost
            value = self.compound()
            self.depth -= 1
            self.expect(")")
            return value
        if self._is_cast(start + 1, end):
            return self._cast(start + 1, end)
        self.at += 1
        value = self.expression()
        self.expect(")")
        return value

    def _is_cast(self, start: int, close: int) -> bool:
        """Whether the parenthesis holds a type; names decide, and what follows."""
        while self.tokens[start] in ATTRIBUTES:
            start += 1
        end = close
        while self.tokens[end - 1] in ATTRIBUTES:
            end -= 1
        token = self.tokens[start]
        if token in TYPES:
            return True
        if not (token[0].isalpha() or token[0] == "_") or token in KEYWORDS:
            return False
        after = self.tokens[close + 1]
        if end == start + 1:
            if token in self.types or is_type_name(token):
                return after not in _ENDS and after not in ("->", ".", "?", ":")
            return after[:1].isalnum() or after[:1] in ("_", '"', "~", "!", "{", "'")
        if self.tokens[end - 1] == "*":
            return all(
                self.tokens[at] == "*" or self.tokens[at] in ATTRIBUTES
                for at in range(start + 1, end)
            )
        return (
            self.tokens[start + 1] == "("
            and self.tokens[start + 2] == "*"
            and (token in self.types or is_type_name(token))
        )

    def _cast(self, start: int, end: int) -> Expr:
        self.at = start
        kind = self.type_name(end)
        self.at = end + 1
        if self.tokens[self.at] == "{":
            return ("cast", kind, self.initialiser())
        self.depth += 1
        if self.depth > DEPTH:
            raise Lost
        inner = self.unary()
        self.depth -= 1
        return ("cast", kind, inner)

    # -- initialisers -----------------------------------------------------------------------------

    def initialiser(self) -> Expr:
        """A list in braces: `{ .run_job = f, [3] = { 1, 2 } }`."""
        end = self.closing(self.at)
        self.depth += 1
        if self.depth > DEPTH:
            raise Lost
        self.at += 1
        items: list[tuple[tuple[str, ...], Expr]] = []
        while self.at < end:
            token = self.tokens[self.at]
            if token == "," or token[0] == "#":
                self.at += 1
                continue
            items.append(self._entry(end))
        self.at = end + 1
        self.depth -= 1
        return ("list", tuple(items))

    def _entry(self, end: int) -> tuple[tuple[str, ...], Expr]:
        start, depth = self.at, self.depth
        try:
            if self._is_items(start):
                self.at += 1
                return (), self.call(("name", self.tokens[start]))
            path = self._path()
            value = self.initial()
            if self.tokens[self.at] == "," or self.at == end or self.tokens[self.at][:1] == "#":
                return path, value
            path = ()
        except Lost:
            path = ()
        self.depth = depth
        stop = self._comma(start, end)
        if not self._is_macro(start):
            self.flaws += sum(map(len, self.tokens[start:stop]))
        self.at = max(stop, start + 1)
        return path, ("?", self.text(start, min(stop, start + 40)))

    def _is_items(self, at: int) -> bool:
        """Whether a macro stands here for whole items: the next one follows without a comma."""
        if not self._is_macro(at):
            return False
        after = self.closing(at + 1) + 1
        return self.tokens[after] == "." or self._is_macro(after)

    def _is_macro(self, at: int) -> bool:
        """Whether a macro stands for whole items (`MACRO(x) MACRO(y)`, no comma between them)."""
        return self.tokens[at + 1] == "(" and (
            self.tokens[at][0].isalpha() or self.tokens[at][0] == "_"
        )

    def _path(self) -> tuple[str, ...]:
        """`.ops.prepare =`, `[3] =`, `[0 ... 4] =`, and `name:` of old."""
        path: list[str] = []
        while True:
            token = self.tokens[self.at]
            if token == ".":
                path.append("." + self.tokens[self.at + 1])
                self.at += 2
            elif token == "[":
                end = self.closing(self.at)
                path.append(self.text(self.at, end + 1))
                self.at = end + 1
            else:
                break
        if path and self.tokens[self.at] == "=":
            self.at += 1
        elif not path and self.tokens[self.at + 1] == ":" and self.tokens[self.at][:1].isalpha():
            path.append("." + self.tokens[self.at])
            self.at += 2
        return tuple(path)
