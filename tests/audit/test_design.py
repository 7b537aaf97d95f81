"""A finding becomes a design, and the design shows what the finding says."""

from dataclasses import replace

import pytest

from dmabuf.audit.checks.design import Untold, design_of
from dmabuf.explore.check import check_design
from dmabuf.machine import is_design
from dmabuf.report.finding import Place
from dmabuf.report.source_finding import Evidence, Hop
from dmabuf.report.verdict import Status
from tests.audit.corpus import CASES, audited

WRITTEN = {
    "df105_failure.c": "DF105",
    "df107_queues.c": "DF107",
    "df108_waits.c": "DF108",
    "df109_tail.c": "DF109",
    "df201_resv.c": "DF201",
    "df202_locks.c": "DF202",
    "df203_user.c": "DF203",
    "df209_user.c": "DF209",
    "df301_scheduler.c": "DF301",
    "df302_flags.c": "DF302",
    "df304_shrinker.c": "DF304",
    "df305_tails.c": "DF301",
}
DEEP = ("df301_scheduler.c", "deep_run")


def finding_of(case, code, root=""):
    """One finding of a case."""
    found = [one for one in audited(CASES / case) if one.code == code]
    return next(one for one in found if not root or one.root == root)


def verdict_of(finding):
    """What the explorer says about the written design."""
    names = {}
    exec(compile(design_of(finding), "<design>", "exec"), names)
    (design,) = (value for value in names.values() if is_design(value))
    return check_design(design, "written")


@pytest.mark.parametrize("case", WRITTEN)
def test_design_of_a_finding_is_violated_with_its_rule(case):
    """The explorer finds in the written design what the auditor found in source."""
    verdict = verdict_of(finding_of(case, WRITTEN[case]))

    assert Status.VIOLATED is verdict.status
    assert WRITTEN[case] == verdict.findings[0].code


def test_design_of_a_fence_without_timeout_never_signals():
    """A job that hangs is not ended; with no recovery at all the general rule leads."""
    verdict = verdict_of(finding_of("df102_timeouts.c", "DF102"))

    assert "DF101" == verdict.findings[0].code


@pytest.mark.parametrize(
    ("taint", "code"),
    [
        ("dma_fence_wait", "DF202"),
        ("dma_resv_lock", "DF201"),  # behind a lock of the driver's own
        ("kmalloc", "DF202"),
        ("copy_to_user", "DF202"),
    ],
)
def test_design_of_a_lock_has_the_other_side(taint, code):
    """Whatever the lock is held over, the design shows it as such."""
    finding = finding_of("df202_locks.c", "DF202")
    hop = Hop(Place("drivers/gpu/drm/toy/x.c", 3, "holder_of_it"), f"{taint}()")

    verdict = verdict_of(replace(finding, evidence=(Evidence("held", (hop,)),)))

    assert code == verdict.findings[0].code


def test_design_has_a_function_a_hop_with_its_line():
    """Whoever reads the design finds the source."""
    text = design_of(finding_of(*DEEP[:1], "DF301", DEEP[1]))

    for name in ("deep_run", "deep_emit", "deep_state"):
        assert f"def {name}() -> None:  # drivers/gpu/drm/toy/df301_scheduler.c:" in text


def test_design_survives_names_that_are_no_python():
    """Keywords, names of the design's own, and names that come twice."""
    finding = finding_of(*DEEP[:1], "DF301", DEEP[1])
    odd = ("fence", "class", "fence", "x\n'''\"\"\"{y}")
    hops = tuple(Hop(Place('a"b/{c}.c', 1, name), f"calls {name}") for name in odd)

    verdict = verdict_of(replace(finding, hops=hops, entry='"""\\', message="{x}", key='"'))

    assert "DF301" == verdict.findings[0].code


def test_design_of_what_is_built_is_refused():
    """Nothing runs where a Kconfig lacks a line, and the message says so."""
    with pytest.raises(Untold, match="nothing runs; dmabuf rules DF606"):
        design_of(finding_of("df606", "DF606"))


def test_design_of_a_gap_shows_what_is_done_in_it():
    """The section is left and entered again, and the rule that it would have shown is broken."""
    finding = finding_of("df205_gaps.c", "DF205")
    text = design_of(finding)

    verdict = verdict_of(finding)

    assert "DF301" == verdict.findings[0].code
    assert "The explorer reports DF301: a gap breaks no run by itself" in text
    assert 2 == text.count("with signalling():")


GAPS = {
    "kmalloc() with GFP_NOFS": "DF302",
    "kmalloc() with GFP_NOIO": "DF302",
    "dma_resv_lock() waits for a reservation lock": "DF201",
    "mmget() takes mmap_lock": "DF203",
    "dma_fence_wait() waits for a fence without a limit": "DF108",
}


@pytest.mark.parametrize("act", GAPS)
def test_design_of_a_gap_is_that_of_the_rule_behind_it(act):
    """Whatever stands in the gap, the explorer finds it."""
    finding = finding_of("df205_gaps.c", "DF205")

    verdict = verdict_of(replace(finding, message=f"{act} in a gap of a signalling section"))

    assert GAPS[act] == verdict.findings[0].code


OUTSIDE = {"toy_invalidate": "DF302", "toy_scan": "DF301"}


@pytest.mark.parametrize("root", OUTSIDE)
def test_design_of_a_wait_outside_of_gpus_shows_its_price(root):
    """It is advice, so another rule is broken: by who signals that fence."""
    finding = finding_of("df303_outside.c", "DF303", root)

    verdict = verdict_of(finding)

    assert OUTSIDE[root] == verdict.findings[0].code
    assert f"The explorer reports {OUTSIDE[root]}: it is advice" in design_of(finding)


NOTIFIER = "invalidate of toy_ops (struct mmu_interval_notifier_ops)"
SHRINKER = "scan_objects of a struct shrinker"
IN_RECLAIM = {
    "takes toy.lock in reclaim": ("DF202", "DF004"),
    "get_user_pages() touches user memory in reclaim": ("DF203", "DF004"),
    "dma_resv_lock() waits for a reservation lock in reclaim": ("DF304", "DF304"),
}


@pytest.mark.parametrize("entry", [NOTIFIER, SHRINKER], ids=["notifier", "shrinker"])
@pytest.mark.parametrize("message", IN_RECLAIM)
def test_design_of_a_way_in_reclaim_is_a_circle(message, entry):
    """The chain is what a shrinker or notifier does, and waits for its own caller."""
    code, shown = IN_RECLAIM[message]
    finding = finding_of("df202_reclaim.c", "DF202", "toy_invalidate")

    verdict = verdict_of(replace(finding, code=code, message=message, entry=entry))

    assert shown == verdict.findings[0].code


def test_design_of_a_lock_in_reclaim_may_have_two_tasks():
    """One holds the lock and waits for a reservation lock, the other allocates under that."""
    finding = finding_of("df202_reclaim.c", "DF202", "toy_invalidate")
    hop = Hop(Place("drivers/gpu/drm/toy/x.c", 3, "holder_of_it"), "dma_resv_lock()")

    verdict = verdict_of(replace(finding, evidence=(Evidence("held", (hop,)),)))

    assert "DF001" == verdict.findings[0].code


@pytest.mark.parametrize("flags", ["GFP_KERNEL", "GFP_NOFS", "GFP_NOIO"])
def test_design_of_an_allocation_in_a_notifier_comes_back_to_it(flags):
    """The memory may come from pages of which the same notifier must hear."""
    code = "DF301" if flags == "GFP_KERNEL" else "DF302"
    finding = finding_of("df202_reclaim.c", "DF202", "toy_invalidate")
    message = f"kmalloc() with {flags} in reclaim"

    verdict = verdict_of(replace(finding, code=code, message=message))

    assert "DF004" == verdict.findings[0].code
