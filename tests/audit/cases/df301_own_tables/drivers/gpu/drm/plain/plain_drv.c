/* noise: a driver that leaves all out */

static const struct drm_driver plain_driver = {
	.name = "plain",
	.driver_features = DRIVER_RENDER,
};

void plain_section(struct drm_device *dev)
{
	bool cookie = dma_fence_begin_signalling();

	toy_create_plain(dev, 8);
	toy_create_open(dev, 8);
	toy_show(dev, 8);
	toy_render(dev, 8);
	dma_fence_end_signalling(cookie);
}
