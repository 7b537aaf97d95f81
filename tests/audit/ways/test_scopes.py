"""Scopes, locks and sections, also through wrappers."""

import pytest

from dmabuf.audit.ways.effect import Kind
from dmabuf.audit.ways.ways import Ways
from dmabuf.sync.gfp import Gfp
from tests.audit.snippets import allocations, program_of, ways_from

WRAPPED = """
static void enter(struct toy *t) { mutex_lock(&t->lock); t->flags = memalloc_noreclaim_save(); }
static void leave(struct toy *t) { memalloc_noreclaim_restore(t->flags); mutex_unlock(&t->lock); }
void inside(struct toy *t) { enter(t); kmalloc(1, GFP_KERNEL); leave(t); }
void after(struct toy *t) { enter(t); leave(t); kmalloc(1, GFP_KERNEL); }
void spinning(struct toy *t) { spin_lock(&t->s); kmalloc(1, GFP_KERNEL); spin_unlock(&t->s); }
void spun(struct toy *t) { spin_lock(&t->s); spin_unlock(&t->s); kmalloc(1, GFP_KERNEL); }
void rcu(struct toy *t) { rcu_read_lock(); kmalloc(1, GFP_KERNEL); rcu_read_unlock(); }
void some(struct toy *t) { if (t->x) enter(t); kmalloc(1, GFP_KERNEL); }
"""


@pytest.mark.parametrize(
    ("name", "reclaims"),
    [
        ("inside", False),
        ("after", True),
        ("spinning", False),
        ("spun", True),
        ("rcu", False),
        ("some", True),
    ],
)
def test_allocation_in_a_scope(name, reclaims):
    """No reclaim inside noreclaim, which a wrapper may open, nor where nobody may sleep."""
    assert reclaims == bool(allocations(WRAPPED, name))


def test_scope_narrows_what_reclaim_may_do():
    """In a nofs scope GFP_KERNEL is GFP_NOFS, also in a function called there."""
    text = """
    static void grow(void) { kmalloc(1, GFP_KERNEL); }
    void root(void) { int f = memalloc_nofs_save(); grow(); memalloc_nofs_restore(f); }
    """

    (way,) = ways_from(program_of("struct toy { int x; };" + text), "root")

    assert (int(Gfp.NOFS), ("nofs",)) == (way.effect.gfp, way.scopes)


SECTIONS = """
static bool begin(void) { return dma_fence_begin_signalling(); }
static void end(bool c) { dma_fence_end_signalling(c); }
void plain(struct toy *t)
{
	bool c = dma_fence_begin_signalling();
	one(t);
	mutex_lock(&t->lock);
	dma_fence_end_signalling(c);
	mutex_lock(&t->late);
}
void gap(struct toy *t)
{
	bool c = begin();
	mutex_lock(&t->first);
	end(c);
	mutex_lock(&t->between);
	c = begin();
	mutex_lock(&t->second);
	end(c);
}
"""


def _locks(name: str, kind: str) -> list[str]:
    program = program_of(
        "struct toy { struct mutex lock, late, first, between, second; };" + SECTIONS
    )
    ways = Ways(program)
    routine = program.names.routines[name][0]
    return [
        way.effect.subject[1]
        for section in ways.sections(routine)
        if section.kind == kind
        for way in ways.of(routine, section)
        if way.effect.kind is Kind.LOCK and way.effect.subject is not None
    ]


def test_section_ends_where_it_ends():
    """What comes after the end of a signalling section is not in it."""
    assert ["lock"] == _locks("plain", "signalling")


def test_section_of_a_wrapper_has_its_gap():
    """A section may be begun and ended by wrappers; what stands between two is the gap."""
    assert ["first", "second"] == sorted(_locks("gap", "signalling"))
    assert ["between"] == _locks("gap", "gap")


def test_guard_holds_until_its_block_ends():
    """A lock of scoped_guard() is held in its block only, one of guard() until the end."""
    program = program_of("""
    struct toy { struct mutex a, b; };
    void root(struct toy *t)
    {
        guard(mutex)(&t->a);
        scoped_guard(mutex, &t->b) { kmalloc(1, GFP_KERNEL); }
        vmalloc(1);
    }
    """)

    events = Ways(program).visit(program.names.routines["root"][0]).events
    held = {
        one.effect.name: [lock.lock[1] for lock in one.held]
        for one in events
        if one.effect is not None and one.effect.kind is Kind.RECLAIM
    }

    assert {"kmalloc": ["a", "b"], "vmalloc": ["a"]} == held


@pytest.mark.parametrize(
    ("call", "bounded"),
    [
        ("dma_fence_wait(t->fence, false)", [False]),
        ("dma_fence_wait_timeout(t->fence, false, MAX_SCHEDULE_TIMEOUT)", [False]),
        ("dma_fence_wait_timeout(t->fence, false, msecs_to_jiffies(20))", [True]),
        ("dma_fence_wait_timeout(t->fence, false, HZ / 10)", [True]),
        ("dma_fence_wait_timeout(t->fence, false, any)", [True]),
        ("dma_fence_wait_timeout(t->fence, false, any ? any : MAX_SCHEDULE_TIMEOUT)", [False]),
        ("dma_fence_wait_timeout(t->fence, false, t->sched.timeout)", [True]),
        ("dma_fence_wait_timeout(t->fence, false, 0)", []),
    ],
)
def test_wait_is_bounded_unless_it_may_be_for_ever(call, bounded):
    """Any time but MAX_SCHEDULE_TIMEOUT bounds a wait, also in a variable; one of 0 is no wait."""
    text = f"void root(struct toy *t, long any) {{ {call}; }}"

    assert bounded == [way.effect.bounded for way in ways_from(program_of(text), "root")]
