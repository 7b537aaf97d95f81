"""Statements of C as instructions."""

import pytest

from tests.audit.front.snippets import body, function, listing


def test_else_if_nests():
    """Each `else if` is an IF in the ELSE of the one before."""
    found = body("if (a) f(); else if (b) { g(); } else h();")

    assert found == [
        "IF a",
        "CALL f()",
        "ELSE",
        "IF b",
        "CALL g()",
        "ELSE",
        "CALL h()",
        "END",
        "END",
    ]


def test_while_tests_before_it_runs():
    """The calls of the condition stand before the loop."""
    found = body("while (f(x)) g();")

    assert found == ["CALL f(x)", "LOOP f(x)", "CALL g()", "END"]


def test_for_steps_at_its_end():
    """What a `for` begins with comes before it, its step at the end of the body."""
    found = body("for (int i = f(); i < n; i++, g()) h(i);")

    assert found == [
        "DECLARE i int",
        "CALL f() -> i",
        "SET i = f()",
        "LOOP (i < n)",
        "CALL h(i)",
        "SET i = (i + 1)",
        "CALL g()",
        "END",
    ]


def test_for_ever_is_left_by_break_only():
    """`for (;;)` has the condition 1."""
    found = body("for (;;) break;")

    assert found == ["LOOP 1", "BREAK", "END"]


def test_do_runs_once_at_least():
    """What a `do` loop tests is an IF with a BREAK at its end."""
    found = body("do { f(); } while (g());")

    assert found == ["LOOP 1", "CALL f()", "CALL g()", "IF !g()", "BREAK", "END", "END"]


@pytest.mark.parametrize("zero", ["0", "false"])
def test_do_that_never_repeats_is_its_body(zero):
    """Of `do {} while (0)` nothing else is left."""
    found = body(f"do {{ f(); }} while ({zero});")

    assert found == ["CALL f()"]


def test_do_that_never_repeats_can_be_left():
    """A `break` in `do {} while (0)` needs the loop."""
    found = body("do { if (f()) break; g(); } while (0);")

    assert found == ["LOOP 1", "CALL f()", "IF f()", "BREAK", "END", "CALL g()", "BREAK", "END"]


def test_break_of_an_inner_loop_is_its_own():
    """A `break` of a loop inside does not leave the `do` around it."""
    found = body("do { for (;;) break; } while (0);")

    assert found == ["LOOP 1", "BREAK", "END"]


def test_continue_in_a_switch_leaves_the_loop_around():
    """A `continue` passes through a switch; a `break` does not."""
    found = body("do { switch (x) { case 1: continue; default: break; } } while (0);")

    assert found == [
        "LOOP 1",
        "SWITCH x",
        "CASE 1",
        "CONTINUE",
        "CASE None",
        "BREAK",
        "END",
        "BREAK",
        "END",
    ]


def test_switch_has_cases_and_ranges():
    """Values, ranges and the default are told apart."""
    found = body("switch (x) { case A: f(); fallthrough; case 1 ... 3: break; default: g(); }")

    assert found == [
        "SWITCH x",
        "CASE A",
        "CALL f()",
        "CASE (1 ... 3)",
        "BREAK",
        "CASE None",
        "CALL g()",
        "END",
    ]


def test_labels_and_jumps_are_kept():
    """Labels, `goto` and `return` keep their names and values."""
    found = body("if (a) goto out; return f();\nout: __maybe_unused;\nreturn;")

    assert found == [
        "IF a",
        "GOTO out",
        "END",
        "CALL f()",
        "RETURN f()",
        "LABEL out",
        "RETURN None",
    ]


def test_declarations_have_types_and_values():
    """Names of types that nobody declared are known by their place."""
    found = body("foo_t *a = f(), b; struct bar c[4], *d; const u8 __iomem *e; foo x;")

    assert found == [
        "DECLARE a foo_t *",
        "CALL f() -> a",
        "SET a = f()",
        "DECLARE b foo_t",
        "DECLARE c struct bar [4]",
        "DECLARE d struct bar *",
        "DECLARE e u8 *",
        "DECLARE x foo",
    ]


def test_product_is_no_declaration():
    """`a * b` is a declaration only where a name is declared."""
    found = body("x = a * b; f(a * b); a * b = c;")

    assert found == ["SET x = (a * b)", "CALL f((a * b))", "DECLARE b a *", "SET b = c"]


def test_pointer_to_a_function_is_declared():
    """The type of a function pointer has the parameters."""
    found = body("int (*fn)(struct foo *, u32) = NULL;")

    assert found == ["DECLARE fn int (*)(struct foo *, u32)", "SET fn = NULL"]


def test_assembler_is_told():
    """Inline assembler is not understood, which is said."""
    found = body('asm volatile("nop" : : "r" (x) : "memory"); f();')

    assert found == ['ASSEMBLER asm volatile("nop"::"r"(x):"memory")', "CALL f()"]


# -- macros -------------------------------------------------------------------------


def test_for_each_macro_is_a_loop():
    """A macro in front of a block is a loop by its name; its own call is made in it."""
    found = body("list_for_each_entry(p, &h->list, link) { f(p); }\nfor_each_x(i)\n\tg(i);")

    assert found == [
        "LOOP list_for_each_entry(p, &h.list, link)",
        "CALL list_for_each_entry(p, &h.list, link)",
        "CALL f(p)",
        "END",
        "LOOP for_each_x(i)",
        "CALL for_each_x(i)",
        "CALL g(i)",
        "END",
    ]


def test_for_each_macro_may_govern_another_statement():
    """Loops by macro need no braces around an `if` or another loop."""
    found = body("for_each_a(i) for_each_b(j) if (x) f();")

    assert [one.split()[0] for one in found] == ["LOOP", "CALL", "LOOP", "CALL", "IF", "CALL"] + [
        "END"
    ] * 3


def test_macro_that_governs_a_block_is_done_once():
    """A macro that is no loop by its name has a BLOCK."""
    found = body("with_intel_runtime_pm(rpm, wakeref) { f(); }")

    assert found == ["BLOCK", "CALL with_intel_runtime_pm(rpm, wakeref)", "CALL f()", "END"]


def test_macro_may_lack_its_semicolon():
    """What stands alone in its line is a statement."""
    found = body("FOO(x)\n\tf();\n\tBAR\n\tg();\n\tBAZ(y)")

    assert found == ["CALL FOO(x)", "CALL f()", "CALL g()", "CALL BAZ(y)"]


def test_guard_lasts_to_the_end_of_its_block():
    """A block with a guard is a BLOCK, and no other is."""
    found = body("{ f(); } if (a) { guard(mutex)(&x->lock); g(); } h();")

    assert found == [
        "CALL f()",
        "IF a",
        "BLOCK",
        "CALL guard(mutex)(&x.lock)",
        "CALL g()",
        "END",
        "END",
        "CALL h()",
    ]


def test_scoped_guard_lasts_for_its_block():
    """`scoped_guard` is the same call, and its END is where the lock is dropped."""
    found = body("scoped_guard(spinlock_irqsave, &x->lock) f();")

    assert found == ["BLOCK", "CALL guard(spinlock_irqsave)(&x.lock)", "CALL f()", "END"]


def test_scoped_guard_may_fail():
    """What a conditional guard does when it gets no lock is done under that condition."""
    found = body("scoped_cond_guard(mutex_intr, return -EINTR, &x->lock) { f(); }")

    assert found == [
        "BLOCK",
        "CALL guard(mutex_intr)(&x.lock)",
        "IF !guard(mutex_intr)(&x.lock)",
        "RETURN -EINTR",
        "END",
        "CALL f()",
        "END",
    ]


def test_variable_that_is_cleaned_up_says_so():
    """`__free` and `__cleanup` stand in the declaration, wherever they are written."""
    found = body("struct x *p __free(kfree) = f(); struct y __cleanup(g) *q = NULL;")

    assert found == [
        "BLOCK",
        "DECLARE p struct x * kfree",
        "CALL f() -> p",
        "SET p = f()",
        "DECLARE q struct y * g",
        "SET q = NULL",
        "END",
    ]


def test_class_declares_and_calls():
    """`CLASS(name, variable)(arguments)` is a variable that is cleaned up."""
    found = body("CLASS(fd, f)(n); use(f);")

    assert found == [
        "BLOCK",
        "DECLARE f auto fd",
        "CALL CLASS(fd)(n) -> f",
        "SET f = CLASS(fd)(n)",
        "CALL use(f)",
        "END",
    ]


# -- what is not understood ---------------------------------------------------------


def test_statement_that_is_not_understood_is_lost_alone():
    """Its neighbours are read, its calls are kept by name, and its bytes are counted."""
    found = function("int f(void)\n{\n\ta();\n\tx = @ b(1) @;\n\tc();\n}\n")

    assert listing(found.code) == ["CALL a()", "UNKNOWN x=@b(1)@;", "CALL b(?<>)", "CALL c()"]
    assert found.flaws == len("x=@b(1)@;") + 9


def test_block_behind_what_is_not_understood_is_read():
    """Whether it is done is not known."""
    found = body("while @ (x) { f(); }\n g();")

    assert found == ["UNKNOWN while@(x)", "IF ?<>", "CALL f()", "END", "CALL g()"]


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "(" * 500 + "1" + ")" * 500 + ";",
        "{" * 500 + "}" * 500,
        "x = " + "!" * 5000 + "y;",
        "x = " + "a ? b : " * 3000 + "c;",
        "x = " + "a + " * 5000 + "b;",
        "x = " + "a = " * 3000 + "b;",
        "if (a) " * 1000 + "f();",
        "int " + "(" * 500 + "x" + ")" * 500 + ";",
        "struct { " * 300 + "int x;" + "} y;" * 300,
        "x = " + "{ " * 500 + "}" * 500 + ";",
    ],
    ids=["round", "curly", "not", "choice", "sum", "assign", "if", "declarator", "struct", "list"],
)
def test_deep_nesting_is_lost_and_told(text):
    """Nothing recurses without a limit, and the next statement is read."""
    found = function("void f(void)\n{\n" + text + "\ng();\n}\n")

    assert found.flaws > 0
    assert listing(found.code)[-1] == "CALL g()"


def test_many_else_if_are_not_deep():
    """A chain of `else if` costs no recursion."""
    found = function("void f(void)\n{\n" + "if (a) b(); else " * 2000 + "c();\n}\n")

    assert found.flaws == 0
    assert len(found.code) == 2000 * 4 + 1


def test_cast_may_hold_attributes():
    """`__force` and `__iomem` are no part of a type, wherever they stand."""
    found = body("x = (__force u32)y; z = (foo __iomem *)w; v = (bar __force)u;")

    assert found == ["SET x = (u32)y", "SET z = (foo *)w", "SET v = (bar)u"]


def test_list_in_an_argument_is_a_list():
    """Braces in a macro's arguments are statements only if there is a semicolon in them."""
    found = body("M({ 1, 2 }); M({ f(); });")

    assert found == ["CALL M({=1, =2})", "IF ?<>", "CALL f()", "END", "CALL M(?<>)"]


def test_static_macro_declares_nothing():
    """`static DEFINE_RATELIMIT_STATE(rs, 5, 1);` is a call of a macro."""
    found = body("static DEFINE_RATELIMIT_STATE(rs, 5 * HZ, 1);")

    assert found == ["CALL DEFINE_RATELIMIT_STATE(rs, (5 * HZ), 1)"]


def test_statement_in_a_macro_leaves_the_loop_of_that():
    """What polls has a loop of its own, which a `break` in its argument ends."""
    found = body("for (;;) nvkm_msec(d, 2000, u32 t = rd(d, 1); if (t) break;);")

    assert found == [
        "LOOP 1",
        "LOOP ?<>",
        "DECLARE t u32",
        "CALL rd(d, 1) -> t",
        "SET t = rd(d, 1)",
        "IF t",
        "BREAK",
        "END",
        "END",
        "CALL nvkm_msec(d, 2000, ?<>)",
        "END",
    ]


def test_string_may_be_continued():
    """A backslash at the end of a line joins strings, too, and lines are counted on."""
    found = function('void f(void)\n{\n\tg("a\\\n b", 1);\n\th();\n}\n')

    assert listing(found.code) == ["CALL g(string<a b>, 1)", "CALL h()"]
    assert found.code[1][1] == 5


def test_type_is_an_argument():
    """`min_t(u32, a, b)` has a type in front."""
    assert body("x = min_t(size_t, a, b);")[0] == "CALL min_t(type<size_t>, a, b) -> x"
