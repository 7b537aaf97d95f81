/* A stretch that no parser understands costs its function, not the file. */

static int broken(void)
{
	int x = @@@ ?? ;;; ) (;
	return x;
}

/* found: after it */
void whole_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	kmalloc(8, GFP_KERNEL); // EXPECT DF301 error
	dma_fence_end_signalling(cookie);
}
