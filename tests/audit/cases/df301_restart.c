/* After the scheduler was started again its jobs run, and wait for this handler no more. */

static struct dma_fence *quiet_run(struct drm_sched_job *job)
{
	return NULL;
}

/* noise: a self test after the start */
static enum drm_gpu_sched_stat late_timedout(struct drm_sched_job *job)
{
	drm_sched_stop(job->sched, job);
	toy_reset(job);
	drm_sched_start(job->sched);
	job->state = kzalloc(8, GFP_KERNEL); // EXPECT DF301 warning
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

static const struct drm_sched_backend_ops late_ops = {
	.run_job = quiet_run,
	.timedout_job = late_timedout,
};

/* found: between stop and start */
static enum drm_gpu_sched_stat early_timedout(struct drm_sched_job *job)
{
	drm_sched_stop(job->sched, job);
	job->state = kzalloc(8, GFP_KERNEL); // EXPECT DF301 error
	drm_sched_start(job->sched);
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

static const struct drm_sched_backend_ops early_ops = {
	.run_job = quiet_run,
	.timedout_job = early_timedout,
};

/* found: stopped again */
static enum drm_gpu_sched_stat again_timedout(struct drm_sched_job *job)
{
	drm_sched_start(job->sched);
	drm_sched_stop(job->sched, job);
	job->state = kzalloc(8, GFP_KERNEL); // EXPECT DF301 error
	drm_sched_start(job->sched);
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

static const struct drm_sched_backend_ops again_ops = {
	.run_job = quiet_run,
	.timedout_job = again_timedout,
};

/* found: the start is of another branch, which is left */
static enum drm_gpu_sched_stat branch_timedout(struct drm_sched_job *job)
{
	if (toy_reset_queue(job)) {
		if (toy_ready(job))
			drm_sched_start(job->sched);
		return DRM_GPU_SCHED_STAT_NOMINAL;
	}
	job->state = kzalloc(8, GFP_KERNEL); // EXPECT DF301 error
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

static const struct drm_sched_backend_ops branch_ops = {
	.run_job = quiet_run,
	.timedout_job = branch_timedout,
};

/* noise: the start stands in a loop over all rings */
static enum drm_gpu_sched_stat loop_timedout(struct drm_sched_job *job)
{
	for (int i = 0; i < 4; i++) {
		if (!job->rings[i])
			continue;
		drm_sched_start(job->rings[i]);
	}
	job->state = kzalloc(8, GFP_KERNEL); // EXPECT DF301 warning
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

static const struct drm_sched_backend_ops loop_ops = {
	.run_job = quiet_run,
	.timedout_job = loop_timedout,
};
