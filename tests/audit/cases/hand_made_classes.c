/* Axioms of a driver: it says itself what its lock meets. */

struct toy_gt {
	struct mutex reset_lock;
	struct mutex plain_lock;
};

/* primed as a lock that reclaim takes */
void toy_prime(struct toy_gt *gt)
{
	fs_reclaim_acquire(GFP_KERNEL);
	might_lock(&gt->reset_lock);
	fs_reclaim_release(GFP_KERNEL);
}

/* near-miss: taken in reclaim is not held over it */
void reset_section(struct toy_gt *gt)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&gt->reset_lock);
	mutex_unlock(&gt->reset_lock);
	dma_fence_end_signalling(cookie);
}

/* found: the driver says that it may allocate */
static void promise(void)
{
	might_alloc(GFP_KERNEL); // EXPECT DF301 error
}

void promise_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	promise();
	dma_fence_end_signalling(cookie);
}

/* found: held over what may allocate */
void toy_hold(struct toy_gt *gt)
{
	mutex_lock(&gt->plain_lock);
	might_alloc(GFP_KERNEL);
	mutex_unlock(&gt->plain_lock);
}

void plain_section(struct toy_gt *gt)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&gt->plain_lock); // EXPECT DF202 error
	mutex_unlock(&gt->plain_lock);
	dma_fence_end_signalling(cookie);
}
