/* A job that faults waits for whoever serves the fault, though that signals nothing. */

struct toy_gpu {
	struct device *dev;
	struct work_struct overflow_mem_work;
	struct drm_gpu_scheduler sched;
	void *pages;
};

static int toy_map_fault_addr(struct toy_gpu *gpu, u64 address)
{
	gpu->pages = kvmalloc(4096, GFP_KERNEL); // EXPECT DF301 warning
	return 0;
}

/* found: the thread of an irq that maps what was missing */
static irqreturn_t toy_mmu_thread(int irq, void *data)
{
	return toy_map_fault_addr(data, 0) ? IRQ_NONE : IRQ_HANDLED;
}

/* near-miss: one that only tells of a fault, and signals nothing */
static irqreturn_t toy_error_thread(int irq, void *data)
{
	struct toy_gpu *gpu = data;
	char *text = kasprintf(GFP_KERNEL, "fault of %p", gpu);

	toy_report_fault(gpu, text);
	kfree(text);
	return IRQ_HANDLED;
}

/* found: a work for a job that has run out of memory */
static void toy_overflow(struct work_struct *work)
{
	struct toy_gpu *gpu = container_of(work, struct toy_gpu, overflow_mem_work);

	gpu->pages = kvmalloc(8192, GFP_KERNEL); // EXPECT DF301 warning
}

int toy_init(struct toy_gpu *gpu)
{
	INIT_WORK(&gpu->overflow_mem_work, toy_overflow);
	devm_request_threaded_irq(gpu->dev, 1, toy_hard, toy_mmu_thread, 0, "mmu", gpu);
	devm_request_threaded_irq(gpu->dev, 2, toy_hard, toy_error_thread, 0, "error", gpu);
	dma_fence_init(&gpu->fence, &toy_fence_ops, &gpu->lock, 1, 1);
	return 0;
}
