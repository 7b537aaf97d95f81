/* User memory and mmap_lock on the way to a signal. */

static enum drm_gpu_sched_stat quiet_timedout(struct drm_sched_job *job)
{
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

/* found: copies of user memory fault */
void copy_section(void __user *to, void *from)
{
	bool cookie = dma_fence_begin_signalling();

	if (copy_to_user(to, from, 8)) // EXPECT DF203 error
		pr_err("fault\n");
	dma_fence_end_signalling(cookie);
}

/* found: mmap_lock */
static struct dma_fence *mm_run(struct drm_sched_job *job)
{
	struct mm_struct *mm = toy_mm_of(job);

	mmap_read_lock(mm); // EXPECT DF203 error
	mmap_read_unlock(mm);
	return NULL;
}

static const struct drm_sched_backend_ops mm_ops = {
	.run_job = mm_run,
	.timedout_job = quiet_timedout,
};

/* near-miss: only tried */
void try_section(struct mm_struct *mm)
{
	bool cookie = dma_fence_begin_signalling();

	if (mmap_read_trylock(mm))
		mmap_read_unlock(mm);
	dma_fence_end_signalling(cookie);
}

/* near-miss: with page faults off */
void nofault_section(void __user *to, void *from)
{
	bool cookie = dma_fence_begin_signalling();

	pagefault_disable();
	if (copy_to_user(to, from, 8))
		pr_err("fault\n");
	pagefault_enable();
	dma_fence_end_signalling(cookie);
}

/* near-miss: before the section */
void early_section(void *to, void __user *from)
{
	bool cookie;

	if (copy_from_user(to, from, 8))
		return;
	cookie = dma_fence_begin_signalling();
	dma_fence_end_signalling(cookie);
}
