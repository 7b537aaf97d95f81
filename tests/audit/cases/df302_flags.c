/* GFP_NOFS and GFP_NOIO keep out of file systems, not out of notifiers. */

/* found */
void nofs_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	kmalloc(8, GFP_NOFS); // EXPECT DF302 error
	dma_fence_end_signalling(cookie);
}

/* found */
void noio_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	kmalloc(8, GFP_NOIO | __GFP_ZERO); // EXPECT DF302 error
	dma_fence_end_signalling(cookie);
}

/* found: an invalidate callback, which waits for reclaim itself */
static bool toy_invalidate(struct mmu_interval_notifier *mni,
			   const struct mmu_notifier_range *range, unsigned long seq)
{
	kfree(kmalloc(8, GFP_NOFS)); // EXPECT DF302 error
	return true;
}

static const struct mmu_interval_notifier_ops toy_notifier_ops = {
	.invalidate = toy_invalidate,
};

/* near-miss */
void nowait_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	kmalloc(8, GFP_NOWAIT);
	dma_fence_end_signalling(cookie);
}

/* near-miss: release of a notifier may sleep, and allocate */
static void toy_free_notifier(struct mmu_notifier *mn)
{
	kfree(kmalloc(8, GFP_KERNEL));
}

static const struct mmu_notifier_ops toy_mn_ops = {
	.free_notifier = toy_free_notifier,
};
