/* Waits for the fence that stands in a slot of the ring. */

struct toy_ring {
	struct dma_fence **fences;
	unsigned int mask;
	unsigned int seq;
};

static enum drm_gpu_sched_stat quiet_timedout(struct drm_sched_job *job)
{
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

/* near-miss: the slot gets the next fence of this ring, so the old one is an earlier one */
static void room_emit(struct toy_ring *ring, struct dma_fence *fence)
{
	struct dma_fence **ptr, *old;

	ptr = &ring->fences[++ring->seq & ring->mask];
	old = dma_fence_get_rcu_safe(ptr);
	if (old)
		dma_fence_wait(old, false);
	rcu_assign_pointer(*ptr, fence);
}

static struct dma_fence *room_run(struct drm_sched_job *job)
{
	room_emit(job->ring, job->fence);
	return NULL;
}

static const struct drm_sched_backend_ops room_ops = {
	.run_job = room_run,
	.timedout_job = quiet_timedout,
};

/* near-miss: the same without a pointer to the slot */
static struct dma_fence *plain_run(struct drm_sched_job *job)
{
	struct toy_ring *ring = job->ring;
	struct dma_fence *old = ring->fences[ring->seq % 16];

	dma_fence_wait(old, false);
	ring->fences[ring->seq % 16] = job->fence;
	return NULL;
}

static const struct drm_sched_backend_ops plain_ops = {
	.run_job = plain_run,
	.timedout_job = quiet_timedout,
};

/* found: waits for the last fence of whatever ring it is given */
static void idle_wait(struct toy_ring *ring)
{
	struct dma_fence **ptr, *last;

	ptr = &ring->fences[ring->seq & ring->mask];
	last = dma_fence_get_rcu_safe(ptr);
	dma_fence_wait(last, false); // EXPECT DF108 error
}

static struct dma_fence *idle_run(struct drm_sched_job *job)
{
	idle_wait(job->other_ring);
	return NULL;
}

static const struct drm_sched_backend_ops idle_ops = {
	.run_job = idle_run,
	.timedout_job = quiet_timedout,
};

/* found: the slot is filled, but another fence is waited for */
static struct dma_fence *other_run(struct drm_sched_job *job)
{
	struct toy_ring *ring = job->ring;

	dma_fence_wait(job->dependency, false); // EXPECT DF108 error
	ring->fences[ring->seq % 16] = job->fence;
	return NULL;
}

static const struct drm_sched_backend_ops other_ops = {
	.run_job = other_run,
	.timedout_job = quiet_timedout,
};
