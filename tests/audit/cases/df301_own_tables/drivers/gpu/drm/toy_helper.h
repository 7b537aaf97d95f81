/* What a driver may have. */

#define BIT(nr) (UL(1) << (nr))

enum drm_driver_feature {
	DRIVER_RENDER = BIT(3),
	DRIVER_MODESET = BIT(1),
	DRIVER_ATOMIC = BIT(4),
};
