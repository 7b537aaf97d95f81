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


@pytest.mark.parametrize(("case", "code"), [("df303_outside.c", "DF303"), ("df606", "DF606")])
def test_design_of_advice_is_refused(case, code):
    """Where no run goes wrong there is nothing to explore, and the message says so."""
    with pytest.raises(Untold, match=f"dmabuf rules {code}"):
        design_of(finding_of(case, code))
