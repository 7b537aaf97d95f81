/* found: a driver with a function of its own for what shared code would do else */

static struct toy_object *own_create(struct drm_device *dev, int size)
{
	return kzalloc(size, GFP_KERNEL); // EXPECT DF301 warning
}

static void own_open(struct drm_device *dev)
{
}

static const struct drm_driver own_driver = {
	.gem_create_object = own_create,
};

static const struct drm_driver own_open_driver = {
	.gem_create_object = own_create,
	.open = own_open,
};

static void own_probe(struct drm_driver *driver)
{
	driver->driver_features |= DRIVER_ATOMIC;
}

void own_section(struct drm_device *dev)
{
	bool cookie = dma_fence_begin_signalling();

	toy_create(dev, 8);
	toy_create_either(dev, 8);
	toy_commit(dev, 8);
	dma_fence_end_signalling(cookie);
}
