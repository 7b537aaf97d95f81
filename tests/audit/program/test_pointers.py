"""Calls through pointers: by struct and field, by driver, by table, by what is queued."""

import pytest

from dmabuf.audit.program.routine import owner_of
from dmabuf.audit.ways.effect import Kind
from tests.audit.snippets import PATH, allocations, program_of, ways_from

SHARED = """
struct ops { void (*run)(void); void (*stop)(void); };
struct device { const struct ops *ops; };
void core(struct device *d) { d->ops->run(); }
"""


def _driver(name: str, call: str) -> str:
    return f"""
    static void {name}_run(void) {{ {call}; }}
    static const struct ops {name}_ops = {{ .run = {name}_run }};
    void {name}_root(struct device *d) {{ core(d); }}
    """


@pytest.mark.parametrize(("name", "reclaims"), [("toy", False), ("other", True)])
def test_shared_code_calls_the_driver_that_the_way_came_from(name, reclaims):
    """The functions of one driver are no candidates on a way from another."""
    toy = _driver("toy", "kmalloc(1, GFP_ATOMIC)")
    other = _driver("other", "kmalloc(1, GFP_KERNEL)")

    found = allocations(toy, f"{name}_root", core=SHARED, other__other=other)

    assert reclaims == bool(found)


def test_field_of_another_struct_is_another_field():
    """Two structs with a field of one name have nothing to do with each other."""
    text = """
    struct a { void (*go)(void); };
    struct b { void (*go)(void); };
    static void grow(void) { kmalloc(1, GFP_KERNEL); }
    static struct b table = { .go = grow };
    void root(struct a *a) { a->go(); }
    void real(struct b *b) { b->go(); }
    """

    assert [] == allocations(text)
    assert [("grow", "kmalloc")] == allocations(text, "real")


TABLES = """
struct ring;
struct funcs { void (*emit)(struct ring *); void (*pad)(struct ring *); };
struct ring { const struct funcs *funcs; };
static void pad(struct ring *r) { r->funcs->pad(r); }
static void a_emit(struct ring *r) { pad(r); }
static void a_pad(struct ring *r) { }
static void b_emit(struct ring *r) { pad(r); }
static void b_pad(struct ring *r) { kmalloc(1, GFP_KERNEL); }
static const struct funcs a = { .emit = a_emit, .pad = a_pad };
static const struct funcs b = { .emit = b_emit, .pad = b_pad };
void root(struct ring *r) { r->funcs->emit(r); }
"""


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a_emit", []),
        ("b_emit", [("pad", "b_pad", "kmalloc")]),
        ("root", [("b_emit", "pad", "b_pad", "kmalloc")]),
    ],
)
def test_table_that_the_way_came_through_is_used_again(name, wanted):
    """A second call on an object goes to the table that the first one went to."""
    assert wanted == allocations(TABLES, name)


def test_function_pointer_of_a_local_is_the_field_it_was_read_from():
    """A pointer that was read from a field before is resolved like the field."""
    text = """
    struct ops { void (*run)(void); };
    static void grow(void) { kmalloc(1, GFP_KERNEL); }
    static struct ops table = { grow };
    void root(struct ops *o) { void (*f)(void) = o->run; f(); }
    """

    assert [("grow", "kmalloc")] == allocations(text)


def test_setter_takes_down_what_it_is_given():
    """A function that keeps its parameter in a field registers what callers give."""
    text = """
    struct obj { void (*cb)(void); };
    typedef void (*cb_t)(void);
    void set(struct obj *o, void (*cb)(void)) { o->cb = cb; }
    static void grow(void) { kmalloc(1, GFP_KERNEL); }
    void init(struct obj *o) { set(o, grow); }
    void root(struct obj *o) { o->cb(); }
    """

    assert [("grow", "kmalloc")] == allocations(text)


def test_who_flushes_waits_for_what_the_work_does():
    """The way goes on in the function of the work that is waited for."""
    text = """
    struct toy { struct work_struct work; };
    static void later(struct work_struct *w) { kmalloc(1, GFP_KERNEL); }
    void init(struct toy *t) { INIT_WORK(&t->work, later); }
    void root(struct toy *t) { flush_work(&t->work); }
    """

    assert [("later", "kmalloc")] == allocations(text)


def test_queue_is_known_with_its_flags():
    """Who queues a work says on which queue, and with which flags that was made."""
    program = program_of("""
    struct toy { struct workqueue_struct *wq; struct work_struct work; };
    void init(struct toy *t) { t->wq = alloc_workqueue("toy", WQ_UNBOUND | WQ_HIGHPRI, 0); }
    void root(struct toy *t) { queue_work(t->wq, &t->work); schedule_work(&t->work); }
    """)

    found = [
        (way.effect.subject, way.effect.queue, way.effect.flags)
        for way in ways_from(program, "root")
        if way.effect.kind is Kind.QUEUE
    ]

    work = ("struct toy", "work")
    assert [
        (work, ("struct toy", "wq"), "WQ_UNBOUND | WQ_HIGHPRI"),
        (work, ("", "system_wq"), ""),
    ] == found


def test_static_function_of_the_file_goes_first():
    """Of two functions of one name a file's own is meant; another driver's never is."""
    text = "static void helper(void) { } void root(void) { helper(); lost(); }"
    other = "void helper(void) { vmalloc(1); } void lost(void) { vmalloc(1); }"

    program = program_of(text, other__other=other)

    found = program.function("helper", PATH)
    assert found is not None
    assert PATH == found.path
    assert "drivers/gpu/drm/toy" == owner_of(PATH)


def test_type_is_found_through_container_of():
    """What `container_of` returns is of the type that it names, also through a helper."""
    text = """
    struct base { int x; };
    struct ops { void (*run)(void); };
    struct toy { struct base base; struct ops *ops; };
    #define to_toy(b) container_of(b, struct toy, base)
    static struct toy *toy_of(struct base *b) { return container_of(b, struct toy, base); }
    static void grow(void) { kmalloc(1, GFP_KERNEL); }
    static struct ops table = { .run = grow };
    void root(struct base *b) { to_toy(b)->ops->run(); }
    void other(struct base *b) { toy_of(b)->ops->run(); }
    """

    assert [("grow", "kmalloc")] == allocations(text)
    assert [("grow", "kmalloc")] == allocations(text, "other")
