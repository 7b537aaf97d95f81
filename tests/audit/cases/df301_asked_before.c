/* Conditions that exclude each other on one way. */

struct toy_device {
	unsigned long flags;
	bool threaded;
	int kind;
	void *ring;
};

/* near-miss: the flag was asked before */
static void asked(struct toy_device *dev)
{
	if (dev->threaded)
		return;
	dev->ring = NULL;
	if (dev->threaded)
		dev->ring = kmalloc(8, GFP_KERNEL);
}

/* near-miss: it is one kind or the other */
static void either(struct toy_device *dev)
{
	if (dev->kind != 3)
		return;
	if (dev->kind == 4)
		dev->ring = kmalloc(8, GFP_KERNEL);
}

/* found: the flag is set in between */
static void set(struct toy_device *dev)
{
	if (dev->threaded)
		return;
	dev->threaded = toy_ask(dev);
	if (dev->threaded)
		dev->ring = kmalloc(8, GFP_KERNEL); // EXPECT DF301 error
}

static void toy_thread(struct toy_device *dev)
{
	dev->threaded = true;
}

/* found: a callee sets it */
static void called(struct toy_device *dev)
{
	if (dev->threaded)
		return;
	toy_thread(dev);
	if (dev->threaded)
		dev->ring = kmalloc(8, GFP_KERNEL); // EXPECT DF301 error
}

/* found: others may set it while this one sleeps */
static void slept(struct toy_device *dev)
{
	if (dev->threaded)
		return;
	msleep(1);
	if (dev->threaded)
		dev->ring = kmalloc(8, GFP_KERNEL); // EXPECT DF301 error
}

/* found: another flag */
static void other(struct toy_device *dev)
{
	if (dev->flags & TOY_ONE)
		return;
	if (dev->flags & TOY_TWO)
		dev->ring = kmalloc(8, GFP_KERNEL); // EXPECT DF301 error
}

void asked_section(struct toy_device *dev)
{
	bool cookie = dma_fence_begin_signalling();

	asked(dev);
	either(dev);
	set(dev);
	called(dev);
	slept(dev);
	other(dev);
	dma_fence_end_signalling(cookie);
}
