/* Which flags reclaim: bits, not names. */

#define TOY_GFP (GFP_KERNEL | __GFP_NOWARN)
#define TOY_QUICK (GFP_ATOMIC | __GFP_NOWARN)

/* found: through a macro of the driver */
void macro_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	kmalloc(8, TOY_GFP); // EXPECT DF301 error
	dma_fence_end_signalling(cookie);
}

/* found: __GFP_NORETRY reclaims all the same */
void noretry_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	kmalloc(8, GFP_KERNEL | __GFP_NORETRY); // EXPECT DF301 error
	dma_fence_end_signalling(cookie);
}

/* found: GFP_USER and GFP_HIGHUSER are GFP_KERNEL and more */
void user_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	alloc_page(GFP_HIGHUSER); // EXPECT DF301 error
	dma_fence_end_signalling(cookie);
}

/* near-miss: the direct-reclaim bit is taken away */
void cleared_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	kmalloc(8, GFP_KERNEL & ~__GFP_DIRECT_RECLAIM);
	dma_fence_end_signalling(cookie);
}

/* near-miss: waking kswapd is not reclaim */
void kswapd_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	kmalloc(8, __GFP_KSWAPD_RECLAIM | __GFP_NOWARN);
	kmalloc(8, TOY_QUICK);
	dma_fence_end_signalling(cookie);
}

/* near-miss: NULL takes away what is there */
void taken_section(struct toy_table *table)
{
	bool cookie = dma_fence_begin_signalling();

	xa_store(&table->items, 1, NULL, GFP_KERNEL);
	dma_fence_end_signalling(cookie);
}

/* found: a pointer is stored */
void stored_section(struct toy_table *table, void *item)
{
	bool cookie = dma_fence_begin_signalling();

	xa_store(&table->items, 1, item, GFP_KERNEL); // EXPECT DF301 error
	dma_fence_end_signalling(cookie);
}

/* near-miss: no memory is asked for */
void free_section(void *old)
{
	bool cookie = dma_fence_begin_signalling();

	kfree(old);
	dma_fence_end_signalling(cookie);
}
