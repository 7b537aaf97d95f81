/* Entry points at warning level: threaded irqs and recovery works of drivers that make fences. */

struct toy_gpu {
	struct work_struct recover_work;
	struct work_struct retire_work;
	struct dma_fence *fence;
};

void toy_fence(struct toy_gpu *gpu)
{
	dma_fence_init(gpu->fence, NULL, NULL, 1, 1);
}

/* found: a threaded handler signals */
static irqreturn_t toy_thread(int irq, void *arg)
{
	struct toy_gpu *gpu = arg;

	kfree(kmalloc(8, GFP_KERNEL)); // EXPECT DF301 warning
	dma_fence_signal(gpu->fence);
	return IRQ_HANDLED;
}

/* found: recovery signals what hangs */
static void recover_worker(struct work_struct *work)
{
	struct toy_gpu *gpu = container_of(work, struct toy_gpu, recover_work);

	kfree(kmalloc(8, GFP_KERNEL)); // EXPECT DF301 warning
	dma_fence_signal(gpu->fence);
}

/* near-miss: after the last signal it may do what it likes, if it is not the way to another */
static void hotplug_worker(struct work_struct *work)
{
	kfree(kmalloc(8, GFP_KERNEL));
}

/* near-miss: an irq thread that signals nothing */
static irqreturn_t hotplug_thread(int irq, void *arg)
{
	kfree(kmalloc(8, GFP_KERNEL));
	return IRQ_HANDLED;
}

static DECLARE_WORK(hotplug_work, hotplug_worker);
static struct workqueue_struct *toy_wq;

int toy_probe(struct device *dev, struct toy_gpu *gpu)
{
	toy_wq = alloc_ordered_workqueue("toy", WQ_MEM_RECLAIM);
	INIT_WORK(&gpu->recover_work, recover_worker);
	devm_request_threaded_irq(dev, 3, NULL, hotplug_thread, IRQF_ONESHOT, "hotplug", gpu);
	return request_threaded_irq(4, NULL, toy_thread, IRQF_ONESHOT, "toy", gpu);
}

void toy_hang(struct timer_list *t)
{
	struct toy_gpu *gpu = from_timer(gpu, t, hang_timer);

	queue_work(toy_wq, &gpu->recover_work);
}

void toy_hotplug(struct toy_gpu *gpu)
{
	queue_work(toy_wq, &hotplug_work);
}
