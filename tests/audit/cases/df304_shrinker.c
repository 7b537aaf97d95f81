/* Reservation locks in a shrinker. */

struct toy_device {
	struct shrinker shrinker;
	struct dma_resv *resv;
};

/* found: it waits for the lock */
static unsigned long bad_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct toy_device *dev = container_of(shrinker, struct toy_device, shrinker);

	dma_resv_lock(dev->resv, NULL); // EXPECT DF304 error
	dma_resv_unlock(dev->resv);
	return 0;
}

static unsigned long toy_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	return 0;
}

static struct shrinker bad_shrinker = {
	.count_objects = toy_count,
	.scan_objects = bad_scan,
};

/* near-miss: it tries */
static unsigned long good_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct toy_device *dev = container_of(shrinker, struct toy_device, shrinker);

	if (!dma_resv_trylock(dev->resv))
		return SHRINK_STOP;
	dma_resv_unlock(dev->resv);
	return 1;
}

int toy_register(struct toy_device *dev)
{
	dev->shrinker.count_objects = toy_count;
	dev->shrinker.scan_objects = good_scan;
	return register_shrinker(&dev->shrinker, "toy");
}

/* near-miss: elsewhere it may wait */
void toy_evict(struct toy_device *dev)
{
	dma_resv_lock(dev->resv, NULL);
	dma_resv_unlock(dev->resv);
}
