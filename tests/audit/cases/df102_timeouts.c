/* Jobs that nothing ends. */

static struct dma_fence *toy_run(struct drm_sched_job *job)
{
	return toy_emit(job);
}

static void toy_free(struct drm_sched_job *job)
{
}

/* found: the scheduler cannot ask for recovery */
static const struct drm_sched_backend_ops endless_ops = { // EXPECT DF102 warning
	.run_job = toy_run,
	.free_job = toy_free,
};

static enum drm_gpu_sched_stat toy_timedout(struct drm_sched_job *job)
{
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

/* near-miss: with a handler */
static const struct drm_sched_backend_ops timed_ops = {
	.run_job = toy_run,
	.timedout_job = toy_timedout,
	.free_job = toy_free,
};

/* found: a handler that is never called */
int endless_init(struct toy_ring *ring)
{
	return drm_sched_init(&ring->sched, &timed_ops, NULL, 1, 64, 0, // EXPECT DF102 warning
			      MAX_SCHEDULE_TIMEOUT, toy_tdr_wq, NULL, "endless", ring->dev);
}

/* near-miss: with a time */
int timed_init(struct toy_ring *ring)
{
	return drm_sched_init(&ring->sched, &timed_ops, NULL, 1, 64, 0,
			      msecs_to_jiffies(500), toy_tdr_wq, NULL, "timed", ring->dev);
}

/* found: the same, said in a struct */
int args_init(struct toy_ring *ring)
{
	const struct drm_sched_init_args args = { // EXPECT DF102 warning
		.ops = &timed_ops,
		.timeout = MAX_SCHEDULE_TIMEOUT,
	};

	return drm_sched_init(&ring->sched, &args);
}
