/* Flushing work on the way to a signal: what the work does counts. */

struct toy_gpu {
	struct work_struct heavy;
	struct work_struct light;
};

/* found: the work allocates */
static void heavy_worker(struct work_struct *work)
{
	kfree(kmalloc(8, GFP_KERNEL)); // EXPECT DF301 error
}

static enum drm_gpu_sched_stat heavy_timedout(struct drm_sched_job *job)
{
	struct toy_gpu *gpu = to_gpu(job);

	flush_work(&gpu->heavy);
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

static const struct drm_sched_backend_ops heavy_ops = {
	.timedout_job = heavy_timedout,
};

/* near-miss: the work does nothing forbidden */
static void light_worker(struct work_struct *work)
{
	pr_info("light\n");
}

static enum drm_gpu_sched_stat light_timedout(struct drm_sched_job *job)
{
	struct toy_gpu *gpu = to_gpu(job);

	cancel_work_sync(&gpu->light);
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

static const struct drm_sched_backend_ops light_ops = {
	.timedout_job = light_timedout,
};

void toy_init(struct toy_gpu *gpu)
{
	INIT_WORK(&gpu->heavy, heavy_worker);
	INIT_WORK(&gpu->light, light_worker);
}
