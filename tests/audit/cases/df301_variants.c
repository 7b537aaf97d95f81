/* Variants of a function for several machines: that of 64 bits is taken. */

/* near-miss: only a machine of 32 bits allocates */
#ifdef CONFIG_HAVE_ATOMIC_IOMAP
static inline void *toy_map(unsigned long at)
{
	return kmalloc(at, GFP_KERNEL);
}
#else
static inline void *toy_map(unsigned long at)
{
	return (void *)at;
}
#endif

/* found: the variant of 64 bits does */
#ifndef CONFIG_64BIT
static inline void *toy_table(unsigned long at)
{
	return (void *)at;
}
#else
static inline void *toy_table(unsigned long at)
{
	return kmalloc(at, GFP_KERNEL); // EXPECT DF301 error
}
#endif

/* found: there is one variant only */
#ifdef CONFIG_HIGHMEM
static inline void *toy_high(unsigned long at)
{
	return kmalloc(at, GFP_KERNEL); // EXPECT DF301 error
}
#endif

void map_section(unsigned long at)
{
	bool cookie = dma_fence_begin_signalling();

	toy_map(at);
	toy_table(at);
	toy_high(at);
	dma_fence_end_signalling(cookie);
}
