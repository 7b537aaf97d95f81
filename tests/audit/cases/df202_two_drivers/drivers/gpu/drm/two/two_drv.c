/* found: of a buffer that is handed from driver to driver */

int two_hotplug(struct drm_device *dev)
{
	mutex_lock(&dev->list_mutex);
	dev->modes = kmalloc(8, GFP_KERNEL);
	mutex_unlock(&dev->list_mutex);
	return 0;
}

int two_export(struct dma_buf *buffer)
{
	mutex_lock(&buffer->lock);
	buffer->priv = kmalloc(8, GFP_KERNEL);
	mutex_unlock(&buffer->lock);
	return 0;
}
