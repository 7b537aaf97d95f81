/* Fences that their client can ask for by a number. */

struct toy_queue {
	struct idr fences;
	struct idr open_fences;
	int last;
};

/* The lookup refuses what is later than the last job that was pushed. */
static struct dma_fence *gated_find(struct toy_queue *queue, int id)
{
	if (toy_after(id, queue->last))
		return NULL;
	return idr_find(&queue->fences, id);
}

/* near-miss: the number is refused until the push; and reclaim finds no fence by its number */
int gated_submit(struct toy_queue *queue, struct toy_job *job)
{
	int id;

	if (idr_find(&queue->fences, job->wanted))
		return -EINVAL;
	drm_sched_job_arm(&job->base);
	id = idr_alloc_cyclic(&queue->fences, job->fence, 1, 0, GFP_NOWAIT);
	job->sync = sync_file_create(job->fence); // EXPECT DF301 warning
	if (!job->sync)
		return -ENOMEM; // EXPECT DF109 warning
	drm_sched_entity_push_job(&job->base);
	queue->last = id;
	return 0;
}

static struct dma_fence *open_find(struct toy_queue *queue, int id)
{
	return idr_find(&queue->open_fences, id);
}

/* found: whoever guesses the number waits for ever */
int open_submit(struct toy_queue *queue, struct toy_job *job)
{
	int id;

	drm_sched_job_arm(&job->base);
	id = idr_alloc_cyclic(&queue->open_fences, job->fence, 1, 0, GFP_NOWAIT);
	job->sync = toy_sync(job);
	if (!job->sync)
		return -ENOMEM; // EXPECT DF109 error
	drm_sched_entity_push_job(&job->base);
	queue->last = id;
	return 0;
}

/* found: published by a function of the driver, in the middle */
static void toy_attach(struct toy_job *job)
{
	dma_resv_add_fence(job->resv, job->fence, DMA_RESV_USAGE_WRITE);
}

int attached_submit(struct toy_queue *queue, struct toy_job *job)
{
	drm_sched_job_arm(&job->base);
	job->early = kzalloc(8, GFP_KERNEL); // EXPECT DF301 warning
	toy_attach(job);
	job->state = kzalloc(8, GFP_KERNEL); // EXPECT DF301 error
	drm_sched_entity_push_job(&job->base);
	return 0;
}
