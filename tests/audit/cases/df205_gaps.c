/* Sections that are left and entered again around what they forbid. */

/* found: a gap */
void gap_section(struct dma_fence *fence)
{
	bool cookie = dma_fence_begin_signalling();
	void *dump;

	dma_fence_end_signalling(cookie);
	dump = kmalloc(8, GFP_KERNEL); // EXPECT DF205 warning
	cookie = dma_fence_begin_signalling();
	kfree(dump);
	dma_fence_signal(fence);
	dma_fence_end_signalling(cookie);
}

/* near-miss: two sections, nothing forbidden between them */
void two_sections(struct dma_fence *a, struct dma_fence *b)
{
	bool cookie = dma_fence_begin_signalling();

	dma_fence_signal(a);
	dma_fence_end_signalling(cookie);
	pr_info("one\n");
	cookie = dma_fence_begin_signalling();
	dma_fence_signal(b);
	dma_fence_end_signalling(cookie);
}

/* near-miss: the first one has signalled what it was for; the second is about another fence */
void done_section(struct dma_fence *a, struct dma_fence *b)
{
	bool cookie = dma_fence_begin_signalling();
	void *more;

	dma_fence_signal(a);
	dma_fence_end_signalling(cookie);
	more = kmalloc(8, GFP_KERNEL);
	cookie = dma_fence_begin_signalling();
	dma_fence_signal(b);
	dma_fence_end_signalling(cookie);
	kfree(more);
}
