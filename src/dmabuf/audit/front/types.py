"""Types and declarators: what a name in a declaration is, as text in one form."""

from __future__ import annotations

import functools

from dmabuf.audit.front.facts import Parameter, Struct
from dmabuf.audit.front.reader import DEPTH, Lost, Reader
from dmabuf.audit.front.words import (
    ATTRIBUTE_CALLS,
    ATTRIBUTES,
    KEYWORDS,
    NUMERIC,
    QUALIFIERS,
    TYPES,
)

__all__ = ["Declared", "TypeReader"]

_TAGGED = ("struct", "union", "enum")
_CLEANUPS = ("__free", "__cleanup", "__no_free_ptr_attr")
_ASSEMBLER = ("asm", "__asm__")
_BEGINNINGS = frozenset((*_CLEANUPS, *ATTRIBUTES, *_ASSEMBLER))
_TYPEOF = ("typeof", "__typeof__", "typeof_unqual", "_Atomic")
_SPECIFIERS = _BEGINNINGS.union(QUALIFIERS, _TAGGED, _TYPEOF, NUMERIC)
_AFTER_STARS = _BEGINNINGS.union(QUALIFIERS)


class Declared:
    """What a declarator says: a name, its type, parameters of a function, what cleans it up."""

    __slots__ = ("cleanup", "name", "parameters", "type")

    def __init__(
        self,
        name: str,
        kind: str,
        parameters: tuple[Parameter, ...] | None = None,
        cleanup: str = "",
    ) -> None:
        self.name = name
        self.type = kind
        self.parameters = parameters
        self.cleanup = cleanup


def _typed(base: str, text: str) -> str:
    return f"{base} {text}" if text else base


class TypeReader(Reader):
    """Reads specifiers, declarators, parameters and the bodies of structs."""

    __slots__ = ("cleanup", "scope", "storage", "structs")

    def begin(self) -> None:
        """Make ready for a declaration that belongs to nothing."""
        self.structs: list[Struct] = []
        self.storage: set[str] = set()
        self.scope = ""
        self.cleanup = ""

    # -- specifiers -------------------------------------------------------------------------------

    def specifiers(self) -> str:
        """The type that a declaration begins with: `struct foo`, `unsigned long`, `u32`."""
        base: list[str] = []
        while True:
            token = self.tokens[self.at]
            if token not in _SPECIFIERS or not self._specifier(token, base):
                if not _is_name(token) or (base and not self._is_better(base)):
                    break
                base = [token]
                self.at += 1
        if not base:
            if "__auto_type" in self.storage or "auto" in self.storage:
                return "auto"
            raise Lost
        return " ".join(base)

    def _specifier(self, token: str, base: list[str]) -> bool:
        """Read a word that always belongs to a type, or an attribute; False if it is none here."""
        if token in QUALIFIERS:
            self.storage.add(token)
            self.at += 1
        elif token in _TAGGED:
            base.append(self._tagged(token))
        elif token in NUMERIC:
            base.append(token)
            self.at += 1
        elif token in _TYPEOF:
            base.append(self._typeof())
        else:
            return self.attribute()
        return True

    def _is_better(self, base: list[str]) -> bool:
        """Whether what was taken for the type is an attribute: two more words stand behind it."""
        if len(base) > 1 or not (base[0].isupper() or base[0].startswith("__")):
            return False
        if base[0] in TYPES or not _is_name(base[0]):
            return False
        after = self.tokens[self.at + 1]
        return (_is_name(after) or after == "*") and after not in ATTRIBUTES

    def _typeof(self) -> str:
        start = self.at
        self.at = self.closing(start + 1) + 1
        return self.text(start, self.at)

    def attribute(self) -> bool:
        """Step over an attribute, if one stands here; note what cleans a variable up."""
        token = self.tokens[self.at]
        if token not in _BEGINNINGS:
            return False
        if token in _CLEANUPS and self.tokens[self.at + 1] == "(":
            end = self.closing(self.at + 1)
            self.cleanup = self.text(self.at + 2, end)
            self.at = end + 1
            return True
        if token in ATTRIBUTES:
            self.at += 1
            if token in ATTRIBUTE_CALLS and self.tokens[self.at] == "(":
                self.at = self.closing(self.at) + 1
            return True
        if token in _ASSEMBLER and self.tokens[self.at + 1] == "(":
            self.at = self.closing(self.at + 1) + 1
            return True
        return False

    def attributes(self) -> None:
        """Step over all attributes that stand here."""
        while self.tokens[self.at] in _BEGINNINGS and self.attribute():
            pass

    def trailing(self) -> None:
        """Step over what stands behind a declarator: attributes, known ones or not."""
        while self.attribute() or _is_name(self.tokens[self.at]):
            if _is_name(self.tokens[self.at]) and self.tokens[self.at] not in ATTRIBUTES:
                self.at += 1
                if self.tokens[self.at] == "(":
                    self.at = self.closing(self.at) + 1

    def _tagged(self, word: str) -> str:
        line = self.lines[self.at]
        self.at += 1
        self.attributes()
        tag = ""
        if _is_name(self.tokens[self.at]):
            tag = self.tokens[self.at]
            self.at += 1
            self.attributes()
        if self.tokens[self.at] != "{":
            return f"{word} {tag}"
        end = self.closing(self.at)
        if word == "enum":
            self.at = end + 1
            return f"enum {tag}".rstrip()
        return self._body(word, tag, line, end)

    # -- structs ----------------------------------------------------------------------------------

    def _body(self, word: str, tag: str, line: int, end: int) -> str:
        """Read a struct's fields; what it is called is known only after it if it has no tag."""
        scope, storage = self.scope, self.storage
        self.depth += 1
        if self.depth > DEPTH:
            raise Lost
        name = f"{word} {tag}" if tag else self._later(word, end)
        self.scope = scope if name == "?" else name
        self.at += 1
        fields = self._fields(end)
        self.at = end + 1
        self.depth -= 1
        self.scope, self.storage = scope, storage
        self.attributes()
        self.structs.append(Struct(name, line, fields))
        return name

    def _later(self, word: str, end: int) -> str:
        """The name of an untagged struct: that of the field or type it is declared for, or "?"."""
        at = end + 1
        while self.tokens[at] in ATTRIBUTES or self.tokens[at] in ("*", "const"):
            at += 1
            if self.tokens[at] == "(":
                at = self.closing(at) + 1
        name = self.tokens[at]
        if not _is_name(name):
            return "?"
        if "typedef" in self.storage and not self.scope:
            return name if self.tokens[at - 1] != "*" else f"{word} {name}"
        return f"{word} {self.scope.split(' ')[-1]}.{name}"

    def _fields(self, end: int) -> tuple[Parameter, ...]:
        fields: list[Parameter] = []
        while self.at < end:
            token = self.tokens[self.at]
            if token == ";" or token[0] == "#":
                self.at += 1
                continue
            start = self.at
            try:
                self._field(fields)
            except Lost:
                self.at = max(self.at, start)
                self.skip(end)
                self.unknown(start, self.at)
        self.at = end
        return tuple(fields)

    def _field(self, fields: list[Parameter]) -> None:
        if self._field_macro(fields):
            return
        before = len(self.structs)
        self.storage = set()
        base = self.specifiers()
        if self.tokens[self.at] == ";" and len(self.structs) > before:
            inner = self.structs[-1]
            if base[-1] == "?":
                del self.structs[-1]
                fields.extend(inner.fields)
            elif (
                self.tokens[self.at - 1] == "}"
            ):  # -fms-extensions, or a type that is only declared here
                fields.extend(inner.fields)
            self.at += 1
            return
        while True:
            one = self.declarator(base)
            if self.tokens[self.at] == ":":
                self.at += 1
                while self.tokens[self.at] not in (",", ";", "", "}"):
                    self.at += 1
            self.trailing()
            fields.append(Parameter(one.name, one.type))
            if self.tokens[self.at] != ",":
                break
            self.at += 1
        self.expect(";")

    def _field_macro(self, fields: list[Parameter]) -> bool:
        """Macros in place of a field: `DECLARE_BITMAP(x, n);`, `struct_group(x, ...)`."""
        name = self.tokens[self.at]
        if self.tokens[self.at + 1] == "}" and name.isupper():
            self.at += 1
            return True
        if self.tokens[self.at + 1] != "(" or name in TYPES or name in ATTRIBUTES:
            return False
        end = self.closing(self.at + 1)
        after = self.tokens[end + 1]
        if after == "(" or (_is_name(after) and not name.isupper()):
            return False
        argument = self.tokens[self.at + 2]
        if name.startswith("struct_group"):
            self._group(name, fields, end)
        elif name in ("DECLARE_BITMAP", "DECLARE_KFIFO", "DECLARE_HASHTABLE", "DECLARE_FLEX_ARRAY"):
            flex = name == "DECLARE_FLEX_ARRAY"
            kind = (
                self.text(self.at + 2, self._comma(self.at + 2, end)) if flex else "unsigned long"
            )
            field = self.tokens[self._comma(self.at + 2, end) + 1] if flex else argument
            fields.append(Parameter(field, f"{kind} []"))
        else:
            fields.append(Parameter(argument if end == self.at + 3 else "", name))
        self.at = end + 1
        if self.tokens[self.at] == ";":
            self.at += 1
        return True

    def _group(self, name: str, fields: list[Parameter], end: int) -> None:
        """`struct_group(name, fields)`, `struct_group_tagged(tag, name, fields)`."""
        commas = {"struct_group": 1, "struct_group_tagged": 2, "struct_group_attr": 2}.get(name, 1)
        self.at += 2
        for _ in range(commas):
            self.at = self._comma(self.at, end) + 1
        fields.extend(self._fields(end))

    def _comma(self, at: int, end: int) -> int:
        """Where the next comma at this level is, or `end`."""
        while at < end and self.tokens[at] != ",":
            at = self.match.get(at, at) + 1
        return min(at, end)

    def skip(self, end: int) -> None:
        """Step behind the next semicolon at this level, or to `end`."""
        while self.at < end:
            token = self.tokens[self.at]
            self.at = min(self.match.get(self.at, self.at) + 1, end)
            if token == ";":
                return

    # -- declarators ------------------------------------------------------------------------------

    def declarator(self, base: str) -> Declared:
        """A name with what makes a pointer, an array or a function of it."""
        self.cleanup = ""
        name, text, parameters, returns = self._declarator()
        if parameters is not None:
            return Declared(name, _typed(base, returns), parameters, self.cleanup)
        return Declared(name, _typed(base, text), None, self.cleanup)

    def _declarator(self) -> tuple[str, str, tuple[Parameter, ...] | None, str]:
        """The name, the abstract type, and for a function its parameters and what it returns."""
        stars = self._stars()
        name = inner = ""
        nested = False
        token = self.tokens[self.at]
        if token == "(" and self._is_nested():
            nested = True
            self.depth += 1
            if self.depth > DEPTH:
                raise Lost
            self.at += 1
            name, inner, _, _ = self._declarator()
            self.depth -= 1
            self.expect(")")
        elif _is_name(token):
            name = token
            self.at += 1
        self.attributes()
        suffix, parameters = "", None
        if self.tokens[self.at] in ("[", "("):
            suffix, parameters = self._suffixes(plain=not nested)
        if nested:
            return name, f"{stars}({inner}){suffix}" if suffix else stars + inner, None, ""
        return name, stars + suffix, parameters, stars

    def _stars(self) -> str:
        stars = 0
        while True:
            token = self.tokens[self.at]
            if token == "*":
                stars += 1
                self.at += 1
            elif token not in _AFTER_STARS:
                return "*" * stars
            elif token in QUALIFIERS:
                self.at += 1
            elif not self.attribute():
                return "*" * stars

    def _is_nested(self) -> bool:
        """Whether the parenthesis holds a declarator, and not parameters."""
        after = self.tokens[self.at + 1]
        if after == "*" or after in ATTRIBUTES:
            return True
        return (
            _is_name(after) and after not in TYPES and self.tokens[self.at + 2] in (")", "[", "(")
        )

    def _suffixes(self, plain: bool) -> tuple[str, tuple[Parameter, ...] | None]:
        suffix = ""
        parameters: tuple[Parameter, ...] | None = None
        while True:
            if self.tokens[self.at] == "[":
                end = self.closing(self.at)
                suffix += self.text(self.at, end + 1)
                self.at = end + 1
            elif self.tokens[self.at] == "(":
                found = self.parameters()
                if plain and not suffix:
                    parameters = found
                suffix += "(" + ", ".join(one.type for one in found) + ")" if found else "(void)"
            else:
                break
            self.attributes()
        return suffix, parameters

    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters of a function, from its `(` to behind its `)`."""
        end = self.closing(self.at)
        self.at += 1
        found: list[Parameter] = []
        storage, cleanup = self.storage, self.cleanup
        while self.at < end:
            start = self.at
            try:
                found.append(self._parameter())
            except Lost:
                found.append(Parameter("", "?"))
                self.unknown(start, max(self.at, start + 1))
            self.at = self._comma(max(self.at, start), end) + 1
        self.at = end + 1
        self.storage, self.cleanup = storage, cleanup
        if len(found) == 1 and found[0].type == "void":
            return ()
        return tuple(found)

    def _parameter(self) -> Parameter:
        if self.tokens[self.at] == "...":
            self.at += 1
            return Parameter("", "...")
        base = self.specifiers()
        one = self.declarator(base)
        if one.parameters is not None:  # a function as a parameter is a pointer to it
            arguments = ", ".join(each.type for each in one.parameters) or "void"
            return Parameter(one.name, f"{one.type} (*)({arguments})")
        return Parameter(one.name, one.type)

    def type_name(self, end: int) -> str:
        """The type that stands from here up to `end`; raises Lost if that is none."""
        storage = self.storage
        base = self.specifiers()
        one = self.declarator(base)
        self.storage = storage
        if self.at != end or one.name:
            raise Lost
        if one.parameters is not None:
            return f"{one.type} ({', '.join(each.type for each in one.parameters) or 'void'})"
        return one.type


@functools.lru_cache(maxsize=1 << 14)
def _is_name(token: str) -> bool:
    return (token[:1].isalpha() or token[:1] == "_") and token not in KEYWORDS
