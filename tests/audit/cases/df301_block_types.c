/* A table of blocks, of which the loop picks some by type. */

enum toy_block_type { TOY_COMMON, TOY_GFX, TOY_CODEC };

struct toy_block_funcs {
	int (*resume)(void *handle);
};

struct toy_block {
	enum toy_block_type type;
	const struct toy_block_funcs *funcs;
};

struct toy_device {
	struct toy_block blocks[8];
	int count;
};

static int common_resume(void *handle)
{
	return 0;
}

static const struct toy_block_funcs common_funcs = { .resume = common_resume };
static const struct toy_block common_block = { .type = TOY_COMMON, .funcs = &common_funcs };

/* near-miss: its type is not the one that is asked for */
static int codec_resume(void *handle)
{
	return kmalloc(8, GFP_KERNEL) ? 0 : -ENOMEM;
}

static const struct toy_block_funcs codec_funcs = { .resume = codec_resume };
static const struct toy_block codec_block = { .type = TOY_CODEC, .funcs = &codec_funcs };

/* found: its type is asked for */
static int gfx_resume(void *handle)
{
	return kmalloc(8, GFP_KERNEL) ? 0 : -ENOMEM; // EXPECT DF301 warning
}

static const struct toy_block_funcs gfx_funcs = { .resume = gfx_resume };
static const struct toy_block gfx_block = { .type = TOY_GFX, .funcs = &gfx_funcs };

static enum drm_gpu_sched_stat block_timedout(struct drm_sched_job *job)
{
	struct toy_device *dev = to_dev(job);
	int i;

	for (i = 0; i < dev->count; i++) {
		if (dev->blocks[i].type != TOY_COMMON && dev->blocks[i].type != TOY_GFX)
			continue;
		dev->blocks[i].funcs->resume(dev);
	}
	return DRM_GPU_SCHED_STAT_NOMINAL;
}

static const struct drm_sched_backend_ops block_ops = {
	.timedout_job = block_timedout,
};
