"""What a C function does, as a line of instructions; and expressions, as tuples.

Bodies and expressions are plain tuples of strings, numbers and tuples, as a tree has millions of
them: they are written and read by `marshal`, and compare by value. The first item says what it is.

An instruction is `(KIND, line, ...)`; line 1 is the first one of the function or macro, so that a
body stays as it is where lines come before it. Structure stands in the line itself, and IF, LOOP,
SWITCH and BLOCK are closed by END:

=========  ======================================================================================
CALL       callee, arguments, result: the expression called, a tuple of expressions, and the
           expression that takes the value (None if nothing does)
SET        target, value: an assignment; also that of a declaration with a value
DECLARE    name, type, cleanup: a local variable; cleanup is what `__free` or `__cleanup` names,
           or ""
IF         condition; what follows is done where it holds, up to ELSE or END; ("?", "#if ...")
           for a conditional of the preprocessor
ELSE       what follows is done where it does not hold
LOOP       condition; ("number", 1) for one that is left by BREAK only, as `for (;;)`; what a
           `do` loop tests is an IF with a BREAK at its end, and of `do {} while (0)` only the body
           is left. Of a `for_each` macro it is the ("call", ...) of that, and its CALL comes first
           in the loop
SWITCH     subject
CASE       value, None for `default`
BLOCK      a compound statement with variables that are cleaned up at its end (`guard(mutex)(x)`,
           `__free(kfree)`); its END is where they are. Also that of `scoped_guard` and of a macro
           that governs a block and is no loop (`with_...`), with its CALL first
END        closes the innermost
RETURN     value, or None
GOTO       label
LABEL      label
BREAK, CONTINUE
ASSEMBLER  text: not understood, and said so
UNKNOWN    text: a stretch that could not be parsed
=========  ======================================================================================

`guard(mutex)(x)` and `scoped_guard(mutex, x)` are both a CALL of ("call", guard, (mutex,)) with x.
What a value is computed from in `x += y`, `x++` is a SET of x.

Calls stand before the statement that uses their values, in the order of evaluation; in it they are
("call", callee, arguments). What `&&`, `||` and `?:` may leave out stands between IF and END.

An expression is one of:

==================================  ==============================================================
("name", n)                         a variable, a function, a constant
("field", base, n)                  base.n and base->n alike
("index", base, i)
("deref", e) ("addr", e)
("number", value)                   integers and characters
("string", text)
("call", callee, arguments)
("op", sign, left, right)           binary, by its sign: "|", "&", "==", ...
("unary", sign, e)                  "!", "~", "-"
("choice", condition, yes, no)
("cast", type, e)                   types as in `facts`
("sizeof", text)
("type", text)                      a type as an argument of a macro
("list", ((path, value), ...))      an initialiser; path is (".run_job",), ("[3]",) or ()
("?", text)                         not understood
==================================  ==============================================================
"""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = [
    "ASSEMBLER",
    "BLOCK",
    "BREAK",
    "CALL",
    "CASE",
    "CONTINUE",
    "DECLARE",
    "ELSE",
    "END",
    "GOTO",
    "IF",
    "LABEL",
    "LOOP",
    "OPENS",
    "RETURN",
    "SET",
    "SWITCH",
    "UNKNOWN",
    "Code",
    "Expr",
    "Instruction",
]

Expr: TypeAlias = tuple[Any, ...]
Instruction: TypeAlias = tuple[Any, ...]
Code: TypeAlias = tuple[Instruction, ...]

CALL, SET, DECLARE, IF, ELSE, LOOP, SWITCH, CASE, BLOCK, END = range(1, 11)
RETURN, GOTO, LABEL, BREAK, CONTINUE, ASSEMBLER, UNKNOWN = range(11, 18)

OPENS = (IF, LOOP, SWITCH, BLOCK)
"""What an END closes."""
