// PATH drivers/infiniband/toy/toy.c
/* Waits for fences in notifiers and shrinkers outside drivers/gpu. */

struct toy_dev {
	struct shrinker *shrinker;
	struct dma_resv *resv;
};

/* found: a notifier */
static bool toy_invalidate(struct mmu_interval_notifier *mni,
			   const struct mmu_notifier_range *range, unsigned long seq)
{
	struct toy_mr *mr = container_of(mni, struct toy_mr, notifier);

	dma_fence_wait_timeout(mr->fence, false, HZ); // EXPECT DF303 warning
	return true;
}

static const struct mmu_interval_notifier_ops toy_ops = {
	.invalidate = toy_invalidate,
};

/* found: a shrinker */
static unsigned long toy_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct toy_dev *dev = shrinker->private_data;

	dma_resv_wait_timeout(dev->resv, DMA_RESV_USAGE_BOOKKEEP, false, HZ); // EXPECT DF303 warning
	return 0;
}

static unsigned long toy_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	return 1;
}

int toy_register(struct toy_dev *dev)
{
	dev->shrinker = shrinker_alloc(0, "toy");
	dev->shrinker->scan_objects = toy_scan;
	dev->shrinker->count_objects = toy_count;
	shrinker_register(dev->shrinker);
	return 0;
}

/* near-miss: an ordinary call */
int toy_sync(struct toy_mr *mr)
{
	return dma_fence_wait(mr->fence, true);
}
