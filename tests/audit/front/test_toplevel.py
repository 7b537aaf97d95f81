"""What stands outside of functions."""

import pytest

from tests.audit.front.snippets import facts, function, listing, spelt


def test_function_has_parameters_and_place():
    """Types are in one form; lines count from 1."""
    found = function(
        "\nstatic __must_check struct foo *\nf(struct bar *b, const u32 __user *p,\n"
        "  void (*done)(struct foo *, int), char c[4], ...)\n{\n}\n"
    )

    assert (found.name, found.line, found.end, found.static) == ("f", 2, 6, True)
    assert found.returns == "struct foo *"
    assert [tuple(one) for one in found.parameters] == [
        ("b", "struct bar *"),
        ("p", "u32 *"),
        ("done", "void (*)(struct foo *, int)"),
        ("c", "char [4]"),
        ("", "..."),
    ]


@pytest.mark.parametrize(
    "head",
    [
        "int f(void)",
        "__printf(1, 2) int f(void)",
        "int __sched f(void)",
        "noinline_for_stack int f(void) __acquires(x)",
        "asmlinkage __visible int f(void)",
        "EXPORTED int f(void)",
        "__attribute__((nonnull)) int f(void)",
        "int\nf(void)\n__must_hold(&x->lock)",
        "extern inline int f(void)",
    ],
    ids=range(9),
)
def test_attributes_do_not_hide_a_function(head):
    """Whatever the kernel writes in front of a name or behind its parameters."""
    found = function(head + "\n{ g(); }\n")

    assert (found.name, found.parameters) == ("f", ())
    assert listing(found.code) == ["CALL g()"]


def test_system_call_is_a_function():
    """SYSCALL_DEFINEn makes pairs of types and names."""
    found = function("SYSCALL_DEFINE2(foo, int, a, const char __user *, b)\n{ return g(a); }\n")

    assert (found.name, found.returns) == ("sys_foo", "long")
    assert [tuple(one) for one in found.parameters] == [("a", "int"), ("b", "char *")]


def test_structs_have_fields_of_their_own():
    """Anonymous parts count as the outer's; a named one is a type of its own."""
    found = facts(
        "struct foo {\n\tint a:3, b;\n\tstruct { int c; } in;\n"
        "\tunion { u32 x; struct bar *y; };\n\tvoid (*cb)(struct work_struct *w);\n"
        "\tDECLARE_BITMAP(mask, 10);\n\tstruct list_head head __aligned(8);\n} __packed;\n"
    ).structs

    assert {one.name: dict(one.fields) for one in found} == {
        "struct foo.in": {"c": "int"},
        "struct foo": {
            "a": "int",
            "b": "int",
            "in": "struct foo.in",
            "x": "u32",
            "y": "struct bar *",
            "cb": "void (*)(struct work_struct *)",
            "mask": "unsigned long []",
            "head": "struct list_head",
        },
    }


def test_typedef_names_an_untagged_struct():
    """It has that name alone; other typedefs say what they stand for."""
    found = facts("typedef struct { int a; } foo_t;\ntypedef int (*fn)(foo_t *);\n")

    assert [one.name for one in found.structs] == ["foo_t"]
    assert found.typedefs == (("fn", "int (*)(foo_t *)"),)


def test_prototypes_are_kept():
    """Functions that are declared only."""
    found = facts("extern int f(struct foo *f, u32 *);\nvoid g(void), h(int);\n")

    assert found.prototypes == (
        ("f", "int", ("struct foo *", "u32 *")),
        ("g", "void", ()),
        ("h", "void", ("int",)),
    )


def test_variables_are_kept():
    """Tables, arrays of tables, and what has no value; `extern` ones are elsewhere."""
    found = facts("static struct foo *tab[] = { &a, &b };\nint x, *y;\nextern int z;\n").variables

    assert [(one.name, one.type, one.static) for one in found] == [
        ("tab", "struct foo *[]", True),
        ("x", "int", False),
        ("y", "int *", False),
    ]
    assert spelt(found[0].value) == "{=&a, =&b}"


def test_macro_calls_outside_functions_are_kept():
    """With or without a semicolon."""
    found = facts('MODULE_LICENSE("GPL");\nEXPORT_SYMBOL(f)\nstatic DEFINE_MUTEX(lock);\nint x;\n')

    assert [(line, name, spelt(given[0])) for line, name, given in found.top] == [
        (1, "MODULE_LICENSE", "string<GPL>"),
        (2, "EXPORT_SYMBOL", "f"),
        (3, "DEFINE_MUTEX", "lock"),
    ]
    assert [one.name for one in found.variables] == ["x"]


def test_includes_are_kept():
    """As they are written."""
    assert facts('#include <a/b.h>\n# include "c.h"\n').includes == ("<a/b.h>", '"c.h"')


def test_macro_that_defines_functions_is_expanded():
    """A macro of the file with a body of a function; also one that calls such a one."""
    found = facts(
        "#define MAKE(n, id) \\\nstatic void add_##n(int x) \\\n{ \\\n\tpush(id, #n, x); \\\n}\n"
        "#define PAIR(n) MAKE(n, 1) MAKE(n##_b, 2)\nMAKE(a, 0)\nPAIR(c);\nint f(void) { g(); }\n"
    )

    assert [(one.name, one.line) for one in found.functions] == [
        ("add_a", 7),
        ("add_c", 8),
        ("add_c_b", 8),
        ("f", 9),
    ]
    assert listing(found.functions[2].code) == ["CALL push(2, string<c_b>, x)"]


def test_macro_that_defines_tables_is_expanded():
    """With what stands for the rest of its arguments."""
    (table,) = facts(
        "#define OPS(n, ...) static struct ops n##_ops = { .run = n##_run, __VA_ARGS__ };\n"
        "OPS(q, .stop = s, .x = y);\n"
    ).variables

    assert (table.name, spelt(table.value)) == ("q_ops", "{.run=q_run, .stop=s, .x=y}")


@pytest.mark.parametrize(
    "text",
    [
        "#define A(x) A(x) int f##x(void) { }\nA(1)\n",
        "#define A(x) B(x) B(x) {}\n#define B(x) C(x) C(x) {}\n#define C(x) A(x) A(x) {}\nA(1)\n",
        "#define A(x) x x x x x x x x x x x x x x x x x x x x int f(void) { }\n"
        + "A(" * 30
        + "1"
        + ")" * 30
        + "\n",
    ],
    ids=["itself", "each other", "growing"],
)
def test_macros_that_never_end_are_cut(text):
    """Expansion is bounded, and what follows is read."""
    found = facts(text + "int last(void) { }\n")

    assert found.functions[-1].name == "last"


# -- conditionals -----------------------------------------------------------------------------


def test_functions_know_their_conditions():
    """Those around them, outermost first, but not the guard of a header."""
    found = facts(
        "#ifndef H\n#define H\n#ifdef CONFIG_A\nint f(void) { }\n#if B\nint g(void) { }\n#endif\n"
        "#else\nint h(void) { }\n#endif\nint i(void) { }\n#endif\n"
    ).functions

    assert {one.name: one.conditions for one in found} == {
        "f": ("ifdef CONFIG_A",),
        "g": ("ifdef CONFIG_A", "if B"),
        "h": ("!ifdef CONFIG_A",),
        "i": (),
    }


def test_conditional_statements_are_branches():
    """`#if` between statements is an IF whose condition is that of the configuration."""
    found = function(
        "int f(void)\n{\n#ifdef A\n\ta();\n\treturn 1;\n#elif defined(B)\n\tb();\n#else\n\tc();\n"
        "#endif\n\td();\n}\n"
    )

    assert listing(found.code) == [
        "IF ?<#ifdef A>",
        "CALL a()",
        "RETURN 1",
        "ELSE",
        "IF ?<#elif defined(B)>",
        "CALL b()",
        "ELSE",
        "CALL c()",
        "END",
        "END",
        "CALL d()",
    ]


def test_alternatives_with_open_brackets_cost_the_second():
    """The first is taken, and the bytes of the others are counted as lost."""
    found = facts(
        "int f(void)\n{\n#ifdef A\n\tif (a) {\n#else\n\tif (b) {\n#endif\n\t\tg();\n\t}\n}\n"
    )

    assert listing(found.functions[0].code) == ["IF a", "CALL g()", "END"]
    assert found.flaws == ((5, 11),)
    assert found.functions[0].flaws == 11


def test_conditional_part_of_a_statement_is_taken():
    """One branch is taken as it stands."""
    found = function(
        "int f(void)\n{\n\tif (a\n#ifdef A\n\t    || b\n#endif\n\t   )\n\t\tg();\n"
        "#ifdef B\n\telse\n\t\th();\n#endif\n}\n"
    )

    assert listing(found.code) == ["IF (a || b)", "CALL g()", "ELSE", "CALL h()", "END"]


def test_conditional_items_are_all_taken():
    """Of a table, of an enumeration, of a struct."""
    found = facts(
        "static struct ops t = {\n\t.a = a,\n#ifdef B\n\t.b = b,\n#else\n\t.b = c,\n#endif\n"
        "\t.d = d\n};\n"
        "struct s {\n\tint a;\n#ifdef B\n\tint b;\n#else\n\tint c;\n#endif\n\tint d;\n};\n"
    )

    assert spelt(found.variables[0].value) == "{.a=a, .b=b, .b=c, .d=d}"
    assert [one.name for one in found.structs[0].fields] == ["a", "b", "c", "d"]
    assert found.flaws == ()


def test_what_is_never_built_is_left_out():
    """`#if 0` has no facts, and is no flaw; its `#else` is taken."""
    found = facts(
        "#if 0\nint f(void) { }\n#else\nint g(void) { }\n#endif\n#if 1\nint h(void) { }\n#else\n"
        "int i(void) { }\n#endif\n"
    )

    assert [one.name for one in found.functions] == ["g", "h"]
    assert found.flaws == ()


def test_one_body_or_another():
    """A function whose body is chosen has the first."""
    found = facts("int f(int a)\n#ifdef A\n{ g(); }\n#else\n{ h(); }\n#endif\nint i(void) { }\n")

    assert [one.name for one in found.functions] == ["f", "i"]
    assert listing(found.functions[0].code) == ["CALL g()"]


# -- macros -----------------------------------------------------------------------------------


def macro(text):
    """The one macro of a text."""
    (found,) = facts(text).macros
    return found


def test_macro_that_is_an_expression_has_a_value():
    """With its parameters as plain names."""
    found = macro("#define XE_GFP(x) \\\n\t(GFP_KERNEL | (x))\n")

    assert (found.name, found.line, found.parameters) == ("XE_GFP", 1, ("x",))
    assert spelt(found.value) == "(GFP_KERNEL | x)"


def test_macro_that_is_a_statement_has_code():
    """`do { } while (0)` is its body, in the lines where it stands."""
    found = macro("#define LOCK(x, ...) do { \\\n\tmutex_lock(&(x)->m); \\\n} while (0)\n")

    assert found.parameters == ("x", "__VA_ARGS__")
    assert listing(found.code) == ["CALL mutex_lock(&x.m)"]
    assert found.code[0][1] == 2


def test_macro_pastes_and_quotes():
    """`##` makes one name, `#` a string, `, ##x` vanishes."""
    found = macro("#define M(n, a...) f_##n(#n, ##a)\n")

    assert listing(found.code) == ["CALL f_##n(string<#n>, a)"]


@pytest.mark.parametrize(
    "text",
    ['N "text"', "N", "N __packed", "N struct foo", "N else"],
    ids=range(5),
)
def test_macro_without_code_is_no_macro(text):
    """Strings, types and words are of no interest."""
    assert facts(f"#define {text}\n").macros == ()


@pytest.mark.parametrize(
    ("text", "value"),
    [("N 1", 1), ("N (0x10)", 16), ("N -2", -2), ("N 3UL /* three */", 3)],
    ids=["plain", "hexadecimal", "negative", "with a comment"],
)
def test_macro_of_a_number_is_its_value(text, value):
    """Kinds of memory and limits decide conditions."""
    assert macro(f"#define {text}\n").value == ("number", value)


def test_file_of_registers_has_no_numbers():
    """A file with hundreds of numbers describes a chip: its constants are not kept."""
    text = "".join(f"#define REGISTER_{number} {number}\n" for number in range(400))

    assert facts(text).macros == ()


ENUMS = {
    "counted": ("enum kind { A, B, C };", {"A": 0, "B": 1, "C": 2}),
    "begun anew": ("enum kind { A = 4, B, C = 0x10 };", {"A": 4, "B": 5, "C": 16}),
    "without a tag": ("struct s { enum { A, B } kind; };", {"A": 0, "B": 1}),
    "in a function": ("void f(void)\n{\n\tenum { A = 3 };\n}", {"A": 3}),
    "comma at the end": ("enum kind { A, };", {"A": 0}),
}


@pytest.mark.parametrize("name", ENUMS)
def test_constants_of_an_enum_are_numbers(name):
    """The first is 0, each next one is one more."""
    text, values = ENUMS[name]

    assert {one.name: one.value[1] for one in facts(text).macros} == values


def test_constant_of_an_enum_may_be_worth_another():
    """What is computed from other names is kept as the expression."""
    first, second = facts("enum kind { A = FIRST + 1, B };").macros

    assert first.value == ("op", "+", ("name", "FIRST"), ("number", 1))
    assert second.value == ("op", "+", first.value, ("number", 1))


# -- bytes ------------------------------------------------------------------------------------


def test_carriage_returns_change_nothing():
    """Lines may end as on other systems."""
    text = "#define A(x) \\\n f(x)\nint f(void)\n{\n\tg(); /* a\n b */\n}\n"

    assert facts(text.replace("\n", "\r\n")).functions == facts(text).functions
    assert facts(text.replace("\n", "\r\n")).macros == facts(text).macros


def test_comments_and_strings_are_no_code():
    """Neither looks into the other."""
    found = function(
        'int f(void)\n{\n\tg("/* no */", \'"\', "\\"{"); // } h();\n\t/* " */ i(/* , */ 1);\n}\n'
    )

    assert listing(found.code) == ['CALL g(string</* no */>, 34, string<\\"{>)', "CALL i(1)"]


def test_continued_lines_are_joined():
    """A backslash at the end of a line is nothing."""
    assert listing(function("int f(void)\n{\n\tg(1, \\\n\t  2);\n}\n").code) == ["CALL g(1, 2)"]


def test_macro_outside_functions_may_have_statements():
    """They are read in its arguments as in a function."""
    found = facts("TEST(x, { for (;;) { a(); } }, return 1);\nint f(void) { }\n")

    assert [name for _, name, _ in found.top] == ["TEST"]
    assert [one.name for one in found.functions] == ["f"]
