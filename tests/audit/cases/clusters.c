/* found: one finding for one choke point, whatever lies beyond it; told by the shortest way */

static void a_leaf(void)
{
	kfree(kmalloc(8, GFP_KERNEL));
}

static void b_leaf(void)
{
	kfree(kmalloc(16, GFP_KERNEL));
}

static void fan_out(void)
{
	a_leaf();
	b_leaf();
	kfree(kmalloc(32, GFP_KERNEL)); // EXPECT DF301 error
}

static void narrow(void)
{
	fan_out();
}

void fan_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	narrow();
	dma_fence_end_signalling(cookie);
}
