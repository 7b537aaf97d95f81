/* Dumps after a hang are told milder; what recovers is not, nor what dumps jobs that run. */

struct toy_dump_head {
	int size;
};

struct toy_job {
	struct drm_sched_job base;
	void *state;
};

static struct dma_fence *quiet_run(struct drm_sched_job *job)
{
	return NULL;
}

/* noise: a core dump before the reset */
static void toy_core_dump(struct toy_job *job)
{
	job->state = __vmalloc(4096, GFP_KERNEL | __GFP_NOWARN); // EXPECT DF301 warning
}

/* near-miss: memory for the reset itself */
static void toy_recover(struct toy_job *job)
{
	job->state = kzalloc(8, GFP_KERNEL); // EXPECT DF301 error
}

static enum drm_gpu_sched_stat dumping_timedout(struct drm_sched_job *base)
{
	struct toy_job *job = container_of(base, struct toy_job, base);

	toy_core_dump(job);
	toy_recover(job);
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

static const struct drm_sched_backend_ops dumping_ops = {
	.run_job = quiet_run,
	.timedout_job = dumping_timedout,
};

/* noise: the struct that is filled says that it is a dump */
static void toy_build_error_list(struct toy_job *job)
{
	struct toy_dump_head *head = kvmalloc(4096, GFP_KERNEL); // EXPECT DF301 warning

	job->state = head;
}

static enum drm_gpu_sched_stat listing_timedout(struct drm_sched_job *base)
{
	toy_build_error_list(container_of(base, struct toy_job, base));
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

static const struct drm_sched_backend_ops listing_ops = {
	.run_job = quiet_run,
	.timedout_job = listing_timedout,
};

/* noise: a capture in a section, below a function that handles an error */
static void toy_capture(struct toy_job *job)
{
	job->state = kmalloc(64, GFP_KERNEL); // EXPECT DF301 warning
}

static void toy_error_state(struct toy_job *job)
{
	bool cookie = dma_fence_begin_signalling();

	toy_capture(job);
	dma_fence_end_signalling(cookie);
}

/* found: the commands of every job are dumped for a tracer */
static void toy_rd_dump(struct toy_job *job)
{
	job->state = kmalloc(64, GFP_KERNEL); // EXPECT DF301 error
}

static struct dma_fence *traced_run(struct drm_sched_job *base)
{
	toy_rd_dump(container_of(base, struct toy_job, base));
	return NULL;
}

static enum drm_gpu_sched_stat quiet_timedout(struct drm_sched_job *base)
{
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

static const struct drm_sched_backend_ops traced_ops = {
	.run_job = traced_run,
	.timedout_job = quiet_timedout,
};
