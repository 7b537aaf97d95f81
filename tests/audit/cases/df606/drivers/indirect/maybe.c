void maybe(struct dma_buf *buf)
{
	dma_buf_put(buf);
}
