/* Scopes that change what an allocation may do. */

struct toy_vm {
	struct mutex lock;
	unsigned int flags;
	void *page;
};

/* near-miss: noreclaim */
void noreclaim_section(void)
{
	bool cookie = dma_fence_begin_signalling();
	unsigned int flags = memalloc_noreclaim_save();

	kmalloc(8, GFP_KERNEL);
	memalloc_noreclaim_restore(flags);
	dma_fence_end_signalling(cookie);
}

/* found: the scope is over */
void restored_section(void)
{
	bool cookie = dma_fence_begin_signalling();
	unsigned int flags = memalloc_noreclaim_save();

	memalloc_noreclaim_restore(flags);
	kmalloc(8, GFP_KERNEL); // EXPECT DF301 error
	dma_fence_end_signalling(cookie);
}

/* found: GFP_KERNEL in a nofs scope is GFP_NOFS, which a notifier forbids */
void nofs_section(void)
{
	bool cookie = dma_fence_begin_signalling();
	unsigned int flags = memalloc_nofs_save();

	kmalloc(8, GFP_KERNEL); // EXPECT DF302 error
	memalloc_nofs_restore(flags);
	dma_fence_end_signalling(cookie);
}

/* noise: the scope is entered in a wrapper around the lock */
static void vm_lock(struct toy_vm *vm)
{
	mutex_lock(&vm->lock);
	vm->flags = memalloc_noreclaim_save();
}

static void vm_unlock(struct toy_vm *vm)
{
	memalloc_noreclaim_restore(vm->flags);
	mutex_unlock(&vm->lock);
}

/* near-miss: allocation between the wrappers */
void wrapped_section(struct toy_vm *vm)
{
	bool cookie = dma_fence_begin_signalling();

	vm_lock(vm);
	vm->page = kmalloc(8, GFP_KERNEL);
	vm_unlock(vm);
	dma_fence_end_signalling(cookie);
}

/* found: allocation after them */
void unwrapped_section(struct toy_vm *vm)
{
	bool cookie = dma_fence_begin_signalling();

	vm_lock(vm);
	vm_unlock(vm);
	vm->page = kmalloc(8, GFP_KERNEL); // EXPECT DF301 error
	dma_fence_end_signalling(cookie);
}
