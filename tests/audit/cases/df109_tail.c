/* A submission that can fail after the point of no return. */

/* found: an error between arming and pushing */
int fail_submit(struct toy_job *job)
{
	int ret;

	ret = drm_sched_job_init(&job->base, &job->entity, 1, NULL);
	if (ret)
		return ret;
	drm_sched_job_arm(&job->base);
	ret = toy_attach(job);
	if (ret)
		goto out; // EXPECT DF109 warning
	drm_sched_entity_push_job(&job->base);
out:
	return ret;
}

/* found: others can find the fence by then */
int published_submit(struct toy_job *job, struct dma_resv *resv)
{
	int ret;

	drm_sched_job_arm(&job->base);
	dma_resv_add_fence(resv, &job->base.s_fence->finished, DMA_RESV_USAGE_WRITE);
	ret = toy_attach(job);
	if (ret)
		return ret; // EXPECT DF109 error
	drm_sched_entity_push_job(&job->base);
	return 0;
}

/* near-miss: it is the publication that failed, and an unpublished fence is nobody's; still armed */
int unpublished_submit(struct toy_job *job, struct xarray *fences)
{
	int ret;

	drm_sched_job_arm(&job->base);
	ret = xa_alloc(fences, &job->id, job->fence, xa_limit_32b, GFP_NOWAIT);
	if (ret < 0) {
		drm_sched_job_cleanup(&job->base);
		return ret; // EXPECT DF109 warning
	}
	drm_sched_entity_push_job(&job->base);
	return 0;
}

/* near-miss: a wrapper that arms, and may have failed itself */
static int toy_arm(struct toy_job *job)
{
	if (!job->state)
		return -EINVAL;
	drm_sched_job_arm(&job->base);
	return 0;
}

int wrapped_submit(struct toy_job *job)
{
	int ret = toy_arm(job);

	if (ret)
		return ret;
	drm_sched_entity_push_job(&job->base);
	return 0;
}

/* found: returned at once */
int return_submit(struct toy_job *job)
{
	drm_sched_job_arm(&job->base);
	if (!toy_ready(job))
		return -EBUSY; // EXPECT DF109 warning
	drm_sched_entity_push_job(&job->base);
	return 0;
}

/* found: memory asked for in between */
int allocate_submit(struct toy_job *job)
{
	drm_sched_job_arm(&job->base);
	job->state = kzalloc(8, GFP_KERNEL); // EXPECT DF301 warning
	drm_sched_entity_push_job(&job->base);
	return 0;
}

/* found: memory asked for when others have the fence */
int visible_submit(struct toy_job *job, struct dma_resv *resv)
{
	drm_sched_job_arm(&job->base);
	dma_resv_add_fence(resv, &job->base.s_fence->finished, DMA_RESV_USAGE_WRITE);
	job->state = kzalloc(8, GFP_KERNEL); // EXPECT DF301 error
	drm_sched_entity_push_job(&job->base);
	return 0;
}

/* near-miss: everything that fails comes first */
int good_submit(struct toy_job *job)
{
	int ret = toy_attach(job);

	if (ret)
		return ret;
	job->state = kzalloc(8, GFP_KERNEL);
	if (!job->state)
		return -ENOMEM;
	drm_sched_job_arm(&job->base);
	job->fence = dma_fence_get(&job->base.s_fence->finished);
	drm_sched_entity_push_job(&job->base);
	return 0;
}

/* near-miss: what fails afterwards has no fence to lose */
int late_submit(struct toy_job *job, int __user *out)
{
	drm_sched_job_arm(&job->base);
	drm_sched_entity_push_job(&job->base);
	if (put_user(3, out))
		return -EFAULT;
	return 0;
}
