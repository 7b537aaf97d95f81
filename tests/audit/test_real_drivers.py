"""Four drivers of Linux 6.12, the scheduler and dma-buf, as they were released.

What is asked of whole trees by commands (`tests.audit.fixed`, `tests.audit.verdicts`) is asked here
of as much as takes some seconds.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dmabuf.report.source_finding import Level
from tests.audit.designs import findings_of
from tests.audit.fixed import best, catalogue
from tests.audit.verdicts import read_page
from tests.kernel_source import AUDITED, DRIVERS, needs_source, tree

pytestmark = [needs_source, pytest.mark.slow, pytest.mark.xdist_group("real-drivers")]

PAGE = Path(__file__).parents[2] / "docs" / "audits" / "linux-6.12-again.md"
ADMITTED = [one for one in catalogue() if "6.12" in one.trees and one.file.startswith(DRIVERS)]
ERRORS = {
    "DF107:drm_sched_entity_kill_jobs_work:system_wq",
    "DF202:queue_run_job:panthor_scheduler.lock",
    "DF202:queue_timedout_job:panthor_scheduler.lock",
    "DF301:etnaviv_sched_run_job>etnaviv_gpu_submit:kzalloc",
    "DF301:etnaviv_sched_timedout_job>etnaviv_gpu_recover_hang:kstrdup",
    "DF301:lima_sched_run_job>lima_fence_create:kmem_cache_zalloc",
    "DF301:panfrost_job_run>panfrost_fence_create:kzalloc",
}
LOST_AT_MOST = 0.001


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """What an audit from scratch prints as JSON."""
    cache = tmp_path_factory.mktemp("cache")
    paths = [str(tree() / folder) for folder in AUDITED]
    command = [sys.executable, "-m", "dmabuf", "check", "--json", "--level", "info"]
    command += ["--jobs", "1", "--cache", str(cache), *paths]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout)


@pytest.fixture(scope="module")
def findings(audited):
    """Its findings."""
    return list(findings_of(audited))


@pytest.mark.parametrize("violation", ADMITTED, ids=lambda one: one.id)
def test_what_maintainers_admitted_is_found(findings, violation):
    """Each entry of the catalogue that stands in these drivers."""
    assert best(violation, findings) is not None


def test_errors_are_what_two_readers_found_true(findings):
    """No more and no fewer than the page of readings has of these drivers."""
    true = {one.key for one in read_page(PAGE.read_text("utf-8")) if one.verdict == "true"}

    errors = {finding.key for finding in findings if finding.level is Level.ERROR}

    assert errors == ERRORS
    assert errors <= true


def test_nearly_everything_is_understood(audited):
    """Bytes in functions with statements that make no sense to us."""
    (result,) = audited["results"]

    assert result["bytes_in_flaws"] < LOST_AT_MOST * result["bytes_read"]
