"""The same tests of user-visible behaviour against our objects and against the real kernel.

`pytest tests/agreement` runs ours; with DMABUF_REAL_KERNEL=1, which the VM sets, the kernel too.
Each test gets a `system` (face.py) and says which rows (rows.py) it shows.
"""
