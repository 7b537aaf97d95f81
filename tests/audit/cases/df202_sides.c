/* Locks that are held on one side of a condition. */

struct toy_context {
	bool locked;
};

struct toy_device {
	struct mutex apart;
	struct mutex handed;
	struct mutex twice;
	struct mutex changed;
	bool threaded;
	void *ring;
};

/* near-miss: taken without a context, and memory only with one */
int toy_apart(struct toy_device *dev, struct toy_context *ctx)
{
	if (!ctx)
		mutex_lock(&dev->apart);
	dev->ring = NULL;
	if (ctx)
		dev->ring = kmalloc(8, GFP_KERNEL);
	if (!ctx)
		mutex_unlock(&dev->apart);
	return 0;
}

/* near-miss: dropped on the side that it was taken on */
int toy_handed(struct toy_device *dev)
{
	if (dev->threaded)
		mutex_lock(&dev->handed);
	dev->ring = NULL;
	if (dev->threaded)
		mutex_unlock(&dev->handed);
	dev->ring = kmalloc(8, GFP_KERNEL);
	return 0;
}

/* found: memory on the same side */
int toy_twice(struct toy_device *dev, struct toy_context *ctx)
{
	if (!ctx)
		mutex_lock(&dev->twice);
	dev->ring = NULL;
	if (!ctx)
		dev->ring = kmalloc(8, GFP_KERNEL);
	if (!ctx)
		mutex_unlock(&dev->twice);
	return 0;
}

/* found: what was asked is another thing by then */
int toy_changed(struct toy_device *dev, struct toy_context *ctx)
{
	if (!ctx)
		mutex_lock(&dev->changed);
	ctx = toy_default(dev);
	if (ctx)
		dev->ring = kmalloc(8, GFP_KERNEL);
	mutex_unlock(&dev->changed);
	return 0;
}

void side_section(struct toy_device *dev)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&dev->apart);
	mutex_unlock(&dev->apart);
	mutex_lock(&dev->handed);
	mutex_unlock(&dev->handed);
	mutex_lock(&dev->twice); // EXPECT DF202 error
	mutex_unlock(&dev->twice);
	mutex_lock(&dev->changed); // EXPECT DF202 error
	mutex_unlock(&dev->changed);
	dma_fence_end_signalling(cookie);
}
