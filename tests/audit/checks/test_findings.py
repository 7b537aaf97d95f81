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


RESTARTS = b"""
static void toy_handle(struct drm_sched_job *job)
{
    if (job->deep)
        job->a = kzalloc(8, GFP_KERNEL);
    job->b = kzalloc(8, GFP_KERNEL);
    drm_sched_start(job->sched);
    job->c = kmalloc(8, GFP_KERNEL);
}
static enum drm_gpu_sched_stat toy_timedout(struct drm_sched_job *job)
{
    toy_handle(job);
    return DRM_GPU_SCHED_STAT_NOMINAL;
}
static struct dma_fence *toy_run(struct drm_sched_job *job)
{
    return kzalloc(8, GFP_NOWAIT);
}
static const struct drm_sched_backend_ops ops = {
    .run_job = toy_run, .timedout_job = toy_timedout
};
"""


@pytest.mark.parametrize(
    ("first", "second", "line"),
    [
        ("job->a", "job->b && job->c", 4),
        ("job->a && job->b", "job->c", 6),
        ("job->a && job->b", "job->c || job->d", 6),
    ],
)
def test_both_sides_of_an_and_are_conditions(first, second, line):
    """Of two lines the one is told for which less must hold."""
    run = f"""static struct dma_fence *toy_run(struct drm_sched_job *job)
{{
    if ({first})
        toy_helper(8);
    if ({second})
        toy_helper(9);
}}
static const struct drm_sched_backend_ops ops = {{ .run_job = toy_run, .timedout_job = timedout }};
"""
    helper = """static void *toy_helper(int size)
{
    if (size == 8)
        return kmalloc(8, GFP_KERNEL);
    return kzalloc(size, GFP_KERNEL);
}
"""
    sources = {
        f"{FOLDER}/a.c": run.encode(),
        f"{FOLDER}/b.c": helper.replace("static ", "").encode(),
    }

    (found,) = [one for one in findings(sources) if one.code == "DF301"]

    assert line == found.hops[0].place.line


def test_finding_is_told_by_the_way_with_the_fewest_conditions():
    """Not by the first line, which a condition may leave out; what is milder says so."""
    (found,) = findings({f"{FOLDER}/toy.c": RESTARTS})

    assert 6 == found.place.line
    assert ["kzalloc()", "kmalloc(), warning"] == [sink.text for sink in found.sinks]


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("struct workqueue_struct *submit_wq;", "work of the scheduler, on its submit_wq"),
        ("struct task_struct *thread;", "called by the scheduler's own kthread"),
        ("int ready;", "called by the scheduler"),
    ],
    ids=["work", "kthread", "unknown"],
)
def test_finding_says_who_calls_run_job_in_this_tree(field, words):
    """A work since 6.8, a kthread before; where the struct does not tell, neither."""
    header = f"struct drm_gpu_scheduler {{ {field} }};".encode()
    sources = {"include/drm/gpu_scheduler.h": header, f"{FOLDER}/a.c": USERS}

    (found,) = findings({**sources, f"{FOLDER}/b.c": HELPER})

    assert words == found.scheduled


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
