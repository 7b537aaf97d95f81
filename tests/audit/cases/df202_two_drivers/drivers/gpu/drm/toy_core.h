/* Shared by two drivers. */

struct drm_device {
	struct mutex list_mutex;
	struct mutex probe_mutex;
};

struct dma_buf {
	struct mutex lock;
};
