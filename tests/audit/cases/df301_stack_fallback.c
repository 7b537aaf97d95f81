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

/* found: it is asked for more */
static int exceeds(const void *from, unsigned int count)
{
	u32 small[8];
	u32 *buffer = small;

	if (count > ARRAY_SIZE(small))
		buffer = kmalloc(4 * count, GFP_KERNEL); // EXPECT DF301 error
	memcpy(buffer, from, 4 * count);
	return 0;
}

void stack_section(const void *from)
{
	bool cookie = dma_fence_begin_signalling();

	fits(from, 16);
	exceeds(from, 16);
	dma_fence_end_signalling(cookie);
}
