/* found: bytes that are no UTF-8 (André), lines that end as elsewhere */
void crlf_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	kmalloc(8, GFP_KERNEL); // EXPECT DF301 error
	dma_fence_end_signalling(cookie);
}
