/* Flags and conditions that come from the caller. */

/* noise: the flags are a parameter */
static void *get(unsigned int size, gfp_t gfp)
{
	return kmalloc(size, gfp); // EXPECT DF301 error
}

/* found: passed as GFP_KERNEL */
void kernel_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	get(8, GFP_KERNEL);
	dma_fence_end_signalling(cookie);
}

/* near-miss: passed as GFP_ATOMIC */
void atomic_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	get(8, GFP_ATOMIC);
	dma_fence_end_signalling(cookie);
}

/* noise: `atomic ? GFP_ATOMIC : GFP_KERNEL` */
static void *choose(bool atomic)
{
	return kmalloc(8, atomic ? GFP_ATOMIC : GFP_KERNEL); // EXPECT DF301 error
}

/* near-miss: the argument is constant */
void true_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	choose(true);
	dma_fence_end_signalling(cookie);
}

/* found: the argument is constant, and the wrong one */
void false_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	choose(false);
	dma_fence_end_signalling(cookie);
}

/* noise: what is done only with a non-NULL argument */
static void *maybe(struct toy_pool *pool)
{
	if (!pool)
		return NULL;
	pool->next = kmalloc(8, GFP_KERNEL); // EXPECT DF301 error
	return pool->next;
}

/* near-miss: the argument is NULL */
void null_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	maybe(NULL);
	dma_fence_end_signalling(cookie);
}

/* found: the argument is not NULL */
void pool_section(struct toy_pool *pool)
{
	bool cookie = dma_fence_begin_signalling();

	maybe(pool);
	dma_fence_end_signalling(cookie);
}
