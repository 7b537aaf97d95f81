/* A driver with a scheduler, cut down to what the fence contract is about.
 *
 *   dmabuf check examples/run_job_allocates.c
 *
 * Two engines do the same work. The first allocates its hardware fence when the job runs; then the
 * finished fence of that job is public, and memory may come back only through it. The second has
 * allocated before the job was armed.
 */

struct engine_fence {
	struct dma_fence base;
	u64 seqno;
};

struct engine {
	spinlock_t lock;
	u64 context;
	u64 seqno;
};

struct engine_job {
	struct drm_sched_job base;
	struct engine *engine;
	struct engine_fence *fence;
};

static const char *engine_name(struct dma_fence *fence)
{
	return "engine";
}

static const struct dma_fence_ops engine_fence_ops = {
	.get_driver_name = engine_name,
	.get_timeline_name = engine_name,
};

static struct dma_fence *late_run_job(struct drm_sched_job *base)
{
	struct engine_job *job = container_of(base, struct engine_job, base);
	struct engine *engine = job->engine;
	struct engine_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);

	if (!fence)
		return ERR_PTR(-ENOMEM);
	dma_fence_init(&fence->base, &engine_fence_ops, &engine->lock,
		       engine->context, ++engine->seqno);
	start_engine(engine, fence);
	return &fence->base;
}

static enum drm_gpu_sched_stat engine_timedout(struct drm_sched_job *base)
{
	struct engine_job *job = container_of(base, struct engine_job, base);

	reset_engine(job->engine);
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

static const struct drm_sched_backend_ops late_ops = {
	.run_job = late_run_job,
	.timedout_job = engine_timedout,
};

static int early_init_job(struct engine_job *job, struct drm_sched_entity *entity)
{
	job->fence = kzalloc(sizeof(*job->fence), GFP_KERNEL);
	if (!job->fence)
		return -ENOMEM;
	return drm_sched_job_init(&job->base, entity, 1, NULL);
}

static struct dma_fence *early_run_job(struct drm_sched_job *base)
{
	struct engine_job *job = container_of(base, struct engine_job, base);
	struct engine *engine = job->engine;

	dma_fence_init(&job->fence->base, &engine_fence_ops, &engine->lock,
		       engine->context, ++engine->seqno);
	start_engine(engine, job->fence);
	return &job->fence->base;
}

static const struct drm_sched_backend_ops early_ops = {
	.run_job = early_run_job,
	.timedout_job = engine_timedout,
};
