"""A timer as the only way to the signal of a job that did not hang."""

import pytest

from dmabuf import Completion, check_design, design
from dmabuf.explore.check import replay_design
from dmabuf.explore.portfolio import DPOR, GRAPH, NAIVE, SLEEP
from dmabuf.explore.timer_clause import UNDECIDED
from dmabuf.report.verdict import Status
from tests.explore.lassos.timer_designs import BACKED, ONLY, interrupt_is_lost, published
from tests.explore.lassos.timer_oracle import differences

PROGRAMS = 30


@pytest.mark.parametrize("name", ONLY)
def test_timer_as_the_only_way_is_found(name):
    """It is a finding of its own, and the only one."""
    verdict = check_design(ONLY[name], name)

    assert ["DF101"] == [finding.code for finding in verdict.findings]
    assert "though no job hangs" in verdict.findings[0].message


@pytest.mark.parametrize("name", BACKED)
def test_timer_for_hung_jobs_is_proved(name):
    """So are timers that are never needed, and delays that are part of the way."""
    assert Status.PROVED is check_design(BACKED[name], name).status


@pytest.mark.parametrize("engine", [SLEEP, DPOR, GRAPH, NAIVE])
def test_timer_clause_is_decided_under_every_engine(engine):
    """None that proves leaves it out."""
    bad = check_design(interrupt_is_lost, "bad", engine=engine)
    good = check_design(BACKED["job_hangs"], "good", engine=engine)

    assert (["DF101"], Status.PROVED) == ([one.code for one in bad.findings], good.status)


@pytest.mark.parametrize("name", ["interrupt_is_lost", "process_does_not_draw"])
def test_token_of_a_timer_finding_shows_it_again(name):
    """With the same sentence."""
    found = check_design(ONLY[name], name).findings[0]

    again = replay_design(ONLY[name], name, found.token)

    assert [found.message] == [one.message for one in again.findings]


def test_timer_clause_that_is_not_decided_is_no_pass():
    """Where states cannot be compared, a suspect state that may be harmless is left open."""

    @design
    def opaque(machine):
        fence, never = published(), Completion("never")

        def run():
            if max([1, 2], key=lambda _: machine.choose(2)) == 2:  # C code with a step inside
                never.wait(timeout=1.0)
            fence.signal()

        machine.kthread(run)

    verdict = check_design(opaque, "opaque")

    assert (Status.BOUNDED, UNDECIDED) == (verdict.status, verdict.limit)


@pytest.mark.slow
def test_timer_clause_equals_the_definition():
    """Suspect states of each engine, and what each timeout stands by for, on random programs."""
    results = [differences(seed) for seed in range(PROGRAMS)]
    small = [one for one in results if one is not None]

    assert [] == [said for found, _count in small for said in found]
    assert len(small) >= PROGRAMS // 2
    assert sum(count for _found, count in small) >= PROGRAMS // 2
