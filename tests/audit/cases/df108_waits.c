/* Waits without an end on the way to a signal. */

static enum drm_gpu_sched_stat quiet_timedout(struct drm_sched_job *job)
{
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

/* found: a fence */
static struct dma_fence *fence_run(struct drm_sched_job *job)
{
	struct dma_fence *before = toy_before(job);

	dma_fence_wait(before, false); // EXPECT DF108 error
	return NULL;
}

static const struct drm_sched_backend_ops fence_ops = {
	.run_job = fence_run,
	.timedout_job = quiet_timedout,
};

/* found: an event that nobody owes */
void event_section(struct toy_ring *ring)
{
	bool cookie = dma_fence_begin_signalling();

	wait_event(ring->queue, ring->space > 0); // EXPECT DF108 warning
	dma_fence_end_signalling(cookie);
}

/* found: a completion */
void completion_section(struct toy_ring *ring)
{
	bool cookie = dma_fence_begin_signalling();

	wait_for_completion(&ring->done); // EXPECT DF108 warning
	dma_fence_end_signalling(cookie);
}

/* near-miss: with an end */
void bounded_section(struct toy_ring *ring)
{
	bool cookie = dma_fence_begin_signalling();

	wait_event_timeout(ring->queue, ring->space > 0, HZ);
	wait_for_completion_timeout(&ring->done, msecs_to_jiffies(10));
	dma_fence_end_signalling(cookie);
}

/* near-miss: sleeping is allowed */
void sleeping_section(struct toy_ring *ring)
{
	bool cookie = dma_fence_begin_signalling();

	usleep_range(10, 20);
	msleep(1);
	cond_resched();
	dma_fence_end_signalling(cookie);
}

/* near-miss: asking is not waiting */
void asking_section(struct dma_fence *fence)
{
	bool cookie = dma_fence_begin_signalling();

	if (dma_fence_is_signaled(fence))
		pr_info("done\n");
	dma_fence_end_signalling(cookie);
}
