/* Power callbacks of drivers that make fences: info, as they are on the way only sometimes. */

/* found */
static int toy_runtime_resume(struct device *dev)
{
	kfree(kmalloc(8, GFP_KERNEL)); // EXPECT DF301 info
	return 0;
}

static const struct dev_pm_ops toy_pm_ops = {
	.runtime_resume = toy_runtime_resume,
};

void toy_emit(struct dma_fence *fence)
{
	dma_fence_init(fence, NULL, NULL, 1, 1);
	dma_fence_signal(fence);
}

/* near-miss: system sleep is not on the way */
static int toy_suspend(struct device *dev)
{
	kfree(kmalloc(8, GFP_KERNEL));
	return 0;
}

static const struct dev_pm_ops sleep_pm_ops = {
	.suspend = toy_suspend,
};
