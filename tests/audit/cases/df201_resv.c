/* Reservation locks on the way to a signal. */

static enum drm_gpu_sched_stat quiet_timedout(struct drm_sched_job *job)
{
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

/* found: in run_job */
static struct dma_fence *toy_run(struct drm_sched_job *job)
{
	struct toy_bo *bo = toy_bo_of(job);

	dma_resv_lock(bo->base.resv, NULL); // EXPECT DF201 error
	toy_map(bo);
	dma_resv_unlock(bo->base.resv);
	return toy_fence_of(job);
}

static const struct drm_sched_backend_ops toy_ops = {
	.run_job = toy_run,
	.timedout_job = quiet_timedout,
};

/* found: in a helper */
static int toy_vmap_unlocked(struct toy_bo *bo)
{
	int ret;

	dma_resv_lock_interruptible(bo->base.resv, NULL); // EXPECT DF201 error
	ret = toy_map(bo);
	dma_resv_unlock(bo->base.resv);
	return ret;
}

static struct dma_fence *toy_gem_run(struct drm_sched_job *job)
{
	struct toy_bo *bo = toy_bo_of(job);

	toy_vmap_unlocked(bo);
	return toy_fence_of(job);
}

static const struct drm_sched_backend_ops toy_gem_ops = {
	.run_job = toy_gem_run,
	.timedout_job = quiet_timedout,
};

/* near-miss: trylock */
void try_section(struct toy_bo *bo)
{
	bool cookie = dma_fence_begin_signalling();

	if (dma_resv_trylock(bo->base.resv))
		dma_resv_unlock(bo->base.resv);
	dma_fence_end_signalling(cookie);
}

/* near-miss: reading fences needs no lock */
void read_section(struct toy_bo *bo)
{
	bool cookie = dma_fence_begin_signalling();

	dma_resv_test_signaled(bo->base.resv, DMA_RESV_USAGE_READ);
	dma_fence_end_signalling(cookie);
}

/* noise: a lock taken only with an acquire context that is never given */
static void lock_maybe(struct toy_bo *bo, struct ww_acquire_ctx *ctx)
{
	if (ctx)
		dma_resv_lock(bo->base.resv, ctx);
}

void without_context_section(struct toy_bo *bo)
{
	bool cookie = dma_fence_begin_signalling();

	lock_maybe(bo, NULL);
	dma_fence_end_signalling(cookie);
}
