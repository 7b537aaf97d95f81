/* Sections that are annotated in the source. */

/* near-miss: before and after the section */
void around_section(struct dma_fence *fence)
{
	bool cookie;

	kfree(kmalloc(8, GFP_KERNEL));
	cookie = dma_fence_begin_signalling();
	dma_fence_signal(fence);
	dma_fence_end_signalling(cookie);
	kfree(kmalloc(8, GFP_KERNEL));
}

/* found: in one branch of it */
void branch_section(struct dma_fence *fence, int big)
{
	bool cookie = dma_fence_begin_signalling();

	if (big)
		kfree(kmalloc(8, GFP_KERNEL)); // EXPECT DF301 error
	dma_fence_signal(fence);
	dma_fence_end_signalling(cookie);
}

/* near-miss: the section is left on the early way out */
int leaving_section(struct dma_fence *fence, int bad)
{
	bool cookie = dma_fence_begin_signalling();

	if (bad) {
		dma_fence_end_signalling(cookie);
		kfree(kmalloc(8, GFP_KERNEL));
		return -EINVAL;
	}
	dma_fence_signal(fence);
	dma_fence_end_signalling(cookie);
	return 0;
}

/* found: the section is entered in a wrapper */
struct toy_ring {
	bool cookie;
};

static void ring_begin(struct toy_ring *ring)
{
	ring->cookie = dma_fence_begin_signalling();
}

static void ring_end(struct toy_ring *ring)
{
	dma_fence_end_signalling(ring->cookie);
}

void wrapper_section(struct toy_ring *ring, struct dma_fence *fence)
{
	ring_begin(ring);
	kfree(kmalloc(8, GFP_KERNEL)); // EXPECT DF301 error
	dma_fence_signal(fence);
	ring_end(ring);
}

/* found: in a loop */
void loop_section(struct dma_fence **fences, int count)
{
	bool cookie = dma_fence_begin_signalling();
	int i;

	for (i = 0; i < count; i++) {
		kfree(kmalloc(8, GFP_KERNEL)); // EXPECT DF301 error
		dma_fence_signal(fences[i]);
	}
	dma_fence_end_signalling(cookie);
}
