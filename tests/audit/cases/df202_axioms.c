/* What drivers tell lockdep of their locks is evidence, for and against. */

struct toy_gpu {
	struct mutex state_lock;
	struct mutex table_lock;
	struct mutex shrink_lock;
	struct mutex plain_lock;
	void *state;
};

/* found: the driver itself says, when it comes up, that it allocates under this lock */
int toy_init(struct toy_gpu *gpu)
{
	mutex_init(&gpu->state_lock);
	mutex_lock(&gpu->state_lock);
	might_alloc(GFP_KERNEL);
	mutex_unlock(&gpu->state_lock);
	return 0;
}

void state_section(struct toy_gpu *gpu)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&gpu->state_lock); // EXPECT DF202 error
	mutex_unlock(&gpu->state_lock);
	dma_fence_end_signalling(cookie);
}

/* near-miss: it says that reclaim takes the lock, so lockdep has an eye on who allocates under it */
int toy_prime(struct toy_gpu *gpu)
{
	fs_reclaim_acquire(GFP_KERNEL);
	might_lock(&gpu->table_lock);
	fs_reclaim_release(GFP_KERNEL);
	return 0;
}

void table_fill(struct toy_gpu *gpu)
{
	mutex_lock(&gpu->table_lock);
	gpu->state = kmalloc(8, GFP_KERNEL);
	mutex_unlock(&gpu->table_lock);
}

void table_section(struct toy_gpu *gpu)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&gpu->table_lock); // EXPECT DF202 warning
	mutex_unlock(&gpu->table_lock);
	dma_fence_end_signalling(cookie);
}

/* near-miss: the same through a helper that is given the lock */
static void toy_taints_mutex(struct mutex *mutex)
{
	fs_reclaim_acquire(GFP_KERNEL);
	mutex_acquire(&mutex->dep_map, 0, 0, _RET_IP_);
	mutex_release(&mutex->dep_map, _RET_IP_);
	fs_reclaim_release(GFP_KERNEL);
}

void shrink_fill(struct toy_gpu *gpu)
{
	toy_taints_mutex(&gpu->shrink_lock);
	mutex_lock(&gpu->shrink_lock);
	gpu->state = kmalloc(8, GFP_KERNEL);
	mutex_unlock(&gpu->shrink_lock);
}

void shrink_section(struct toy_gpu *gpu)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&gpu->shrink_lock); // EXPECT DF202 warning
	mutex_unlock(&gpu->shrink_lock);
	dma_fence_end_signalling(cookie);
}

/* found: nobody says anything of this one */
void plain_fill(struct toy_gpu *gpu)
{
	mutex_lock(&gpu->plain_lock);
	gpu->state = kmalloc(8, GFP_KERNEL);
	mutex_unlock(&gpu->plain_lock);
}

void plain_section(struct toy_gpu *gpu)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&gpu->plain_lock); // EXPECT DF202 error
	mutex_unlock(&gpu->plain_lock);
	dma_fence_end_signalling(cookie);
}
