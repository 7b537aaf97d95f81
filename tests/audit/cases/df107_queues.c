/* Queues without a rescuer on the way to a signal. */

struct toy_gpu {
	struct work_struct done_work;
	struct work_struct safe_work;
	struct work_struct own_work;
	struct work_struct other_work;
	struct dma_fence *fence;
	struct workqueue_struct *own_wq;
	struct workqueue_struct *safe_wq;
};

void toy_fence(struct toy_gpu *gpu)
{
	dma_fence_init(gpu->fence, NULL, NULL, 1, 1);
}

/* found: the system's queue */
static void done_worker(struct work_struct *work)
{
	struct toy_gpu *gpu = container_of(work, struct toy_gpu, done_work);

	dma_fence_signal(gpu->fence);
}

static irqreturn_t toy_irq(int irq, void *arg)
{
	struct toy_gpu *gpu = arg;

	schedule_work(&gpu->done_work); // EXPECT DF107 error
	return IRQ_HANDLED;
}

/* found: a queue of its own, made without the flag */
static void own_worker(struct work_struct *work)
{
	struct toy_gpu *gpu = container_of(work, struct toy_gpu, own_work);

	dma_fence_signal(gpu->fence);
}

static irqreturn_t own_irq(int irq, void *arg)
{
	struct toy_gpu *gpu = arg;

	queue_work(gpu->own_wq, &gpu->own_work); // EXPECT DF107 error
	return IRQ_HANDLED;
}

/* near-miss: with the flag */
static void safe_worker(struct work_struct *work)
{
	struct toy_gpu *gpu = container_of(work, struct toy_gpu, safe_work);

	dma_fence_signal(gpu->fence);
}

static irqreturn_t safe_irq(int irq, void *arg)
{
	struct toy_gpu *gpu = arg;

	queue_work(gpu->safe_wq, &gpu->safe_work);
	return IRQ_HANDLED;
}

/* near-miss: work that signals nothing */
static void other_worker(struct work_struct *work)
{
	pr_info("hotplug\n");
}

static irqreturn_t other_irq(int irq, void *arg)
{
	struct toy_gpu *gpu = arg;

	schedule_work(&gpu->other_work);
	return IRQ_HANDLED;
}

int toy_init(struct toy_gpu *gpu)
{
	INIT_WORK(&gpu->done_work, done_worker);
	INIT_WORK(&gpu->own_work, own_worker);
	INIT_WORK(&gpu->safe_work, safe_worker);
	INIT_WORK(&gpu->other_work, other_worker);
	gpu->own_wq = alloc_ordered_workqueue("own", WQ_HIGHPRI);
	gpu->safe_wq = alloc_workqueue("safe", WQ_HIGHPRI | WQ_MEM_RECLAIM, 1);
	request_irq(1, toy_irq, 0, "toy", gpu);
	request_irq(2, own_irq, 0, "own", gpu);
	request_irq(3, safe_irq, 0, "safe", gpu);
	return request_irq(4, other_irq, 0, "other", gpu);
}
