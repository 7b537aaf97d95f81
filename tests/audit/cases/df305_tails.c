/* The tail of an atomic commit, whose out-fence is visible. */

/* found: it allocates */
static void toy_commit_tail(struct drm_atomic_state *state)
{
	kfree(kmalloc(8, GFP_KERNEL)); // EXPECT DF301 info
	drm_atomic_helper_commit_hw_done(state);
}

static const struct drm_mode_config_helper_funcs toy_helpers = {
	.atomic_commit_tail = toy_commit_tail,
};

/* near-miss: the check comes before the point of no return */
static int toy_atomic_check(struct drm_device *dev, struct drm_atomic_state *state)
{
	kfree(kmalloc(8, GFP_KERNEL));
	return 0;
}

static const struct drm_mode_config_funcs toy_funcs = {
	.atomic_check = toy_atomic_check,
};

/* near-miss: the tail waits for fences, which is its work */
static void waiting_commit_tail(struct drm_atomic_state *state)
{
	drm_atomic_helper_wait_for_fences(state->dev, state, false);
	drm_atomic_helper_commit_hw_done(state);
}

static const struct drm_mode_config_helper_funcs waiting_helpers = {
	.atomic_commit_tail = waiting_commit_tail,
};
