"""Macros of headers that define functions and tables, in the files that call them."""

import pytest

from dmabuf.audit.front.across import across
from dmabuf.audit.front.extract import extract
from dmabuf.audit.program.program import Program
from tests.audit.fuzz import check_across

HEADER = """
#define DEFINE_SHOW(__name) \\
static int __name##_open(struct file *file) \\
{ \\
	return single_open(file, __name##_show); \\
} \\
static const struct file_operations __name##_fops = { .open = __name##_open, }
#define DEFINE_MUTEX(mutexname) \\
	struct mutex mutexname = __MUTEX_INITIALIZER(mutexname)
#define DEFINE_BOTH(n) DEFINE_SHOW(n); DEFINE_SHOW(n##_more)
#define DEFINE_SPINLOCK(x) spinlock_t x = __SPIN_LOCK_UNLOCKED(x)
#define nothing(x) do { } while (0)
"""


def read(
    text: str, header: str = HEADER, where: str = "include/linux/show.h", path: str = "a/b/c.c"
):
    """The facts of a file, with what the header defines."""
    files = {where: extract(where, header.encode()), path: extract(path, text.encode())}
    return across(files)[path]


def test_macro_of_a_header_is_expanded():
    """Functions and tables stand in the line of the call."""
    found = read("\nDEFINE_SHOW(one);\nint f(void) { }\n")

    assert [("f", 3), ("one_open", 2)] == [(one.name, one.line) for one in found.functions]
    assert [("one_fops", "struct file_operations", True)] == [
        (one.name, one.type, one.static) for one in found.variables
    ]


def test_macro_that_calls_such_a_one_is_expanded():
    """However many it defines."""
    found = read("DEFINE_BOTH(one)\n")

    assert ["one_open", "one_more_open"] == [one.name for one in found.functions]


def test_macro_that_begins_with_a_type_is_expanded():
    """What looks like a type is one."""
    (found,) = read("static DEFINE_SPINLOCK(lock);\n").variables

    assert ("lock", "spinlock_t") == (found.name, found.type)


@pytest.mark.parametrize(("words", "static"), [("static ", True), ("", False)])
def test_words_before_the_macro_count(words, static):
    """`static DEFINE_MUTEX(x);` is a static variable."""
    (found,) = read(f"{words}DEFINE_MUTEX(lock);\n").variables

    assert ("lock", "struct mutex", static) == (found.name, found.type, found.static)


def test_conditions_of_the_call_count():
    """What the macro defines is built where the call is."""
    found = read("#ifdef CONFIG_A\nDEFINE_SHOW(one);\n#endif\n")

    assert [("ifdef CONFIG_A",)] == [one.conditions for one in found.functions]


def test_macro_of_the_file_itself_wins():
    """It hides the header's."""
    found = read("#define DEFINE_SHOW(n) int n##_mine(void) { }\nDEFINE_SHOW(one)\n")

    assert ["one_mine"] == [one.name for one in found.functions]


@pytest.mark.parametrize(
    ("path", "seen"),
    [("a/b/c.c", True), ("a/b/d/c.c", True), ("a/c.c", False), ("a/bc/c.c", False)],
)
def test_macro_of_another_header_is_of_its_folder(path, seen):
    """A driver's own macro is nobody else's."""
    found = read("DEFINE_SHOW(one);\n", where="a/b/own.h", path=path)

    assert seen is bool(found.functions)


def test_macro_that_defines_nothing_is_left():
    """The file's facts are the same object."""
    text = 'nothing(1);\nMODULE_LICENSE("x");\nother(2)\n'
    files = {
        path: extract(path, b)
        for path, b in (("include/a.h", HEADER.encode()), ("c.c", text.encode()))
    }

    assert files["c.c"] is across(files)["c.c"]


@pytest.mark.parametrize(
    "header",
    [
        "#define A(x) A(x) struct x##x\n",
        "#define A(x) B(x) B(x) {}\n#define B(x) A(x) A(x) {}\n",
        "#define A(x) struct " + "x " * 30_000 + "\n",
        "#define A(x) static int f(void) { ( [ {\n",
        "#define A(x,\n#define A() {\n#define A(x...) { ## # }\n",
    ],
    ids=["itself", "each other", "growing", "open", "odd"],
)
def test_macros_that_never_end_are_cut(header):
    """Expansion is bounded, and the file is read."""
    found = read("A(1)\nA(2);\nint last(void) { }\n", header)

    assert "last" in {one.name for one in found.functions}


@pytest.mark.parametrize("seed", range(3))
def test_mutated_headers_are_survived(seed):
    """Nothing is raised whatever a header defines."""
    assert "" == check_across(seed)


# -- items of tables ------------------------------------------------------------------------------

OPS = """
#define RUNTIME_PM_OPS(suspend_fn, resume_fn) \\
	.runtime_suspend = suspend_fn, \\
	.runtime_resume = pm_ptr(resume_fn),
#define SET_RUNTIME_PM_OPS(suspend_fn, resume_fn) RUNTIME_PM_OPS(suspend_fn, resume_fn)
#define DEFINE_OPS(name, s, r) const struct dev_pm_ops name = { RUNTIME_PM_OPS(s, r) }
#define NUMBER(x) (x)
"""
FOUND = (
    ((".runtime_suspend",), ("name", "down")),
    ((".runtime_resume",), ("call", ("name", "pm_ptr"), (("name", "up"),))),
)


@pytest.mark.parametrize(
    "text",
    [
        "struct dev_pm_ops o = { SET_RUNTIME_PM_OPS(down, up) };",
        "struct dev_pm_ops o = { RUNTIME_PM_OPS(down, up) };",
        "static DEFINE_OPS(o, down, up);",
    ],
)
def test_macro_for_items_of_a_table_is_expanded(text):
    """The table has the fields that the macro sets, through other macros as well."""
    (table,) = read(text, OPS).variables

    assert ("list", FOUND) == table.value


def test_items_around_such_a_macro_are_kept():
    """There is no comma behind it."""
    text = "struct dev_pm_ops o = { OTHER(a, b) SET_RUNTIME_PM_OPS(down, up) .x = y, NUMBER(1) };"

    (table,) = read(text, OPS).variables

    other, *rest = table.value[1]
    number = ((), ("call", ("name", "NUMBER"), (("number", 1),)))
    assert ("OTHER", [*FOUND, ((".x",), ("name", "y")), number]) == (other[1][1][1], rest)


def test_function_of_such_an_item_is_found():
    """A callback behind `pm_ptr` is one of its table."""
    files = {
        "include/linux/pm.h": extract("include/linux/pm.h", OPS.encode()),
        "a/c.c": extract(
            "a/c.c", b"static int up(void) { }\nstruct dev_pm_ops o = { RUNTIME_PM_OPS(down, up) };"
        ),
    }

    (routine,) = Program(across(files).values()).in_tables

    assert "up" == routine.name
