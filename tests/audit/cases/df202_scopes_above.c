/* Holders that only run where their callers keep allocations from reclaiming. */

struct toy_device {
	struct mutex dump;
	struct mutex one;
	struct mutex open;
	struct mutex shown;
	void *state;
};

/* near-miss: both ways here have opened a scope, one of them a function further up */
static void toy_get_dump(struct toy_device *dev)
{
	mutex_lock(&dev->dump);
	dev->state = kzalloc(8, GFP_KERNEL);
	mutex_unlock(&dev->dump);
}

static void toy_capture(struct toy_device *dev)
{
	toy_get_dump(dev);
}

void toy_recover(struct toy_device *dev)
{
	unsigned int flags = memalloc_noreclaim_save();

	toy_capture(dev);
	memalloc_noreclaim_restore(flags);
}

void toy_fault(struct toy_device *dev)
{
	unsigned int flags = memalloc_noreclaim_save();

	toy_get_dump(dev);
	memalloc_noreclaim_restore(flags);
}

/* found: one of two callers has opened none */
static void toy_get_one(struct toy_device *dev)
{
	mutex_lock(&dev->one);
	dev->state = kzalloc(8, GFP_KERNEL);
	mutex_unlock(&dev->one);
}

void toy_with(struct toy_device *dev)
{
	unsigned int flags = memalloc_noreclaim_save();

	toy_get_one(dev);
	memalloc_noreclaim_restore(flags);
}

void toy_without(struct toy_device *dev)
{
	toy_get_one(dev);
}

/* found: others may call it, from files that are not here */
void toy_get_open(struct toy_device *dev)
{
	mutex_lock(&dev->open);
	dev->state = kzalloc(8, GFP_KERNEL);
	mutex_unlock(&dev->open);
}

void toy_calls_open(struct toy_device *dev)
{
	unsigned int flags = memalloc_noreclaim_save();

	toy_get_open(dev);
	memalloc_noreclaim_restore(flags);
}

/* found: it stands in a table, too */
static void toy_get_shown(struct toy_device *dev)
{
	mutex_lock(&dev->shown);
	dev->state = kzalloc(8, GFP_KERNEL);
	mutex_unlock(&dev->shown);
}

void toy_shows(struct toy_device *dev)
{
	unsigned int flags = memalloc_noreclaim_save();

	toy_get_shown(dev);
	memalloc_noreclaim_restore(flags);
}

static const struct toy_ops toy_show_ops = {
	.show = toy_get_shown,
};

void scopes_section(struct toy_device *dev)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&dev->dump);
	mutex_unlock(&dev->dump);
	mutex_lock(&dev->one); // EXPECT DF202 error
	mutex_unlock(&dev->one);
	mutex_lock(&dev->open); // EXPECT DF202 error
	mutex_unlock(&dev->open);
	mutex_lock(&dev->shown); // EXPECT DF202 error
	mutex_unlock(&dev->shown);
	dma_fence_end_signalling(cookie);
}
