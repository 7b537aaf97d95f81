/* A driver that watches its jobs itself: what the scheduler lacks is only worth knowing. */

static void toy_hang(struct timer_list *timer)
{
	toy_recover(timer);
}

void toy_init(struct toy_gpu *gpu)
{
	timer_setup(&gpu->hangcheck_timer, toy_hang, 0);
}

static struct dma_fence *toy_run(struct drm_sched_job *job)
{
	return toy_emit(job);
}

/* near-miss: info */
static const struct drm_sched_backend_ops watched_ops = { // EXPECT DF102 info
	.run_job = toy_run,
};
