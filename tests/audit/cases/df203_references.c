/* References of an address space: only the last one ends it. */

struct toy_queue {
	struct task_struct *task;
	struct mutex lock;
	struct mutex fine;
	int size;
};

/* near-miss: under a reference of the caller the second one is not the last */
static void restore_queue(struct toy_queue *queue)
{
	struct mm_struct *mm = NULL;

	if (!queue->size)
		goto out;
	mm = get_task_mm(queue->task);
	queue->size++;
out:
	if (mm)
		mmput(mm);
}

void restore_all(struct toy_queue *queue)
{
	struct mm_struct *mm = get_task_mm(queue->task);

	if (!mm)
		return;
	mutex_lock(&queue->fine);
	restore_queue(queue);
	mutex_unlock(&queue->fine);
	mmput(mm);
}

void fine_section(struct toy_queue *queue)
{
	bool cookie = dma_fence_begin_signalling();

	mutex_lock(&queue->fine);
	mutex_unlock(&queue->fine);
	dma_fence_end_signalling(cookie);
}

/* found: it may be the last one; the same function is reached without another one */
static void stop_queue(struct toy_queue *queue)
{
	struct mm_struct *mm = get_task_mm(queue->task);

	queue->size--;
	mmput(mm); // EXPECT DF203 error
}

void stop_section(struct toy_queue *queue)
{
	bool cookie = dma_fence_begin_signalling();

	stop_queue(queue);
	dma_fence_end_signalling(cookie);
}

/* found: the caller's own reference is the one that is dropped */
static void drop(struct mm_struct *mm)
{
	mmput(mm); // EXPECT DF203 error
}

void drop_section(struct toy_queue *queue)
{
	bool cookie = dma_fence_begin_signalling();
	struct mm_struct *mm = get_task_mm(queue->task);

	drop(mm);
	dma_fence_end_signalling(cookie);
}

/* found: an allocation under one reference still reclaims */
void grow_section(struct toy_queue *queue)
{
	bool cookie = dma_fence_begin_signalling();
	struct mm_struct *mm = get_task_mm(queue->task);

	kfree(kmalloc(8, GFP_KERNEL)); // EXPECT DF301 error
	dma_fence_end_signalling(cookie);
}
