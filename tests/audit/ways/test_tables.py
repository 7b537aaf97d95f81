"""Tables of operations that are known where they are called."""

from tests.audit.snippets import allocations

WALKER = """
struct walk;
struct walk_ops { void (*enter)(struct walk *); void (*leave)(struct walk *); };
struct walk { const struct walk_ops *ops; };
struct mine { struct walk base; int more; };
static void grow(struct walk *w) { kmalloc(1, GFP_KERNEL); }
static void quiet(struct walk *w) { }
static const struct walk_ops growing = { .enter = quiet, .leave = grow };
static const struct walk_ops still = { .enter = quiet };
static void all(struct walk *w) { w->ops->enter(w); if (w->ops->leave) w->ops->leave(w); }
void grows(void) { struct mine m = { .base = { .ops = &growing } }; all(&m.base); }
void stays(void) { struct mine m = { .base = { .ops = &still } }; all(&m.base); }
void by_field(void) { struct walk w; w.ops = &still; all(&w); }
void unknown(struct walk *w) { all(w); }
"""


def test_table_in_a_struct_of_the_caller_is_the_one_that_is_called():
    """A table that a caller put into its struct is the only candidate, also for what it lacks."""
    names = ("grows", "stays", "by_field", "unknown")

    found = {name: bool(allocations(WALKER, name)) for name in names}

    assert {"grows": True, "stays": False, "by_field": False, "unknown": True} == found


def test_initialiser_without_names_is_read_in_order():
    """`{ true, false }` sets the fields in the order of the struct."""
    text = """
    struct ctx { bool interruptible; bool no_wait; };
    static void use(struct ctx *c) { if (!c->no_wait) kmalloc(1, GFP_KERNEL); }
    void never(void) { struct ctx c = { false, true }; use(&c); }
    void may(void) { struct ctx c = { true, false }; use(&c); }
    """

    assert [] == allocations(text, "never")
    assert [("use", "kmalloc")] == allocations(text, "may")
