"""What is known of arguments decides conditions on the way."""

import pytest

from tests.audit.snippets import allocations

BODY = """
static void work(struct toy *t, {parameter})
{{
	{body}
}}
void root(struct toy *t, int any)
{{
	work(t, {argument});
}}
"""
ALLOCATES = [("work", "kmalloc")]

DECIDED = {
    "flag true": ("bool now", "if (!now) kmalloc(1, GFP_KERNEL);", "true", []),
    "flag false": ("bool now", "if (!now) kmalloc(1, GFP_KERNEL);", "false", ALLOCATES),
    "flag unknown": ("bool now", "if (!now) kmalloc(1, GFP_KERNEL);", "any", ALLOCATES),
    "early return": ("bool now", "if (now) return; kmalloc(1, GFP_KERNEL);", "true", []),
    "return in both": (
        "bool now",
        "if (now) return; else return; kmalloc(1, GFP_KERNEL);",
        "any",
        [],
    ),
    "goto past it": (
        "bool now",
        "if (now) goto out; kmalloc(1, GFP_KERNEL);\nout:\n\treturn;",
        "true",
        [],
    ),
    "null": ("struct ctx *c", "if (c) kmalloc(1, GFP_KERNEL);", "NULL", []),
    "not null": ("struct ctx *c", "if (!c) kmalloc(1, GFP_KERNEL);", "&t->ctx", []),
    "choice of flags": (
        "bool now",
        "kmalloc(1, now ? GFP_ATOMIC : GFP_KERNEL);",
        "true",
        [],
    ),
    "other choice": (
        "bool now",
        "kmalloc(1, now ? GFP_ATOMIC : GFP_KERNEL);",
        "false",
        ALLOCATES,
    ),
    "flags handed on": ("gfp_t gfp", "kmalloc(1, gfp);", "GFP_NOWAIT", []),
    "flags with more": ("gfp_t gfp", "kmalloc(1, gfp | __GFP_NOWARN);", "GFP_KERNEL", ALLOCATES),
    "flags masked": ("gfp_t gfp", "kmalloc(1, gfp & ~__GFP_RECLAIM);", "GFP_KERNEL", []),
    "no retry reclaims": ("gfp_t gfp", "kmalloc(1, gfp);", "GFP_KERNEL | __GFP_NORETRY", ALLOCATES),
    "only kswapd": ("gfp_t gfp", "kmalloc(1, gfp);", "__GFP_KSWAPD_RECLAIM", []),
    "asked itself": (
        "gfp_t gfp",
        "if (gfpflags_allow_blocking(gfp)) kmalloc(1, GFP_KERNEL);",
        "GFP_ATOMIC",
        [],
    ),
    "switch": (
        "int kind",
        "switch (kind) { case 1: kmalloc(1, GFP_KERNEL); break; default: break; }",
        "2",
        [],
    ),
    "switch, its case": (
        "int kind",
        "switch (kind) { case 1: kmalloc(1, GFP_KERNEL); break; default: break; }",
        "1",
        ALLOCATES,
    ),
    "and": ("bool now", "if (now && t->busy) kmalloc(1, GFP_KERNEL);", "false", []),
    "changed in a loop": (
        "bool now",
        "for (int i = 0; i < 4; i++) { if (now) kmalloc(1, GFP_KERNEL); now = t->busy; }",
        "false",
        ALLOCATES,
    ),
    "changed before": (
        "bool now",
        "now = t->busy; if (now) kmalloc(1, GFP_KERNEL);",
        "false",
        ALLOCATES,
    ),
    "changed and jumped back": (
        "bool now",
        "again:\n\tif (now) kmalloc(1, GFP_KERNEL);\n\tnow = true;\n\tif (t->busy) goto again;",
        "false",
        ALLOCATES,
    ),
    "flags in a variable": (
        "bool now",
        "gfp_t gfp = GFP_KERNEL; if (now) gfp = GFP_ATOMIC; kmalloc(1, gfp);",
        "true",
        [],
    ),
    "function that is called": ("void (*f)(void)", "f();", "helper", []),
}


@pytest.mark.parametrize("name", list(DECIDED))
def test_argument_decides(name):
    """An argument that is known decides conditions and flags; one that is not, decides nothing."""
    parameter, body, argument, wanted = DECIDED[name]

    found = allocations(BODY.format(parameter=parameter, body=body, argument=argument))

    assert wanted == found


def test_struct_on_the_stack_carries_its_fields():
    """A field of a local struct decides a condition in the function that gets a pointer to it."""
    text = """
    struct ctx { bool wait; bool evict; };
    static void deep(struct ctx *c) { if (c->wait) kmalloc(1, GFP_KERNEL); }
    static void middle(struct ctx *c) { deep(c); }
    void by_list(void) { struct ctx c = { .evict = true }; middle(&c); }
    void by_field(bool any) { struct ctx c; memset(&c, 0, sizeof(c)); c.wait = true; middle(&c); }
    void unknown(struct ctx *c) { middle(c); }
    """

    found = {name: bool(allocations(text, name)) for name in ("by_list", "by_field", "unknown")}

    assert {"by_list": False, "by_field": True, "unknown": True} == found


def test_callee_that_sets_a_field_makes_it_unknown():
    """What a callee writes into the struct it was given is not known any more."""
    text = """
    struct ctx { bool wait; };
    static void fill(struct ctx *c) { c->wait = 1; }
    static void use(struct ctx *c) { if (c->wait) kmalloc(1, GFP_KERNEL); }
    void root(void) { struct ctx c = {}; fill(&c); use(&c); }
    """

    assert [("use", "kmalloc")] == allocations(text)


def test_function_that_is_handed_over_is_called():
    """A function given as an argument is called where the parameter is."""
    text = """
    static void grow(void) { kmalloc(1, GFP_KERNEL); }
    static void each(void (*f)(void)) { f(); }
    void root(void) { each(grow); }
    """

    assert [("each", "grow", "kmalloc")] == allocations(text)


def test_macro_is_expanded_where_it_stands():
    """A macro's body counts as its user's, with the arguments in place."""
    text = """
    #define GROW(gfp) do { if (gfp) kmalloc(1, (gfp)); } while (0)
    #define MINE (GFP_KERNEL | __GFP_NOWARN)
    void root(void) { GROW(MINE); }
    void other(void) { GROW(GFP_ATOMIC); }
    """

    assert [("kmalloc",)] == allocations(text)
    assert [] == allocations(text, "other")


def test_variable_with_the_name_of_a_type_is_survived():
    """A store to it is taken for a declaration without a name, and changes nothing."""
    text = """
	static void sets(struct s *x) { void *u8; u8 = x; }
	static void root(void) { struct s a = { .b = 1 }; sets(&a); kmalloc(1, GFP_KERNEL); }
	"""

    assert [("kmalloc",)] == allocations(text)
