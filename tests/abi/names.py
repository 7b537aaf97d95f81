"""The names that `dmabuf.abi` must have, by module: those of the uAPI that buffers and fences use.

Written by hand, so that a name which disappears from a module is missed.
"""

_TEXT = {
    "ioc": """
        IOCSIZE_MASK IOCSIZE_SHIFT IOC_IN IOC_INOUT IOC_OUT _IO _IOC _IOC_DIR _IOC_DIRBITS
        _IOC_DIRMASK _IOC_DIRSHIFT _IOC_NONE _IOC_NR _IOC_NRBITS _IOC_NRMASK _IOC_NRSHIFT
        _IOC_READ _IOC_SIZE _IOC_SIZEBITS _IOC_SIZEMASK _IOC_SIZESHIFT _IOC_TYPE
        _IOC_TYPEBITS _IOC_TYPEMASK _IOC_TYPESHIFT _IOC_WRITE _IOR _IOW _IOWR
    """,
    "dma_buf": """
        DMA_BUF_BASE DMA_BUF_IOCTL_EXPORT_SYNC_FILE DMA_BUF_IOCTL_IMPORT_SYNC_FILE
        DMA_BUF_IOCTL_SYNC DMA_BUF_NAME_LEN DMA_BUF_SET_NAME DMA_BUF_SET_NAME_A
        DMA_BUF_SET_NAME_B DMA_BUF_SYNC_END DMA_BUF_SYNC_READ DMA_BUF_SYNC_RW
        DMA_BUF_SYNC_START DMA_BUF_SYNC_VALID_FLAGS_MASK DMA_BUF_SYNC_WRITE
        dma_buf_export_sync_file dma_buf_import_sync_file dma_buf_sync
    """,
    "dma_heap": """
        DMA_HEAP_IOCTL_ALLOC DMA_HEAP_IOC_MAGIC DMA_HEAP_VALID_FD_FLAGS
        DMA_HEAP_VALID_HEAP_FLAGS dma_heap_allocation_data
    """,
    "udmabuf": """
        UDMABUF_CREATE UDMABUF_CREATE_LIST UDMABUF_FLAGS_CLOEXEC udmabuf_create
        udmabuf_create_item udmabuf_create_list
    """,
    "sync_file": """
        SYNC_IOC_FILE_INFO SYNC_IOC_MAGIC SYNC_IOC_MERGE SYNC_IOC_SET_DEADLINE
        sync_fence_info sync_file_info sync_merge_data sync_set_deadline
    """,
    "sw_sync": """
        SW_SYNC_GET_DEADLINE SW_SYNC_IOC_CREATE_FENCE SW_SYNC_IOC_INC SW_SYNC_IOC_MAGIC
        sw_sync_create_fence_data sw_sync_get_deadline
    """,
    "magic": """
        DMA_BUF_MAGIC
    """,
    "errno": """
        EACCES EAGAIN EBADF EBADFD EBUSY EDEADLK EEXIST EFAULT EINTR EINVAL EIO EMFILE
        ENFILE ENODEV ENOENT ENOMEM ENOSPC ENOSYS ENOTTY EOPNOTSUPP EOVERFLOW EPERM ESPIPE
        ESRCH ETIME ETIMEDOUT
    """,
    "drm": """
        DRM_CAP_DUMB_BUFFER DRM_CAP_PRIME DRM_CAP_SYNCOBJ DRM_CAP_SYNCOBJ_TIMELINE
        DRM_CAP_TIMESTAMP_MONOTONIC DRM_CLOEXEC DRM_COMMAND_BASE DRM_COMMAND_END DRM_IO
        DRM_IOCTL_BASE DRM_IOCTL_GEM_CLOSE DRM_IOCTL_GET_CAP DRM_IOCTL_PRIME_FD_TO_HANDLE
        DRM_IOCTL_PRIME_HANDLE_TO_FD DRM_IOCTL_VERSION DRM_IOR DRM_IOW DRM_IOWR
        DRM_PRIME_CAP_EXPORT DRM_PRIME_CAP_IMPORT DRM_RDWR drm_gem_close drm_get_cap
        drm_prime_handle drm_version
    """,
    "drm_mode": """
        DRM_IOCTL_MODE_CREATE_DUMB DRM_IOCTL_MODE_DESTROY_DUMB DRM_IOCTL_MODE_MAP_DUMB
        drm_mode_create_dumb drm_mode_destroy_dumb drm_mode_map_dumb
    """,
    "drm_syncobj": """
        DRM_IOCTL_SYNCOBJ_CREATE DRM_IOCTL_SYNCOBJ_DESTROY DRM_IOCTL_SYNCOBJ_EVENTFD
        DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD
        DRM_IOCTL_SYNCOBJ_QUERY DRM_IOCTL_SYNCOBJ_RESET DRM_IOCTL_SYNCOBJ_SIGNAL
        DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT
        DRM_IOCTL_SYNCOBJ_TRANSFER DRM_IOCTL_SYNCOBJ_WAIT DRM_SYNCOBJ_CREATE_SIGNALED
        DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE
        DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_TIMELINE
        DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE
        DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_TIMELINE DRM_SYNCOBJ_QUERY_FLAGS_LAST_SUBMITTED
        DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL DRM_SYNCOBJ_WAIT_FLAGS_WAIT_AVAILABLE
        DRM_SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT
        drm_syncobj_array drm_syncobj_create drm_syncobj_destroy drm_syncobj_eventfd
        drm_syncobj_handle drm_syncobj_timeline_array drm_syncobj_timeline_wait
        drm_syncobj_transfer drm_syncobj_wait
    """,
    "vgem_drm": """
        DRM_IOCTL_VGEM_FENCE_ATTACH DRM_IOCTL_VGEM_FENCE_SIGNAL DRM_VGEM_FENCE_ATTACH
        DRM_VGEM_FENCE_SIGNAL VGEM_FENCE_WRITE drm_vgem_fence_attach drm_vgem_fence_signal
    """,
    "virtgpu_drm": """
        DRM_IOCTL_VIRTGPU_EXECBUFFER DRM_IOCTL_VIRTGPU_GETPARAM DRM_IOCTL_VIRTGPU_MAP
        DRM_IOCTL_VIRTGPU_WAIT DRM_VIRTGPU_EXECBUFFER DRM_VIRTGPU_GETPARAM DRM_VIRTGPU_MAP
        DRM_VIRTGPU_WAIT VIRTGPU_EXECBUF_FENCE_FD_IN VIRTGPU_EXECBUF_FENCE_FD_OUT
        VIRTGPU_EXECBUF_RING_IDX VIRTGPU_EXECBUF_SYNCOBJ_RESET VIRTGPU_PARAM_3D_FEATURES
        VIRTGPU_WAIT_NOWAIT
        drm_virtgpu_3d_wait drm_virtgpu_execbuffer drm_virtgpu_execbuffer_syncobj
        drm_virtgpu_getparam drm_virtgpu_map
    """,
}

NAMES = {module: text.split() for module, text in _TEXT.items()}

NEWER_THAN_6_1 = """
    SYNC_IOC_SET_DEADLINE sync_set_deadline SW_SYNC_GET_DEADLINE sw_sync_get_deadline
    DRM_IOCTL_SYNCOBJ_EVENTFD drm_syncobj_eventfd DRM_SYNCOBJ_WAIT_FLAGS_WAIT_DEADLINE
    VIRTGPU_EXECBUF_SYNCOBJ_RESET drm_virtgpu_execbuffer_syncobj
"""
NEWER_THAN_6_12 = """
    DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_TIMELINE DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_TIMELINE
"""
MAY_BE_ABSENT = {*NEWER_THAN_6_1.split(), *NEWER_THAN_6_12.split()}
"""From headers that are older. Any other name is in every header of the kernels read."""
