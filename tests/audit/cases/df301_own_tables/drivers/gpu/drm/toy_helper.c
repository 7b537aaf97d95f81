/* Shared code that asks the table of the driver that calls it. */

struct toy_object {
	int size;
};

struct drm_driver {
	struct toy_object *(*gem_create_object)(struct drm_device *dev, int size);
	void (*open)(struct drm_device *dev);
};

struct drm_device {
	const struct drm_driver *driver;
};

/* near-miss: a feature that the driver that comes here does not have */
struct toy_object *toy_show(struct drm_device *dev, int size)
{
	if (!drm_core_check_feature(dev, DRIVER_MODESET))
		return NULL;
	return kzalloc(size, GFP_KERNEL);
}

/* found: one that it has */
struct toy_object *toy_render(struct drm_device *dev, int size)
{
	if (!drm_core_check_feature(dev, DRIVER_RENDER))
		return NULL;
	return kzalloc(size, GFP_KERNEL); // EXPECT DF301 error
}

/* found: one that the driver may add */
struct toy_object *toy_commit(struct drm_device *dev, int size)
{
	if (!drm_core_check_feature(dev, DRIVER_ATOMIC))
		return NULL;
	return kzalloc(size, GFP_KERNEL); // EXPECT DF301 error
}

/* near-miss: the only driver that comes here creates its objects itself */
struct toy_object *toy_create(struct drm_device *dev, int size)
{
	struct toy_object *found;

	if (dev->driver->gem_create_object) {
		found = dev->driver->gem_create_object(dev, size);
	} else {
		found = kzalloc(sizeof(*found), GFP_KERNEL);
	}
	return found;
}

/* found: the driver that comes here does not */
struct toy_object *toy_create_plain(struct drm_device *dev, int size)
{
	if (likely(!dev->driver->gem_create_object) && size)
		return kzalloc(size, GFP_KERNEL); // EXPECT DF301 error
	return dev->driver->gem_create_object(dev, size);
}

/* near-miss: it has no use for what is only for those with an open callback */
struct toy_object *toy_create_open(struct drm_device *dev, int size)
{
	if (dev->driver->open == NULL)
		return NULL;
	return kzalloc(size, GFP_KERNEL);
}

/* found: its two tables differ, so that both ways are taken */
struct toy_object *toy_create_either(struct drm_device *dev, int size)
{
	if (dev->driver->open == NULL)
		return NULL;
	return kzalloc(size, GFP_KERNEL); // EXPECT DF301 error
}
