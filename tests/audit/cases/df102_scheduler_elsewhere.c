/* Fences of a driver whose scheduler is made by somebody else's helper. */

static const char *toy_name(struct dma_fence *fence)
{
	return "toy";
}

/* near-miss: the scheduler's table says who ends what is late */
static const struct dma_fence_ops toy_fence_ops = {
	.get_driver_name = toy_name,
	.get_timeline_name = toy_name,
};

static struct dma_fence *toy_run(struct drm_sched_job *job)
{
	return toy_emit(job);
}

static enum drm_gpu_sched_stat toy_timedout(struct drm_sched_job *job)
{
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

static const struct drm_sched_backend_ops toy_ops = {
	.run_job = toy_run,
	.timedout_job = toy_timedout,
};
