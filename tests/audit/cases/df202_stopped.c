/* Where the scheduler stands still, what runs its jobs holds no lock. */

struct toy_gpu {
	struct mutex lock;
	struct mutex other_lock;
	struct drm_gpu_scheduler sched;
	void *state;
};

/* near-miss: only run_job allocates under the lock, and none runs */
static void toy_emit(struct toy_gpu *gpu)
{
	mutex_lock(&gpu->lock);
	gpu->state = kmalloc(8, GFP_KERNEL); // EXPECT DF301 error
	mutex_unlock(&gpu->lock);
}

static struct dma_fence *toy_run(struct drm_sched_job *job)
{
	toy_emit(job->gpu);
	return NULL;
}

static enum drm_gpu_sched_stat toy_timedout(struct drm_sched_job *job)
{
	struct toy_gpu *gpu = job->gpu;

	mutex_lock(&gpu->lock); // EXPECT DF202 error
	mutex_unlock(&gpu->lock);
	drm_sched_stop(&gpu->sched, job);
	mutex_lock(&gpu->lock);
	mutex_unlock(&gpu->lock);
	mutex_lock(&gpu->other_lock); // EXPECT DF202 error
	mutex_unlock(&gpu->other_lock);
	drm_sched_start(&gpu->sched);
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

/* found: an ioctl goes on */
int toy_ioctl(struct toy_gpu *gpu)
{
	mutex_lock(&gpu->other_lock);
	gpu->state = kmalloc(8, GFP_KERNEL);
	mutex_unlock(&gpu->other_lock);
	return 0;
}

static const struct drm_sched_backend_ops toy_ops = {
	.run_job = toy_run,
	.timedout_job = toy_timedout,
};
