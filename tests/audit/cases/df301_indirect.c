/* Calls through tables: the right table, and the right field of it. */

struct toy_ring;

struct toy_ring_funcs {
	void (*begin_use)(struct toy_ring *ring);
	void (*emit)(struct toy_ring *ring);
	void (*idle)(struct toy_ring *ring);
};

struct toy_ring {
	const struct toy_ring_funcs *funcs;
	void *buffer;
};

/* found: reached through the one table that the driver's rings have */
static void gfx_emit(struct toy_ring *ring)
{
	ring->buffer = kmalloc(64, GFP_KERNEL); // EXPECT DF301 error
}

/* near-miss: another field of the same table */
static void gfx_idle(struct toy_ring *ring)
{
	kfree(kmalloc(64, GFP_KERNEL));
}

static void gfx_begin_use(struct toy_ring *ring)
{
}

static const struct toy_ring_funcs gfx_funcs = {
	.begin_use = gfx_begin_use,
	.emit = gfx_emit,
	.idle = gfx_idle,
};

struct toy_device {
	struct toy_ring ring;
};

void toy_init(struct toy_device *dev)
{
	dev->ring.funcs = &gfx_funcs;
}

void emit_section(struct toy_ring *ring)
{
	bool cookie = dma_fence_begin_signalling();

	ring->funcs->begin_use(ring);
	ring->funcs->emit(ring);
	dma_fence_end_signalling(cookie);
}
