/* Objects that are made the first time that somebody asks for them. */

struct toy_gpu {
	struct toy_hive *hive;
	struct list_head hives;
};

static enum drm_gpu_sched_stat quiet_timedout(struct drm_sched_job *job)
{
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

/* noise: there since the device came up */
static struct toy_hive *toy_get_hive(struct toy_gpu *gpu)
{
	struct toy_hive *hive = NULL;

	if (gpu->hive) {
		hive = gpu->hive;
		goto out;
	}
	hive = kzalloc(8, GFP_KERNEL); // EXPECT DF301 warning
	gpu->hive = hive;
out:
	return hive;
}

static struct dma_fence *hive_run(struct drm_sched_job *job)
{
	toy_get_hive(job->gpu);
	return NULL;
}

static const struct drm_sched_backend_ops hive_ops = {
	.run_job = hive_run,
	.timedout_job = quiet_timedout,
};

/* noise: the same without the variable */
static struct toy_hive *toy_take_hive(struct toy_gpu *gpu)
{
	struct toy_hive *hive;

	if (gpu->hive)
		return gpu->hive;
	hive = kzalloc(8, GFP_KERNEL); // EXPECT DF301 warning
	gpu->hive = hive;
	return hive;
}

static struct dma_fence *take_run(struct drm_sched_job *job)
{
	toy_take_hive(job->gpu);
	return NULL;
}

static const struct drm_sched_backend_ops take_ops = {
	.run_job = take_run,
	.timedout_job = quiet_timedout,
};

/* noise: searched for in a list */
static struct toy_hive *toy_find_hive(struct toy_gpu *gpu)
{
	struct toy_hive *hive;

	list_for_each_entry(hive, &gpu->hives, node)
		if (hive->id == gpu->id)
			goto out;
	hive = kzalloc(8, GFP_KERNEL); // EXPECT DF301 warning
out:
	return hive;
}

static struct dma_fence *find_run(struct drm_sched_job *job)
{
	toy_find_hive(job->gpu);
	return NULL;
}

static const struct drm_sched_backend_ops find_ops = {
	.run_job = find_run,
	.timedout_job = quiet_timedout,
};

/* found: made each time, but for what nobody can take */
static struct toy_state *toy_make_state(struct toy_gpu *gpu)
{
	struct toy_state *state;

	if (!gpu->hive) {
		state = NULL;
		goto out;
	}
	state = kzalloc(8, GFP_KERNEL); // EXPECT DF301 error
out:
	return state;
}

static struct dma_fence *state_run(struct drm_sched_job *job)
{
	toy_make_state(job->gpu);
	return NULL;
}

static const struct drm_sched_backend_ops state_ops = {
	.run_job = state_run,
	.timedout_job = quiet_timedout,
};

/* found: what is asked for first is another thing */
static struct toy_state *toy_other_state(struct toy_gpu *gpu)
{
	struct toy_state *state;
	struct toy_hive *hive = NULL;

	if (gpu->hive) {
		hive = gpu->hive;
		goto out;
	}
	state = kzalloc(8, GFP_KERNEL); // EXPECT DF301 error
	return state;
out:
	toy_tell(hive);
	return NULL;
}

static struct dma_fence *other_run(struct drm_sched_job *job)
{
	toy_other_state(job->gpu);
	return NULL;
}

static const struct drm_sched_backend_ops other_ops = {
	.run_job = other_run,
	.timedout_job = quiet_timedout,
};

/* found: an error code is no object */
static int toy_reserve(struct toy_gpu *gpu)
{
	int ret;

	ret = toy_populate(gpu);
	if (ret) {
		ret = toy_undo(gpu);
		goto out;
	}
	ret = dma_resv_reserve_fences(gpu->resv, 1); // EXPECT DF301 error
out:
	return ret;
}

static struct dma_fence *reserve_run(struct drm_sched_job *job)
{
	toy_reserve(job->gpu);
	return NULL;
}

static const struct drm_sched_backend_ops reserve_ops = {
	.run_job = reserve_run,
	.timedout_job = quiet_timedout,
};
