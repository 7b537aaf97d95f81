/* A driver that makes fences itself, and has nothing that could end them. */

static const char *toy_name(struct dma_fence *fence)
{
	return "toy";
}

/* found */
static const struct dma_fence_ops toy_ops = { // EXPECT DF102 warning
	.get_driver_name = toy_name,
	.get_timeline_name = toy_name,
};

void toy_fence(struct dma_fence *fence, spinlock_t *lock)
{
	dma_fence_init(fence, &toy_ops, lock, 1, 1);
}
