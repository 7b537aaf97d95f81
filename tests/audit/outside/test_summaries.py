"""What functions outside of the audited folders do, by their own bodies."""

import pytest

from dmabuf.audit.checks.audit import audit
from dmabuf.audit.checks.build_files import BuildFiles
from dmabuf.audit.front.gather import gather
from dmabuf.audit.outside import summaries
from dmabuf.audit.program.program import Program
from dmabuf.audit.ways.effect import Kind
from dmabuf.sync.gfp import Gfp
from tests.audit.outside.tree import DRIVER, FILES, answers, plant

KERNEL, NOWAIT = (frozenset([int(one)]) for one in (Gfp.KERNEL, Gfp.NOWAIT))
NO, YES = frozenset([0]), frozenset([1])
NO_SCOPES: frozenset[str] = frozenset()


@pytest.fixture
def root(tmp_path):
    """The made-up tree."""
    return plant(tmp_path / "tree")


def kinds(asked, name, *values, scopes=NO_SCOPES):
    """What a function does when it is given these."""
    return {deed.effect.kind for deed in asked.summaries.deeds(name, values, scopes)}


def test_functions_that_are_called_are_found(root):
    """Those with a body outside are known, and which of them do something."""
    functions = answers(root).summaries.functions()

    assert {"power_name": True, "power_quiet": False, "power_up": True} == {
        name: one.acts for name, one in sorted(functions.items())
    }


def test_flags_decide_through_files(root):
    """An allocation two files away has the flags that were given, and those added on the way."""
    asked = answers(root)

    (deed,) = asked.summaries.deeds("power_name", (None, KERNEL), NO_SCOPES)

    assert (Kind.RECLAIM, "kmalloc") == (deed.effect.kind, deed.effect.name)
    assert int(Gfp.KERNEL | Gfp.ZERO) == deed.effect.gfp
    assert ["power_copy", "kmemdup_it", "kmalloc"] == [hop.callee for hop in deed.hops]
    assert set() == kinds(asked, "power_name", None, NOWAIT)


@pytest.mark.parametrize("scope", ["noreclaim", "nofs"])
def test_scopes_of_the_caller_decide(root, scope):
    """A scope that is open at the call holds beyond it."""
    deeds = answers(root).summaries.deeds("power_name", (None, KERNEL), frozenset([scope]))

    assert [] == [one for one in deeds if one.effect.gfp is None or one.effect.gfp & Gfp.FS]


def test_truths_decide(root):
    """A branch that the arguments exclude is not taken."""
    asked = answers(root)

    assert {Kind.LOCK} == kinds(asked, "power_up", None, NO)
    assert {Kind.LOCK, Kind.WAIT} == kinds(asked, "power_up", None, YES)


def test_lock_that_is_left_is_told(root):
    """A function that takes and never drops leaves its lock with the caller."""
    plant(root, {DRIVER: "void f(struct power *p) { power_hold(p); }"})

    (doing,) = answers(root).summaries.functions().values()

    assert {(("struct power", "lock"), "lock")} == set(doing.leaves.takes)


def test_lock_has_its_other_side_outside(root):
    """Somebody out there holds it over an allocation."""
    way = answers(root).summaries.holding(("struct power", "lock"), in_reclaim=False)

    assert way is not None
    assert ("power_add", Kind.RECLAIM) == (way.root.function, way.effect.kind)


def test_tables_of_drivers_outside_are_not_followed(root):
    """Which of many drivers is behind a pointer out there, nobody knows."""
    text = """
struct power_ops { void (*up)(void); };
static void one_up(void) { kmalloc(8, GFP_KERNEL); }
static const struct power_ops one_ops = { .up = one_up };
void power_up(struct power *p, bool wait)
{
	p->ops->up();
}
"""
    plant(root, {"kernel/power.c": text})

    assert set() == kinds(answers(root), "power_up")


def test_answers_are_found_once(root, monkeypatch):
    """The same question walks nothing again."""
    asked = answers(root)
    before = asked.summaries.deeds("power_name", (None, KERNEL), NO_SCOPES)
    monkeypatch.setattr(summaries.Outdoors, "of", None)

    assert before is asked.summaries.deeds("power_name", (None, KERNEL), NO_SCOPES)


def test_own_functions_are_not_looked_for(root):
    """What the audited folder defines itself is not outside."""
    asked = answers(root, folder=".")

    assert {} == asked.summaries.functions()


# -- findings -------------------------------------------------------------------------------------


def found(root, asked=None):
    """Findings of the driver: rule, level, last place, and how each hop was reached."""
    gathered = gather(root, ["drivers/gpu/drm/toy"], jobs=1)
    program = Program(gathered.files.values())
    beyond = (asked or answers(root)).summaries
    checked = audit(program, BuildFiles(str(root)), beyond=beyond)
    return {
        (one.code, one.level.value, one.place.file): [hop.how for hop in one.hops]
        for one in checked.findings
        if one.code in ("DF301", "DF202")
    }


def test_way_goes_on_outside(root):
    """A finding ends where the kernel allocates, with each hop there; the lock has both sides."""
    assert {
        ("DF301", "error", "lib/copy.c"): ["outside", "direct", "direct", ""],
        ("DF202", "error", "kernel/power.c"): ["outside", ""],
    } == found(root)


def test_power_management_is_information(root):
    """What clocks and regulators do every driver uses: it is no news."""
    plant(root, {"drivers/clk/power.c": FILES["kernel/power.c"]})
    (root / "kernel/power.c").unlink()

    assert {
        ("DF301", "info", "lib/copy.c"),
        ("DF202", "info", "drivers/clk/power.c"),
    } == found(root).keys()


def test_known_function_wins(root):
    """A body of a function that the tables know is not looked at."""
    plant(
        root,
        {
            DRIVER: FILES[DRIVER].replace("power_quiet()", "kfree(job)"),
            "mm/kfree.c": "void kfree(void *p)\n{\n\tkmalloc(8, GFP_KERNEL);\n}\n",
        },
    )

    assert "mm/kfree.c" not in {place for _code, _level, place in found(root)}
