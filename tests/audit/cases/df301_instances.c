/* A helper that calls back: what one user of it hands in is not reached from another. */

/* noise: a helper with a callback parameter, and two users of it */
static void for_each_ring(void (*fn)(void *arg), void *arg)
{
	fn(arg);
}

static void mark(void *arg)
{
}

/* near-miss: this user of the helper is not on the way */
static void grow(void *arg)
{
	kfree(kmalloc(64, GFP_KERNEL));
}

void mark_section(void *arg)
{
	bool cookie = dma_fence_begin_signalling();

	for_each_ring(mark, arg);
	dma_fence_end_signalling(cookie);
}

void toy_grow(void *arg)
{
	for_each_ring(grow, arg);
}
