/* An allocation that may fail, and then nothing signals. */

struct toy_done {
	struct work_struct work;
	struct dma_fence *fence;
	void *report;
};

void toy_fence(struct toy_done *done)
{
	dma_fence_init(done->fence, NULL, NULL, 1, 1);
}

/* found: where there is no memory, the fence stays pending */
static void lost_worker(struct work_struct *work)
{
	struct toy_done *done = container_of(work, struct toy_done, work);

	done->report = kzalloc(8, GFP_NOWAIT); // EXPECT DF105 warning
	if (!done->report)
		return;
	dma_fence_signal(done->fence);
}

/* near-miss: it signals with an error */
static void honest_worker(struct work_struct *work)
{
	struct toy_done *done = container_of(work, struct toy_done, work);

	done->report = kzalloc(8, GFP_NOWAIT);
	if (!done->report) {
		dma_fence_set_error(done->fence, -ENOMEM);
		dma_fence_signal(done->fence);
		return;
	}
	dma_fence_signal(done->fence);
}

/* near-miss: it goes without */
static void frugal_worker(struct work_struct *work)
{
	struct toy_done *done = container_of(work, struct toy_done, work);

	done->report = kzalloc(8, GFP_NOWAIT);
	if (done->report)
		toy_fill(done->report);
	dma_fence_signal(done->fence);
}

/* near-miss: the fence was signalled before */
static void early_worker(struct work_struct *work)
{
	struct toy_done *done = container_of(work, struct toy_done, work);

	dma_fence_signal(done->fence);
	done->report = kzalloc(8, GFP_NOWAIT);
	if (!done->report)
		return;
	toy_fill(done->report);
}

static struct workqueue_struct *wq;

void toy_start(struct toy_done *a, struct toy_done *b, struct toy_done *c, struct toy_done *d)
{
	wq = alloc_workqueue("done", WQ_MEM_RECLAIM, 0);
	INIT_WORK(&a->work, lost_worker);
	INIT_WORK(&b->work, honest_worker);
	INIT_WORK(&c->work, frugal_worker);
	INIT_WORK(&d->work, early_worker);
	queue_work(wq, &a->work);
}
