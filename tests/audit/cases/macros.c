/* Function-like macros are what their bodies do. */

#define toy_for_each(i, n) for ((i) = 0; (i) < (n); (i)++)
#define toy_alloc(size) kzalloc((size), GFP_KERNEL)
#define toy_signal_all(ring)					\
	do {							\
		dma_fence_signal((ring)->first);		\
		dma_fence_signal((ring)->last);			\
	} while (0)

/* found: an allocation in a macro */
void macro_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	toy_alloc(8); // EXPECT DF301 error
	dma_fence_end_signalling(cookie);
}

/* near-miss: macros that only look like more */
void loop_section(struct toy_ring *ring, int n)
{
	bool cookie = dma_fence_begin_signalling();
	int i;

	toy_for_each(i, n)
		toy_signal_all(ring);
	dma_fence_end_signalling(cookie);
}
