/* Locks of the kernel's core, whose other side is not in the audited folders. */

struct toy_gpu {
	struct device *dev;
	struct dev_pm_qos_request boost;
	struct address_space *mapping;
	struct dma_fence *fence;
};

/* found: PM QoS, the console, and the lock of a file's mappings */
static struct dma_fence *toy_run(struct drm_sched_job *job)
{
	struct toy_gpu *gpu = to_toy(job);

	dev_pm_qos_update_request(&gpu->boost, 1); // EXPECT DF202 warning
	return gpu->fence;
}

static enum drm_gpu_sched_stat toy_late(struct drm_sched_job *job)
{
	struct toy_gpu *gpu = to_toy(job);

	console_lock(); // EXPECT DF202 warning
	console_unlock();
	unmap_mapping_range(gpu->mapping, 0, 0, 1); // EXPECT DF202 warning
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

static const struct drm_sched_backend_ops toy_ops = {
	.run_job = toy_run,
	.timedout_job = toy_late,
};

/* near-miss: before there is a job */
int toy_open(struct toy_gpu *gpu)
{
	dev_pm_qos_add_request(gpu->dev, &gpu->boost, DEV_PM_QOS_MIN_FREQUENCY, 0);
	return 0;
}

/* near-miss: a notifier may call what it is called by */
static bool toy_invalidate(struct mmu_interval_notifier *mni,
			   const struct mmu_notifier_range *range, unsigned long seq)
{
	struct toy_gpu *gpu = container_of(mni, struct toy_gpu, notifier);

	unmap_mapping_range(gpu->mapping, 0, 0, 1);
	return true;
}

static const struct mmu_interval_notifier_ops toy_notifier_ops = {
	.invalidate = toy_invalidate,
};
