/* The same inside drivers/gpu, where there is a reason for it. */

struct toy_dev {
	struct shrinker *shrinker;
	struct dma_fence *fence;
};

/* near-miss */
static bool toy_invalidate(struct mmu_interval_notifier *mni,
			   const struct mmu_notifier_range *range, unsigned long seq)
{
	struct toy_mr *mr = container_of(mni, struct toy_mr, notifier);

	dma_fence_wait_timeout(mr->fence, false, HZ);
	return true;
}

static const struct mmu_interval_notifier_ops toy_ops = {
	.invalidate = toy_invalidate,
};

/* near-miss */
static unsigned long toy_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct toy_dev *dev = shrinker->private_data;

	dma_fence_wait_timeout(dev->fence, false, HZ);
	return 0;
}

int toy_register(struct toy_dev *dev)
{
	dev->shrinker = shrinker_alloc(0, "toy");
	dev->shrinker->scan_objects = toy_scan;
	shrinker_register(dev->shrinker);
	return 0;
}
