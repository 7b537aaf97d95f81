/* Where a driver declares its hardware dead. */

static struct dma_fence *quiet_run(struct drm_sched_job *job)
{
	return NULL;
}

/* noise: what is made for a device that does nothing any more */
static void toy_declare_wedged(struct drm_sched_job *job)
{
	job->state = kzalloc(8, GFP_KERNEL); // EXPECT DF301 warning
}

/* found: asked for on every hang */
static bool toy_is_wedged(struct drm_sched_job *job)
{
	job->state = kzalloc(8, GFP_KERNEL); // EXPECT DF301 error
	return job->state;
}

static enum drm_gpu_sched_stat giving_timedout(struct drm_sched_job *job)
{
	if (toy_is_wedged(job))
		toy_declare_wedged(job);
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

static const struct drm_sched_backend_ops giving_ops = {
	.run_job = quiet_run,
	.timedout_job = giving_timedout,
};
