/* Locks that an MMU notifier takes: it may wait for fences, and so for who waits for one. */

struct toy_vm {
	struct mmu_interval_notifier notifier;
	struct mutex eviction_lock;
	struct mutex table_lock;
	struct mutex both_lock;
	struct dma_fence *fence;
	void *table;
	unsigned int saved;
};

static void toy_eviction_lock(struct toy_vm *vm)
{
	mutex_lock(&vm->eviction_lock);
	vm->saved = memalloc_noreclaim_save();
}

static void toy_eviction_unlock(struct toy_vm *vm)
{
	memalloc_noreclaim_restore(vm->saved);
	mutex_unlock(&vm->eviction_lock);
}

/* near-miss: a fence wait under the lock, and no allocation that reclaims */
void toy_clear(struct toy_vm *vm)
{
	toy_eviction_lock(vm);
	vm->table = kmalloc(64, GFP_KERNEL);
	dma_fence_wait(vm->fence, false);
	toy_eviction_unlock(vm);
}

/* found: an allocation under the lock comes back to the notifier */
void toy_grow(struct toy_vm *vm)
{
	mutex_lock(&vm->table_lock);
	vm->table = kmalloc(64, GFP_KERNEL);
	mutex_unlock(&vm->table_lock);
}

/* found: an allocation after the fence wait */
void toy_both(struct toy_vm *vm)
{
	mutex_lock(&vm->both_lock);
	dma_fence_wait(vm->fence, false);
	vm->table = kmalloc(64, GFP_KERNEL);
	mutex_unlock(&vm->both_lock);
}

static bool toy_invalidate(struct mmu_interval_notifier *mni,
			   const struct mmu_notifier_range *range, unsigned long seq)
{
	struct toy_vm *vm = container_of(mni, struct toy_vm, notifier);

	mutex_lock(&vm->eviction_lock);
	mutex_unlock(&vm->eviction_lock);
	mutex_lock(&vm->table_lock); // EXPECT DF202 error
	mutex_unlock(&vm->table_lock);
	mutex_lock(&vm->both_lock); // EXPECT DF202 error
	mutex_unlock(&vm->both_lock);
	return true;
}

static const struct mmu_interval_notifier_ops toy_ops = {
	.invalidate = toy_invalidate,
};

/* found: on the way to a signal the fence wait counts */
void evict_section(struct toy_vm *vm)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&vm->eviction_lock); // EXPECT DF202 error
	mutex_unlock(&vm->eviction_lock);
	dma_fence_end_signalling(cookie);
}
