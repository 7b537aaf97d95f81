/* Other entry points at error level: fence_ops, preemption fences. */

static void toy_watchdog(struct timer_list *timer)
{
}

void toy_timers(struct toy_gpu *gpu)
{
	timer_setup(&gpu->watchdog, toy_watchdog, 0);
}

/* found: enable_signaling is called with the fence's lock held */
static bool toy_enable_signaling(struct dma_fence *fence)
{
	return kmalloc(8, GFP_KERNEL) != NULL; // EXPECT DF301 error
}

static bool toy_signaled(struct dma_fence *fence)
{
	return fence->seqno < 3;
}

/* near-miss: names are asked for by debugfs and traces, and release runs after the signal */
static const char *toy_name(struct dma_fence *fence)
{
	return "toy";
}

static void toy_release(struct dma_fence *fence)
{
	kfree(kmalloc(8, GFP_KERNEL));
}

static const struct dma_fence_ops toy_fence_ops = {
	.get_driver_name = toy_name,
	.get_timeline_name = toy_name,
	.enable_signaling = toy_enable_signaling,
	.signaled = toy_signaled,
	.release = toy_release,
};

/* found: the work that a preemption fence queues */
struct toy_preempt_fence {
	struct dma_fence base;
	struct work_struct preempt_work;
};

static void preempt_fence_work_func(struct work_struct *work)
{
	struct toy_preempt_fence *fence = container_of(work, struct toy_preempt_fence, preempt_work);

	kfree(kmalloc(8, GFP_KERNEL)); // EXPECT DF301 error
	dma_fence_signal(&fence->base);
}

static struct workqueue_struct *preempt_wq;

static bool preempt_enable_signaling(struct dma_fence *base)
{
	struct toy_preempt_fence *fence = container_of(base, struct toy_preempt_fence, base);

	queue_work(preempt_wq, &fence->preempt_work);
	return true;
}

static const struct dma_fence_ops preempt_ops = {
	.enable_signaling = preempt_enable_signaling,
};

void preempt_init(struct toy_preempt_fence *fence)
{
	preempt_wq = alloc_workqueue("preempt", WQ_MEM_RECLAIM, 0);
	INIT_WORK(&fence->preempt_work, preempt_fence_work_func);
}
