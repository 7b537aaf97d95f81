/* Locks that are held over what may wait for a fence, and taken on the way to a signal. */

static enum drm_gpu_sched_stat quiet_timedout(struct drm_sched_job *job)
{
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

struct toy_device {
	struct mutex ring_lock;
	struct mutex table_lock;
	struct mutex quiet_lock;
	struct mutex try_lock;
	struct mutex own_lock;
	spinlock_t irq_lock;
	void *ring;
};

/* found: held over GFP_KERNEL by whoever resizes */
static struct dma_fence *toy_run(struct drm_sched_job *job)
{
	struct toy_device *dev = to_toy(job);

	mutex_lock(&dev->ring_lock); // EXPECT DF202 error
	toy_write(dev->ring);
	mutex_unlock(&dev->ring_lock);
	return NULL;
}

int toy_resize(struct toy_device *dev, unsigned int size)
{
	mutex_lock(&dev->ring_lock);
	dev->ring = krealloc(dev->ring, size, GFP_KERNEL);
	mutex_unlock(&dev->ring_lock);
	return 0;
}

static const struct drm_sched_backend_ops toy_ops = {
	.run_job = toy_run,
	.timedout_job = quiet_timedout,
};

/* found: held over a fence wait */
static enum drm_gpu_sched_stat toy_timedout(struct drm_sched_job *job)
{
	struct toy_device *dev = to_toy(job);

	mutex_lock(&dev->table_lock); // EXPECT DF202 error
	mutex_unlock(&dev->table_lock);
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

void toy_drain(struct toy_device *dev, struct dma_fence *fence)
{
	mutex_lock(&dev->table_lock);
	dma_fence_wait(fence, false);
	mutex_unlock(&dev->table_lock);
}

static const struct drm_sched_backend_ops other_ops = {
	.timedout_job = toy_timedout,
};

/* near-miss: nothing forbidden is done under it */
void quiet_section(struct toy_device *dev)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&dev->quiet_lock);
	mutex_unlock(&dev->quiet_lock);
	dma_fence_end_signalling(cookie);
}

void toy_quiet(struct toy_device *dev)
{
	mutex_lock(&dev->quiet_lock);
	dev->ring = kmalloc(8, GFP_NOWAIT);
	mutex_unlock(&dev->quiet_lock);
	dev->ring = kmalloc(8, GFP_KERNEL);
}

/* near-miss: only tried */
void try_section(struct toy_device *dev)
{
	bool cookie = dma_fence_begin_signalling();

	if (mutex_trylock(&dev->try_lock))
		mutex_unlock(&dev->try_lock);
	dma_fence_end_signalling(cookie);
}

void toy_tried(struct toy_device *dev)
{
	mutex_lock(&dev->try_lock);
	dev->ring = kmalloc(8, GFP_KERNEL);
	mutex_unlock(&dev->try_lock);
}

/* noise: tainted by the finding itself, on the same way: that is DF301, and no second finding */
void own_section(struct toy_device *dev)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&dev->own_lock);
	dev->ring = kmalloc(8, GFP_KERNEL); // EXPECT DF301 error
	mutex_unlock(&dev->own_lock);
	dma_fence_end_signalling(cookie);
}

/* near-miss: a spinlock is never held over a sleep */
void spin_section(struct toy_device *dev)
{
	bool cookie = dma_fence_begin_signalling();

	spin_lock(&dev->irq_lock);
	spin_unlock(&dev->irq_lock);
	dma_fence_end_signalling(cookie);
}
