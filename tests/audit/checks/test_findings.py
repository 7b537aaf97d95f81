"""What a finding tells: what schedules it, what is folded, the other side, and its key."""

import re

import pytest

from dmabuf.audit.checks.audit import audit
from dmabuf.audit.checks.build_files import BuildFiles
from dmabuf.audit.front.extract import extract
from dmabuf.audit.program.program import Program
from tests.audit.corpus import CASES, audited

HELPER = b"""
void *toy_make(void)
{
    return kzalloc(8, GFP_KERNEL);
}
"""
USERS = b"""
static struct dma_fence *a_run(struct drm_sched_job *job)
{
    return toy_make();
}
static struct dma_fence *b_run(struct drm_sched_job *job)
{
    return toy_make();
}
static enum drm_gpu_sched_stat timedout(struct drm_sched_job *job)
{
    return DRM_GPU_SCHED_STAT_NOMINAL;
}
static const struct drm_sched_backend_ops a_ops = { .run_job = a_run, .timedout_job = timedout };
static const struct drm_sched_backend_ops b_ops = { .run_job = b_run, .timedout_job = timedout };
"""
FOLDER = "drivers/gpu/drm/toy"


def findings(sources):
    """What is found in these files, given in this order."""
    files = [extract(path, data) for path, data in sources.items()]
    return list(audit(Program(files), BuildFiles("")).findings)


def one(case, root):
    """The finding of a case that starts there."""
    return next(found for found in audited(CASES / case) if found.root == root)


def test_finding_folds_what_lies_beyond_one_choke_point():
    """One finding, by the shortest way; the other lines are sinks of it."""
    (found,) = audited(CASES / "clusters.c")

    assert {5, 10} == {sink.place.line for sink in found.sinks}


def test_finding_names_the_work_its_queue_and_who_queues_it():
    """A work is told with the queue, its flags, and the line that queues it."""
    found = one("df301_warning_roots.c", "recover_worker")

    assert "work function of recover_work" == found.entry
    words = ("work recover_work on toy_wq (WQ_MEM_RECLAIM)", "queued by toy_hang()", ".c:")
    assert [] == [word for word in words if word not in found.scheduled]


def test_finding_about_a_lock_has_both_sides():
    """The evidence is the way from where the lock is held to what may wait."""
    found = one("df202_both_sides.c", "list_section")
    (evidence,) = found.evidence

    assert "toy_list_lock is held elsewhere; list_add_one() holds it there" in evidence.text
    assert ["list_add_one", "list_entry_new"] == [hop.place.function for hop in evidence.hops]


def test_callbacks_that_share_a_helper_are_one_finding():
    """The second one is told as a sink of the first."""
    (found,) = findings({f"{FOLDER}/a.c": USERS, f"{FOLDER}/b.c": HELPER})

    assert "a_run" == found.root
    assert ["the same from b_run()"] == [sink.text for sink in found.sinks]


def test_findings_do_not_depend_on_the_order_of_files():
    """Neither which there are, nor their keys."""
    sources = {f"{FOLDER}/a.c": USERS, f"{FOLDER}/b.c": HELPER}

    assert findings(sources) == findings(dict(reversed(sources.items())))


@pytest.mark.parametrize("case", ["df202_locks.c", "df301_sections.c", "df109_tail.c"])
def test_keys_have_no_lines_and_are_there_once(case):
    """A key is made of names."""
    keys = [found.key for found in audited(CASES / case)]

    assert len(keys) == len(set(keys))
    assert [] == [key for key in keys if re.search(r":\d+\b", key)]


def test_finding_says_how_lockdep_could_confirm_it():
    """The hint names functions of the chain."""
    found = one("df301_scheduler.c", "deep_run")

    assert "dma_fence_begin_signalling() at the start of deep_run()" in found.hint
    assert "might_alloc(GFP_KERNEL) in deep_state()" in found.hint


def chained(length):
    """A run_job that allocates behind so many calls."""
    calls = [f"void *f{n}(void)\n{{\n    return f{n + 1}();\n}}\n" for n in range(length)]
    last = f"void *f{length}(void)\n{{\n    return kzalloc(8, GFP_KERNEL);\n}}\n"
    users = USERS.replace(b"toy_make()", b"f0()")
    return extract(f"{FOLDER}/toy.c", "".join([last, *reversed(calls)]).encode() + users)


@pytest.mark.parametrize(("length", "told"), [(3, False), (60, True)])
def test_search_that_was_cut_is_told(length, told):
    """What lies beyond a bound is not passed over in silence."""
    checked = audit(Program([chained(length)]), BuildFiles(""))

    assert told is bool(checked.limits)
    assert told is not any(found.code == "DF301" for found in checked.findings)


def test_lock_has_its_other_side_among_many_of_its_name():
    """More functions take locks of that name than are asked; those of the struct come first."""
    others = "".join(
        f"struct other{at} {{ struct mutex lock; }};\n"
        f"void other{at}_set(struct other{at} *one)\n{{\n"
        "    mutex_lock(&one->lock);\n    one->x = 1;\n    mutex_unlock(&one->lock);\n}\n"
        for at in range(80)
    ).encode()
    driver = b"""
struct toy { struct mutex lock; };
void toy_grow(struct toy *toy)
{
    mutex_lock(&toy->lock);
    toy->table = kmalloc(8, GFP_KERNEL);
    mutex_unlock(&toy->lock);
}
static struct dma_fence *toy_run(struct drm_sched_job *job)
{
    struct toy *toy = to_toy(job);

    mutex_lock(&toy->lock);
    mutex_unlock(&toy->lock);
    return NULL;
}
static const struct drm_sched_backend_ops toy_ops = { .run_job = toy_run };
"""

    found = findings({"drivers/gpu/drm/aaa/aaa.c": others, f"{FOLDER}/toy.c": driver})

    assert "DF202:toy_run:toy.lock" in [one.key for one in found]
