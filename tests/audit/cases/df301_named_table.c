/* Two tables of one type: what is called by the name of one is not in the other. */

struct blt_ops {
	void (*submit)(void *arg);
};

static void quick_submit(void *arg)
{
}

static const struct blt_ops quick_ops = {
	.submit = quick_submit,
};

/* near-miss: another instance of the table */
static void slow_submit(void *arg)
{
	kfree(kmalloc(64, GFP_KERNEL));
}

static const struct blt_ops slow_ops = {
	.submit = slow_submit,
};

/* near-miss: the object is named */
void quick_section(void *arg)
{
	bool cookie = dma_fence_begin_signalling();

	quick_ops.submit(arg);
	dma_fence_end_signalling(cookie);
}

void slow_user(void *arg)
{
	slow_ops.submit(arg);
}
