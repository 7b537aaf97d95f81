/* A long way is as sure as a short one, as long as nothing on it depends on a condition. */

static enum drm_gpu_sched_stat quiet_timedout(struct drm_sched_job *job)
{
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

static void plain_six(void)
{
	kfree(kmalloc(8, GFP_KERNEL)); // EXPECT DF301 error
}
static void plain_five(void)
{
	plain_six();
}
static void plain_four(void)
{
	plain_five();
}
static void plain_three(void)
{
	plain_four();
}
static void plain_two(void)
{
	plain_three();
}

/* found: seven functions, one after the other */
static struct dma_fence *plain_run(struct drm_sched_job *job)
{
	plain_two();
	return NULL;
}

static const struct drm_sched_backend_ops plain_ops = {
	.run_job = plain_run,
	.timedout_job = quiet_timedout,
};

static void asked_six(void)
{
	kfree(kmalloc(8, GFP_KERNEL)); // EXPECT DF301 warning
}
static void asked_five(void)
{
	asked_six();
}
static void asked_four(void)
{
	asked_five();
}
static void asked_three(void)
{
	asked_four();
}
static void asked_two(struct toy_gpu *gpu)
{
	if (gpu->generation > 8)
		asked_three();
}

/* near-miss: what a condition decides up there, the rest may exclude */
static struct dma_fence *asked_run(struct drm_sched_job *job)
{
	asked_two(job->gpu);
	return NULL;
}

static const struct drm_sched_backend_ops asked_ops = {
	.run_job = asked_run,
	.timedout_job = quiet_timedout,
};
