/* What looks like a way and is none, or hardly one. */

/* near-miss: a warning prints, it does not reclaim */
void warn_section(int bad)
{
	bool cookie = dma_fence_begin_signalling();

	WARN_ON(bad);
	pr_err("bad %d\n", bad);
	dma_fence_end_signalling(cookie);
}

/* near-miss: work that is queued runs elsewhere */
static void later(struct work_struct *work)
{
	kfree(kmalloc(8, GFP_KERNEL));
}

static DECLARE_WORK(later_work, later);

void queue_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	schedule_work(&later_work);
	dma_fence_end_signalling(cookie);
}

/* near-miss: a name in a comment, in a string, in code that is compiled out */
void text_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	/* kmalloc(8, GFP_KERNEL); */
	pr_info("kmalloc(8, GFP_KERNEL);\n");
#if 0
	kmalloc(8, GFP_KERNEL);
#endif
	dma_fence_end_signalling(cookie);
}

/* near-miss: recursion ends */
static int depth(int n)
{
	return n ? depth(n - 1) : 0;
}

void deep_section(int n)
{
	bool cookie = dma_fence_begin_signalling();

	depth(n);
	dma_fence_end_signalling(cookie);
}

/* near-miss: a variable of that name is not the function */
void shadow_section(struct toy_ops *kmalloc_ops)
{
	bool cookie = dma_fence_begin_signalling();
	int kmalloc = 3;

	kmalloc_ops->count = kmalloc;
	dma_fence_end_signalling(cookie);
}

/* near-miss: in_atomic context, the flag says so */
static void *gfp_of(struct toy_dev *dev)
{
	return kmalloc(8, in_interrupt() ? GFP_ATOMIC : GFP_NOWAIT);
}

void context_section(struct toy_dev *dev)
{
	bool cookie = dma_fence_begin_signalling();

	gfp_of(dev);
	dma_fence_end_signalling(cookie);
}
