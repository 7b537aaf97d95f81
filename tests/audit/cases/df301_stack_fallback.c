/* Memory for what does not fit on the stack, asked for something that fits. */

/* near-miss: a fall-back for what does not fit on the stack, behind a constant */
static int fits(const void *from, unsigned int size)
{
	char small[64];
	char *buffer = small;

	if (size > sizeof(small))
		buffer = kmalloc(size, GFP_KERNEL);
	memcpy(buffer, from, size);
	if (buffer != small)
		kfree(buffer);
	return 0;
}

void stack_section(const void *from)
{
	bool cookie = dma_fence_begin_signalling();

	fits(from, 16);
	dma_fence_end_signalling(cookie);
}
