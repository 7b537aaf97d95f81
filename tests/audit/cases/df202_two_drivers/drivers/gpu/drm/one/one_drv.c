/* near-miss: what another driver holds is the lock of another device */

void one_section(struct drm_device *dev, struct dma_buf *buffer)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&dev->list_mutex);
	mutex_unlock(&dev->list_mutex);
	mutex_lock(&dev->probe_mutex); // EXPECT DF202 error
	mutex_unlock(&dev->probe_mutex);
	mutex_lock(&buffer->lock); // EXPECT DF202 error
	mutex_unlock(&buffer->lock);
	dma_fence_end_signalling(cookie);
}
