"""A made-up kernel tree: a driver, and what it calls outside of its folder."""

from __future__ import annotations

from pathlib import Path

from dmabuf.audit.front.gather import gather
from dmabuf.audit.outside.asking import Asked, Reading, ask
from dmabuf.audit.program.program import Program

__all__ = ["DRIVER", "FILES", "answers", "plant"]

DRIVER = "drivers/gpu/drm/toy/toy.c"
FILES = {
    DRIVER: """
#include <linux/power.h>
static DEFINE_MUTEX(toy_lock);
static struct dma_fence *toy_run(struct drm_sched_job *job)
{
	power_name(job->name, GFP_KERNEL);
	power_name(job->name, GFP_NOWAIT);
	power_quiet();
	power_up(job->dev, false);
	return NULL;
}
static const struct drm_sched_backend_ops toy_ops = { .run_job = toy_run, .timedout_job = late };
""",
    "include/linux/power.h": """
struct power { struct mutex lock; };
char *power_name(const char *s, gfp_t gfp);
void power_up(struct power *p, bool wait);
void power_quiet(void);
""",
    "kernel/power.c": """
#include <linux/power.h>
char *power_name(const char *s, gfp_t gfp)
{
	return power_copy(s, gfp | __GFP_ZERO);
}

void power_up(struct power *p, bool wait)
{
	mutex_lock(&p->lock);
	if (wait)
		wait_for_completion(&p->up);
	mutex_unlock(&p->lock);
}

void power_add(struct power *p)
{
	mutex_lock(&p->lock);
	p->table = kmalloc(8, GFP_KERNEL);
	mutex_unlock(&p->lock);
}

void power_quiet(void)
{
	udelay(1);
}

void power_hold(struct power *p)
{
	mutex_lock(&p->lock);
}
""",
    "lib/copy.c": """
char *power_copy(const char *s, gfp_t gfp)
{
	return kmemdup_it(s, 8, gfp);
}
static char *kmemdup_it(const char *s, size_t n, gfp_t gfp)
{
	return kmalloc(n, gfp);
}
""",
}


def plant(root: Path, files: dict[str, str] = FILES) -> Path:
    """Write the files below a folder."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def answers(root: Path, keep: Path | None = None, folder: str = "drivers/gpu/drm/toy") -> Asked:
    """What the driver's folder calls outside."""
    gathered = gather(root, [folder], jobs=1)
    program = Program(gathered.files.values())
    return ask(root, program, gathered.files, Reading(jobs=1, keep=keep))
