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

struct toy_shmem {
	struct mutex pages_lock;
	void *pages;
};

static void toy_fill(struct toy_shmem *shmem)
{
	mutex_lock(&shmem->pages_lock); // EXPECT DF202 warning
	mutex_unlock(&shmem->pages_lock);
}

void toy_fault(struct toy_shmem *shmem)
{
	mutex_lock(&shmem->pages_lock);
	shmem->pages = kmalloc(8, GFP_KERNEL);
	mutex_unlock(&shmem->pages_lock);
}

/* noise: another lock of what was just made */
static void toy_extend(struct toy_gpu *gpu)
{
	struct toy_shmem *shmem = toy_shmem_create(gpu, 4096);

	toy_fill(shmem);
}

static struct dma_fence *extend_run(struct drm_sched_job *job)
{
	toy_extend(job->gpu);
	return NULL;
}

static const struct drm_sched_backend_ops extend_ops = {
	.run_job = extend_run,
	.timedout_job = quiet_timedout,
};

struct toy_range {
	struct mutex lock;
	struct mutex other;
};

/* near-miss: the evidence is the lock of what a call left in its argument */
static int toy_table(struct toy_gpu *gpu, struct toy_bo **table)
{
	struct toy_bo *bo;
	int r = toy_bo_create(gpu, table);

	bo = *table;
	dma_resv_lock(bo->base.resv, NULL);
	dma_resv_unlock(bo->base.resv);
	return r;
}

/* found: another one is locked, and that is evidence */
static int toy_tables(struct toy_gpu *gpu, struct toy_bo *old)
{
	struct toy_bo *bo;
	int r = toy_bo_create(gpu, &bo);

	dma_resv_lock(old->base.resv, NULL);
	dma_resv_unlock(old->base.resv);
	return r;
}

void toy_map(struct toy_gpu *gpu, struct toy_range *range)
{
	struct toy_bo *table;

	mutex_lock(&range->lock);
	toy_table(gpu, &table);
	mutex_unlock(&range->lock);
}

void toy_remap(struct toy_gpu *gpu, struct toy_range *range)
{
	mutex_lock(&range->other);
	toy_tables(gpu, gpu->table);
	mutex_unlock(&range->other);
}

static struct dma_fence *range_run(struct drm_sched_job *job)
{
	struct toy_range *range = job->range;

	mutex_lock(&range->lock); // EXPECT DF202 warning
	mutex_unlock(&range->lock);
	mutex_lock(&range->other); // EXPECT DF202 error
	mutex_unlock(&range->other);
	return NULL;
}

static const struct drm_sched_backend_ops range_ops = {
	.run_job = range_run,
	.timedout_job = quiet_timedout,
};
