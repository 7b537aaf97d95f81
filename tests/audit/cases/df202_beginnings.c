/* Locks that are held over an allocation while a device comes up. */

struct toy_device {
	struct mutex early;
	struct mutex both;
	struct mutex later;
	void *ring;
};

static DEFINE_MUTEX(toy_all);

/* found: weak evidence, as nobody waits before the device is there */
static void toy_rings(struct toy_device *dev)
{
	mutex_lock(&dev->early);
	dev->ring = kmalloc(8, GFP_KERNEL);
	mutex_unlock(&dev->early);
}

/* found: a lock of all devices is no lock of one that comes up */
static void toy_list(struct toy_device *dev)
{
	mutex_lock(&toy_all);
	dev->ring = kmalloc(8, GFP_KERNEL);
	mutex_unlock(&toy_all);
}

/* found: an ioctl comes here as well */
static void toy_more(struct toy_device *dev)
{
	mutex_lock(&dev->both);
	dev->ring = kmalloc(8, GFP_KERNEL);
	mutex_unlock(&dev->both);
}

static int toy_probe(struct platform_device *pdev)
{
	struct toy_device *dev = to_toy(pdev);

	toy_rings(dev);
	toy_list(dev);
	toy_more(dev);
	return 0;
}

static int toy_grow(struct drm_device *drm, void *data, struct drm_file *file)
{
	toy_more(to_toy(drm));
	return 0;
}

static struct platform_driver toy_driver = {
	.probe = toy_probe,
};

static const struct drm_ioctl_desc toy_ioctls[] = {
	{ .func = toy_grow },
};

void beginning_section(struct toy_device *dev)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&dev->early); // EXPECT DF202 warning
	mutex_unlock(&dev->early);
	mutex_lock(&toy_all); // EXPECT DF202 error
	mutex_unlock(&toy_all);
	mutex_lock(&dev->both); // EXPECT DF202 error
	mutex_unlock(&dev->both);
	dma_fence_end_signalling(cookie);
}
