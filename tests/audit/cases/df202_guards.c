/* Locks by scope: guard() and scoped_guard(). */

struct toy_device {
	struct mutex lock;
	struct mutex scoped;
	struct mutex fine;
	void *ring;
};

/* found: guard() holds to the end of the block */
void toy_grow(struct toy_device *dev)
{
	guard(mutex)(&dev->lock);
	dev->ring = kmalloc(8, GFP_KERNEL);
}

void guard_section(struct toy_device *dev)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&dev->lock); // EXPECT DF202 error
	mutex_unlock(&dev->lock);
	dma_fence_end_signalling(cookie);
}

/* near-miss: the block ends before the allocation */
void toy_fine(struct toy_device *dev)
{
	{
		guard(mutex)(&dev->fine);
		dev->ring = NULL;
	}
	dev->ring = kmalloc(8, GFP_KERNEL);
}

void fine_section(struct toy_device *dev)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&dev->fine);
	mutex_unlock(&dev->fine);
	dma_fence_end_signalling(cookie);
}

/* found: scoped_guard() */
void toy_scoped(struct toy_device *dev)
{
	scoped_guard(mutex, &dev->scoped) {
		dev->ring = kmalloc(8, GFP_KERNEL);
	}
}

void scoped_section(struct toy_device *dev)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&dev->scoped); // EXPECT DF202 error
	mutex_unlock(&dev->scoped);
	dma_fence_end_signalling(cookie);
}
