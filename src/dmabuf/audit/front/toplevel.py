"""What stands outside functions: definitions, declarations, tables, calls of macros."""

from __future__ import annotations

import marshal
import re
from dataclasses import replace

from dmabuf.audit.front.brackets import pair
from dmabuf.audit.front.code import Code, Expr
from dmabuf.audit.front.expand import Definer, expand
from dmabuf.audit.front.facts import Function, Parameter, Struct, Variable
from dmabuf.audit.front.packing import is_deep
from dmabuf.audit.front.reader import Lost
from dmabuf.audit.front.statements import StatementReader
from dmabuf.audit.front.types import Declared
from dmabuf.audit.front.words import ATTRIBUTE_CALLS, ATTRIBUTES, KEYWORDS, QUALIFIERS, TYPES

__all__ = ["FileReader"]

_SYSCALL = re.compile(r"(COMPAT_)?SYSCALL_DEFINE(\d)\Z").match
# Macros outside functions that tell the module's loader, or tracing, and define nothing to follow.
_DULL = (
    *(
        "MODULE_",
        "EXPORT_",
        "module_init",
        "module_exit",
        "module_param",
        "TRACE_",
        "DEFINE_EVENT",
        "DECLARE_",
    ),
    *("IMPORT_NS", "ALLOW_ERROR_INJECTION", "NOKPROBE_SYMBOL", "early_param", "__setup"),
)
_LONGEST = 20_000
# How deep macros may be expanded in each other, and the tokens of a file that come from that.
_DEEPEST = 3
_MOST = 60_000


class FileReader(StatementReader):
    """Reads a whole file."""

    __slots__ = (
        "all_structs",
        "budget",
        "conditions",
        "definers",
        "functions",
        "inside",
        "places",
        "prototypes",
        "top",
        "typedefs",
        "variables",
        "wants",
    )

    def read(
        self, definers: dict[str, Definer], depth: int = 0, budget: list[int] | None = None
    ) -> None:
        """Read all of it; what is found is in the attributes.

        Args:
            definers: macros of the file whose calls outside of functions are expanded.
            depth: how many expansions this is in.
            budget: tokens that expansions may still have, all of the file's together.
        """
        self.definers = definers
        self.inside = depth
        self.budget = [_MOST] if budget is None else budget
        self.functions: list[Function] = []
        self.variables: list[Variable] = []
        self.prototypes: list[tuple[str, str, tuple[str, ...]]] = []
        self.typedefs: list[tuple[str, str]] = []
        self.all_structs: list[Struct] = []
        self.top: list[tuple[int, str, tuple[Expr, ...]]] = []
        self.places: list[tuple[int, int]] = []
        self.wants: list[tuple[int, str, str, tuple[str, ...]]] = []
        self.conditions: list[str] = []
        while self.tokens[self.at]:
            self._item()

    def _item(self) -> None:
        token = self.tokens[self.at]
        if token in (";", "}", ")", "]"):
            if token != ";":
                self.places.append((self.lines[self.at], 1))
            self.at += 1
        elif token[0] == "#" and len(token) > 2:
            self._conditional_item(token)
        elif token == "extern" and self.tokens[self.at + 1][:1] == '"':
            self.at += 2 + (self.tokens[self.at + 2] == "{")
        else:
            start = self.at
            end, body, macro = self._extent()
            self._one(start, end, body, macro)
            self.at = max(end, start + 1)

    def _conditional_item(self, token: str) -> None:
        self.at += 1
        if token.startswith("#if"):
            self.conditions.append(token[1:])
        elif not self.conditions:
            return
        elif token == "#endif":
            self.conditions.pop()
        elif token == "#else":
            self.conditions[-1] = "!" + self.conditions[-1]
        else:
            self.conditions[-1] = token[1:]

    # -- where an item ends -----------------------------------------------------------------------

    def _extent(self) -> tuple[int, int, bool]:
        """Where the item here ends; where its body begins, or 0; whether it is a macro."""
        at = start = self.at
        group = 0
        equal = False
        while True:
            token = self.tokens[at]
            if token == "(" and not equal:
                close = self.match.get(at, at)
                if at == start + 1 and self._is_lone_macro(close):
                    return close + 1, 0, True
                if self.tokens[at - 1] not in ATTRIBUTE_CALLS:
                    group = group or at
                at = close
            elif token == "{":
                if group and not equal and not self._is_struct(at):
                    return self.match.get(at, len(self.lines) - 5) + 1, at, False
                at = self.match.get(at, at)
            elif token == "=":
                equal = True
            elif token == ";":
                return at + 1, 0, False
            elif token in ("", "}") or (token[0] == "#" and len(token) > 2):
                return at, 0, False
            else:
                at = self.match.get(at, at)
            at += 1

    def _is_struct(self, at: int) -> bool:
        """Whether the brace at `at` opens a struct and not a function."""
        back = at - 1
        if self.tokens[back] == ")":
            return False
        return (
            "struct" in self.tokens[max(back - 3, self.at) : at]
            or "union" in self.tokens[max(back - 3, self.at) : at]
        )

    def _is_lone_macro(self, close: int) -> bool:
        """Whether what begins here is a macro without a semicolon; its `)` is at `close`."""
        name, after = self.tokens[self.at], self.tokens[close + 1]
        if name in TYPES or name in ATTRIBUTES or name in KEYWORDS:
            return False
        if after in (";", "{", "=", "[", "(", ",", "__attribute__"):
            return False
        return name in self.definers or after == "" or self.lines[close + 1] > self.lines[close]

    # -- one item ---------------------------------------------------------------------------------

    def _one(self, start: int, end: int, body: int, macro: bool) -> None:
        self.begin()
        self.code, self.depth, self.flaws = [], 0, 0
        self.at = start
        try:
            if body:
                self._function(start, end, body)
            elif macro or self._is_macro_call(end):
                self._macro_call()
            else:
                self._declare(end)
        except Lost:
            self._lose(start, end)
        self.all_structs.extend(self.structs)
        if self.flaws:
            self.places.append((self.lines[start], self.flaws))

    def _lose(self, start: int, end: int) -> None:
        self.flaws = sum(map(len, self.tokens[start:end])) + end - start

    def _function(self, start: int, end: int, body: int) -> None:
        conditions = tuple(self.conditions)
        line = self.lines[start]
        declared, returns = self._head(start, body)
        self.flaws = 0
        static = "static" in self.storage
        head, self.structs = self.structs, []
        code = _counted_from(line, self.body(body, end - 1))
        self.structs = head + self.structs
        self.functions.append(
            Function(
                name=declared.name,
                line=line,
                end=self.lines[end - 1],
                returns=returns,
                parameters=declared.parameters or (),
                body=marshal.dumps(code),
                static=static,
                conditions=conditions,
                flaws=self.flaws,
                fresh=code,
            )
        )

    def _head(self, start: int, body: int) -> tuple[Declared, str]:
        """The declarator of a function and what it returns."""
        if self.tokens[start + 1] == "(" and self.tokens[start] not in TYPES | ATTRIBUTES:
            return self._macro_head(start)
        try:
            base = self.specifiers()
            declared = self.declarator(base)
            if declared.name and declared.parameters is not None:
                return declared, declared.type
        except Lost:
            pass
        return self._guess_head(start, body)

    def _guess_head(self, start: int, body: int) -> tuple[Declared, str]:
        """The last name before parentheses is the function's, whatever the words before are."""
        at, name = start, 0
        while at < body:
            if self.tokens[at] == "(" and at > start and self.tokens[at - 1] not in ATTRIBUTE_CALLS:
                name = name or at - 1
            at = self.match.get(at, at) + 1
        if not name or not (self.tokens[name][0].isalpha() or self.tokens[name][0] == "_"):
            raise Lost
        words = [one for one in self.tokens[start:name] if one not in QUALIFIERS | ATTRIBUTES]
        self.storage = {one for one in self.tokens[start:name] if one in QUALIFIERS}
        returns = " ".join(words).replace("* *", "**")
        self.at = name + 1
        return Declared(self.tokens[name], returns, self.parameters()), returns

    def _macro_head(self, start: int) -> tuple[Declared, str]:
        """`SYSCALL_DEFINE3(name, type, argument, ...)`, or a macro that makes a function's head."""
        word = self.tokens[start]
        end = self.closing(start + 1)
        found = _SYSCALL(word)
        if found is None:
            first = self.tokens[start + 2]
            self.at = start + 1
            name = f"{word}({first})" if end > start + 2 else word
            return Declared(name, "int", ()), "int"
        at = self._comma(start + 2, end)
        parameters: list[Parameter] = []
        for _ in range(int(found.group(2))):
            middle = self._comma(at + 1, end)
            close = self._comma(middle + 1, end)
            kind = " ".join(one for one in self.tokens[at + 1 : middle] if one not in ATTRIBUTES)
            kind = kind.replace("* *", "**").replace("const ", "")
            parameters.append(Parameter(self.text(middle + 1, close), kind))
            at = close
        prefix = "compat_sys_" if found.group(1) else "sys_"
        return Declared(prefix + self.tokens[start + 2], "long", tuple(parameters)), "long"

    def _is_macro_call(self, end: int) -> bool:
        """Whether the item is `NAME(...)` with nothing but a semicolon behind it."""
        name = self.tokens[self.at]
        if self.tokens[self.at + 1] != "(" or name in TYPES or name in ATTRIBUTES:
            return False
        return self.match.get(self.at + 1, 0) >= end - 2

    def _macro_call(self, before: int | None = None) -> None:
        """A macro's call; `before` is where the words in front of it begin."""
        start, line, name = self.at, self.lines[self.at], self.tokens[self.at]
        self.at += 1
        made = self.call(("name", name))
        self.code = []
        self.top.append((line, name, made[2]))
        macro = self.definers.get(name)
        words = self.tokens[before:start] if before is not None else []
        if macro is not None and self.inside < _DEEPEST:
            self._expand(macro, start, line, static="static" in words)
        elif macro is None and not name.startswith(_DULL):
            item = " ".join((*words, *self.tokens[start : self.closing(start + 1) + 1]))
            if len(item) < _LONGEST:
                self.wants.append((line, name, item, tuple(self.conditions)))

    def _expand(self, macro: Definer, start: int, line: int, *, static: bool) -> None:
        """Read what a macro defines as if it stood here; all of it is in the line of the call."""
        end = self.closing(start + 1)
        arguments: list[list[str]] = []
        at = start + 2
        while at <= end:
            stop = self._comma(at, end)
            arguments.append(self.tokens[at:stop])
            at = stop + 1
        tokens = expand(macro, arguments)
        if tokens is None or len(tokens) > self.budget[0]:
            raise Lost
        self.budget[0] -= len(tokens)
        if static and tokens and tokens[0] != "static":
            tokens = ["static", *tokens]
        inner = FileReader(tokens, [line] * len(tokens), pair(tokens), self.types)
        inner.read(self.definers, self.inside + 1, self.budget)
        conditions = tuple(self.conditions)
        self.functions.extend(
            replace(one, conditions=conditions + one.conditions) for one in inner.functions
        )
        self.variables.extend(inner.variables)
        self.prototypes.extend(inner.prototypes)
        self.all_structs.extend(inner.all_structs)
        self.top.extend(inner.top)
        self.places.extend(inner.places)
        self.wants.extend(inner.wants)

    def _declare(self, end: int) -> None:
        """Variables, prototypes, typedefs, structs."""
        if self._defining_macro():
            return
        base = self.specifiers()
        while self.tokens[self.at] not in (";", ""):
            line = self.lines[self.at]
            one = self.declarator(base)
            self.trailing()
            value: Expr | None = None
            if self.tokens[self.at] == "=":
                self.at += 1
                value = self.initial()
                self.code = []
            if is_deep(value):
                raise Lost
            self._note(one, line, value)
            if self.tokens[self.at] != ",":
                break
            self.at += 1
        if self.at < end and self.tokens[self.at] != ";":
            raise Lost

    def _defining_macro(self) -> bool:
        """`static DEFINE_MUTEX(x);`: the words before the macro are of no interest."""
        at = self.at
        while self.tokens[at] in QUALIFIERS or self.tokens[at] in ATTRIBUTES:
            at += 1
        name = self.tokens[at]
        close = self.match.get(at + 1, 0)
        if at == self.at or self.tokens[at + 1] != "(" or name in TYPES or not name[:1].isalpha():
            return False
        if self.tokens[close + 1] not in (";", "="):
            return False
        before, self.at = self.at, at
        self._macro_call(before)
        return True

    def _note(self, one: Declared, line: int, value: Expr | None) -> None:
        if not one.name:
            return
        if "typedef" in self.storage:
            kind = one.type
            if one.parameters is not None:
                kind += f" ({', '.join(each.type for each in one.parameters) or 'void'})"
            if kind != one.name:  # an untagged struct has this name alone
                self.typedefs.append((one.name, kind))
            self.types.add(one.name)
        elif one.parameters is not None:
            self.prototypes.append(
                (one.name, one.type, tuple(each.type for each in one.parameters))
            )
        elif value is not None or "extern" not in self.storage:
            static = "static" in self.storage
            self.variables.append(Variable(one.name, line, one.type, value, static))


def _counted_from(first: int, code: Code) -> Code:
    """Instructions whose lines count from 1, which is a line of the file."""
    return tuple((one[0], one[1] - first + 1, *one[2:]) for one in code)
