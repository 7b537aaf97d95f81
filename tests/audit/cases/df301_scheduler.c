/* Allocations that reclaim, in the callbacks of a scheduler. */

static enum drm_gpu_sched_stat quiet_timedout(struct drm_sched_job *job)
{
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

struct toy_job {
	struct drm_sched_job base;
	struct dma_fence *fence;
	void *state;
};

/* found: straight in run_job */
static struct dma_fence *plain_run(struct drm_sched_job *sched_job)
{
	struct toy_job *job = container_of(sched_job, struct toy_job, base);

	job->state = kzalloc(sizeof(*job), GFP_KERNEL); // EXPECT DF301 error
	return job->fence;
}

static const struct drm_sched_backend_ops plain_ops = {
	.run_job = plain_run,
	.timedout_job = quiet_timedout,
};

/* found: two calls away */
static void *deep_state(unsigned int size)
{
	return kmalloc(size, GFP_KERNEL); // EXPECT DF301 error
}

static int deep_emit(struct toy_job *job)
{
	job->state = deep_state(32);
	return job->state ? 0 : -ENOMEM;
}

static struct dma_fence *deep_run(struct drm_sched_job *sched_job)
{
	struct toy_job *job = container_of(sched_job, struct toy_job, base);

	if (deep_emit(job))
		return ERR_PTR(-ENOMEM);
	return job->fence;
}

static const struct drm_sched_backend_ops deep_ops = {
	.run_job = deep_run,
	.timedout_job = quiet_timedout,
};

/* found: prepare_job and timedout_job are on the way, too */
static struct dma_fence *other_prepare(struct drm_sched_job *sched_job, struct drm_sched_entity *e)
{
	return kzalloc(8, GFP_KERNEL); // EXPECT DF301 error
}

static enum drm_gpu_sched_stat other_timedout(struct drm_sched_job *sched_job)
{
	void *dump = vmalloc(4096); // EXPECT DF301 error

	vfree(dump);
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

/* near-miss: free_job runs after the signal */
static void other_free(struct drm_sched_job *sched_job)
{
	kfree(kzalloc(8, GFP_KERNEL));
}

static struct dma_fence *other_run(struct drm_sched_job *sched_job)
{
	struct toy_job *job = container_of(sched_job, struct toy_job, base);

	return job->fence;
}

static const struct drm_sched_backend_ops other_ops = {
	.prepare_job = other_prepare,
	.run_job = other_run,
	.timedout_job = other_timedout,
	.free_job = other_free,
};

/* near-miss: what does not reclaim may be asked for, and may fail */
static struct dma_fence *atomic_run(struct drm_sched_job *sched_job)
{
	struct toy_job *job = container_of(sched_job, struct toy_job, base);

	job->state = kzalloc(8, GFP_ATOMIC);
	if (!job->state)
		job->state = kzalloc(8, GFP_NOWAIT | __GFP_NOWARN);
	return job->fence;
}

static const struct drm_sched_backend_ops atomic_ops = {
	.run_job = atomic_run,
	.timedout_job = quiet_timedout,
};

/* near-miss: the same helper, called where jobs are made */
int toy_submit(struct toy_job *job)
{
	job->state = kzalloc(128, GFP_KERNEL);
	return 0;
}
