/* The reservation lock of a buffer that nobody else knows yet. */

static enum drm_gpu_sched_stat quiet_timedout(struct drm_sched_job *job)
{
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

static void toy_pin(struct drm_gem_object *obj)
{
	dma_resv_lock(obj->resv, NULL); // EXPECT DF201 warning
	dma_resv_unlock(obj->resv);
}

/* noise: made and pinned at once */
static void toy_grow(struct toy_gpu *gpu)
{
	struct drm_gem_shmem_object *shmem = toy_bo_create(gpu, 4096);
	struct toy_bo *bo = to_toy_bo(&shmem->base);

	toy_pin(&bo->base.base);
}

static struct dma_fence *grow_run(struct drm_sched_job *job)
{
	toy_grow(job->gpu);
	return NULL;
}

static const struct drm_sched_backend_ops grow_ops = {
	.run_job = grow_run,
	.timedout_job = quiet_timedout,
};

static void toy_unpin(struct drm_gem_object *obj)
{
	dma_resv_lock(obj->resv, NULL); // EXPECT DF201 error
	dma_resv_unlock(obj->resv);
}

/* found: one is made, and another one unpinned */
static void toy_swap(struct toy_gpu *gpu, struct toy_bo *old)
{
	gpu->bo = toy_bo_create(gpu, 4096);
	toy_unpin(&old->base.base);
}

static struct dma_fence *swap_run(struct drm_sched_job *job)
{
	toy_swap(job->gpu, job->bo);
	return NULL;
}

static const struct drm_sched_backend_ops swap_ops = {
	.run_job = swap_run,
	.timedout_job = quiet_timedout,
};
