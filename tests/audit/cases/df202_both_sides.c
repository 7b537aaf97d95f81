/* Evidence: what counts as held, and which lock it is. */

struct toy_ctx {
	struct mutex lock;
	void *data;
};

struct toy_vm {
	struct mutex lock;
	void *data;
};

/* near-miss: a field of the same name in another struct is another lock */
void ctx_grow(struct toy_ctx *ctx)
{
	mutex_lock(&ctx->lock);
	ctx->data = kmalloc(8, GFP_KERNEL);
	mutex_unlock(&ctx->lock);
}

void vm_section(struct toy_vm *vm)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&vm->lock);
	mutex_unlock(&vm->lock);
	dma_fence_end_signalling(cookie);
}

static DEFINE_MUTEX(toy_list_lock);
static DEFINE_MUTEX(toy_idle_lock);

/* found: a lock outside structs; the allocation is in a function that it calls */
static void *list_entry_new(void)
{
	return kzalloc(8, GFP_KERNEL);
}

void list_add_one(void)
{
	mutex_lock(&toy_list_lock);
	list_entry_new();
	mutex_unlock(&toy_list_lock);
}

void list_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&toy_list_lock); // EXPECT DF202 error
	mutex_unlock(&toy_list_lock);
	dma_fence_end_signalling(cookie);
}

/* near-miss: dropped around the allocation */
void idle_add_one(void)
{
	mutex_lock(&toy_idle_lock);
	mutex_unlock(&toy_idle_lock);
	list_entry_new();
	mutex_lock(&toy_idle_lock);
	mutex_unlock(&toy_idle_lock);
}

void idle_section(void)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&toy_idle_lock);
	mutex_unlock(&toy_idle_lock);
	dma_fence_end_signalling(cookie);
}
