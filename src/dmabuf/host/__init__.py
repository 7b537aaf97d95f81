"""The real kernel: a thin face over the files of dma-buf, fences and sync objects.

Each module speaks to one kind of file and is named after the kernel's word for it. A class owns
one descriptor, closes it once, and answers with plain values or an `OSError` that carries the
kernel's errno; nothing is checked before the kernel sees it, so that its own checks can be seen.
What this machine lacks raises `NotAvailable` with the remedy; `probe` lists all of it.

    >>> from dmabuf.host.probe import probe
    >>> sorted(feature.name for feature in probe())
    ['dma_heap', 'sw_sync', 'syncobj', 'udmabuf', 'v4l2', 'vgem']

Mirrors: include/uapi
"""
