/* What the caller asked of what it hands on. */

struct toy_device {
	bool lost;
	bool threaded;
	int kind;
	void *ring;
};

struct toy_job {
	struct toy_device *dev;
};

/* near-miss: the caller came here as the device is not lost */
static void recover(struct toy_device *dev)
{
	if (dev->lost)
		dev->ring = kmalloc(8, GFP_KERNEL);
}

/* near-miss: in other words, and one call further */
static void restart(struct toy_device *dev)
{
	recover(dev);
}

/* found: by then it may be lost */
static void wait_first(struct toy_device *device)
{
	msleep(1);
	if (device->lost)
		device->ring = kmalloc(8, GFP_KERNEL); // EXPECT DF301 error
}

/* found: the other answer */
static void threaded(struct toy_device *dev)
{
	if (!dev->lost)
		dev->ring = kmalloc(8, GFP_KERNEL); // EXPECT DF301 error
}

/* found: another device */
static void another(struct toy_device *dev, struct toy_device *other)
{
	if (other->lost)
		other->ring = kmalloc(8, GFP_KERNEL); // EXPECT DF301 error
}

void asking_section(struct toy_job *job)
{
	bool cookie = dma_fence_begin_signalling();

	if (job->dev->lost)
		goto out;
	recover(job->dev);
	if (!job->dev->lost)
		restart(job->dev);
	if (!job->dev->lost)
		wait_first(job->dev);
	if (!job->dev->lost)
		threaded(job->dev);
	if (!job->dev->lost)
		another(job->dev, toy_other(job));
out:
	dma_fence_end_signalling(cookie);
}
