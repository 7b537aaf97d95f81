struct dma_buf *good_take(int fd)
{
	return dma_buf_get(fd);
}
