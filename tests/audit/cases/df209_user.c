/* User memory under a reservation lock. */

/* found */
int toy_read(struct toy_bo *bo, void __user *to)
{
	int ret = 0;

	dma_resv_lock(bo->base.resv, NULL);
	if (copy_to_user(to, bo->vaddr, 8)) // EXPECT DF209 error
		ret = -EFAULT;
	dma_resv_unlock(bo->base.resv);
	return ret;
}

/* found: in a function that it calls */
static int fetch(void *to, void __user *from)
{
	return copy_from_user(to, from, 8) ? -EFAULT : 0; // EXPECT DF209 error
}

int toy_write(struct toy_bo *bo, void __user *from)
{
	int ret;

	if (dma_resv_lock_interruptible(bo->base.resv, NULL))
		return -EINTR;
	ret = fetch(bo->vaddr, from);
	dma_resv_unlock(bo->base.resv);
	return ret;
}

/* found: pinning user pages takes mmap_lock */
long toy_pin(struct toy_bo *bo, unsigned long start)
{
	long ret;

	dma_resv_lock(bo->base.resv, NULL);
	ret = pin_user_pages_fast(start, 1, FOLL_WRITE, bo->pages); // EXPECT DF209 error
	dma_resv_unlock(bo->base.resv);
	return ret;
}

/* near-miss: after the unlock */
int toy_late(struct toy_bo *bo, void __user *to)
{
	dma_resv_lock(bo->base.resv, NULL);
	dma_resv_unlock(bo->base.resv);
	return copy_to_user(to, bo->vaddr, 8) ? -EFAULT : 0;
}

/* near-miss: with page faults off */
int toy_careful(struct toy_bo *bo, void __user *to)
{
	int left;

	dma_resv_lock(bo->base.resv, NULL);
	pagefault_disable();
	left = __copy_to_user_inatomic(to, bo->vaddr, 8);
	pagefault_enable();
	dma_resv_unlock(bo->base.resv);
	return left;
}

/* near-miss: another lock */
int toy_other(struct toy_bo *bo, void __user *to)
{
	int ret;

	mutex_lock(&bo->lock);
	ret = copy_to_user(to, bo->vaddr, 8);
	mutex_unlock(&bo->lock);
	return ret;
}
