"""Expressions of C as tuples."""

import pytest

from tests.audit.front.snippets import body, facts, spelt

EXPRESSIONS = {
    "a + b * c": "(a + (b * c))",
    "a - b - c": "((a - b) - c)",
    "a << 2 | b & ~c": "((a << 2) | (b & ~c))",
    "a ? b : c ? d : e": "(a ? b : (c ? d : e))",
    "a ?: b": "(a ? a : b)",
    "!a && b || c": "((!a && b) || c)",
    "p->q.r[i]": "p.q.r[i]",
    "*p->q": "*p.q",
    "&p[1].x": "&p[1].x",
    "-1": "-1",
    "0x10UL": "16",
    "010": "8",
    "'a'": "97",
    "'\\n'": "10",
    '"a" "b"': "string<ab>",
    '"a" PRI "b"': "string<aPRIb>",
    "sizeof(struct foo)": "sizeof<struct foo>",
    "sizeof(*p) * 2": "(sizeof<*p> * 2)",
    "sizeof *p": "sizeof<*p>",
    "(u32)x": "(u32)x",
    "(u32)-x": "(u32)-x",
    "(struct foo *)x->y": "(struct foo *)x.y",
    "(foo_t *)x": "(foo_t *)x",
    "(foo)x": "(foo)x",
    "(foo) - x": "(foo - x)",
    "(a) * b": "(a * b)",
    "(u64)(a) * b": "((u64)a * b)",
    "(void (*)(int))p": "(void (*)(int))p",
    "(unsigned long __iomem *)p": "(unsigned long *)p",
    "(struct foo){ .a = 1 }": "(struct foo){.a=1}",
    "({ b; c; })": "c",
    "__extension__ a": "a",
    "&&label": "label",
    "a < b == c": "((a < b) == c)",
    "(a, b)": "b",
}


@pytest.mark.parametrize("text", EXPRESSIONS, ids=range(len(EXPRESSIONS)))
def test_expression_binds_as_c_does(text):
    """Precedence, casts and what looks like one are told apart."""
    found = body(f"x = {text};")

    assert found[-1] == f"SET x = {EXPRESSIONS[text]}"


def test_call_stands_before_what_uses_it():
    """Inner calls come first, and the outer one knows where its value goes."""
    found = body("x = f(g(1), h);")

    assert found == ["CALL g(1)", "CALL f(g(1), h) -> x", "SET x = f(g(1), h)"]


def test_call_through_a_field_keeps_the_way_to_it():
    """An indirect call is a call of the expression that leads to the pointer."""
    found = body("ring->funcs->emit(ring, &(*p)->q);")

    assert found == ["CALL ring.funcs.emit(ring, &*p.q)"]


def test_right_side_that_may_be_left_out_is_conditional():
    """What `&&` and `||` may leave out stands between IF and END."""
    found = body("x = a && f() || g();")

    assert found == [
        "IF a",
        "CALL f()",
        "END",
        "IF !(a && f())",
        "CALL g()",
        "END",
        "SET x = ((a && f()) || g())",
    ]


def test_choice_does_one_of_both():
    """The calls of `?:` stand in the branches of an IF."""
    found = body("x = c ? f() : g();")

    assert found == ["IF c", "CALL f()", "ELSE", "CALL g()", "END", "SET x = (c ? f() : g())"]


def test_sizeof_calls_nothing():
    """The operand of `sizeof` is not evaluated."""
    found = body("x = sizeof f(y);")

    assert found == ["SET x = sizeof<f(y)>"]


def test_macros_take_types_operators_and_statements():
    """Arguments that are no expressions do not spoil a call."""
    found = body("m(struct foo *, ==, return g(), , u32);")

    assert found == [
        "IF ?<>",
        "CALL g()",
        "RETURN g()",
        "END",
        "CALL m(type<struct foo *>, ?<==>, ?<>, ?<>, type<u32>)",
    ]


def test_compound_assignment_uses_the_old_value():
    """`x |= y` and `x++` are assignments of what they compute."""
    found = body("gfp |= __GFP_NOWARN; i++; --j;")

    assert found == ["SET gfp = (gfp | __GFP_NOWARN)", "SET i = (i + 1)", "SET j = (j - 1)"]


def test_statement_expression_is_done_in_its_place():
    """Its statements come before what uses its value, which is the last one."""
    found = body("x = ({ typeof(n) t = f(n); t; });")

    assert found == ["DECLARE t typeof(n)", "CALL f(n) -> t", "SET t = f(n)", "SET x = t"]


def test_table_of_operations_has_paths():
    """Designators, ranges and inner lists of an initialiser are kept."""
    (table,) = facts(
        "static const struct ops t = { .a = f, .b.c = g, [1 ... 3] = { h }, &k, (void *)l, };"
    ).variables

    assert (table.name, table.type, table.static) == ("t", "struct ops", True)
    assert spelt(table.value) == "{.a=f, .b.c=g, [1...3]={=h}, =&k, =(void *)l}"


def test_macros_in_a_list_need_no_commas():
    """A macro may stand for items, commas and all; its neighbours are left alone."""
    (table,) = facts("struct t x[] = { A(1) B(2), { .f = g } };").variables

    assert spelt(table.value) == "{=A(1), =B(2), ={.f=g}}"


def test_generic_selection_keeps_its_calls():
    """`_Generic` is not understood, but what it calls is not lost."""
    found = body("x = _Generic(y, int: f(y), default: g(y));")

    assert found == [
        "CALL f(?<>)",
        "CALL g(?<>)",
        "SET x = ?<_Generic(y,int:f(y),default:g(y))>",
    ]
