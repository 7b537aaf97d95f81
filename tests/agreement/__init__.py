"""The same tests of user-visible behaviour against our objects and against the real kernel.

`pytest tests/agreement` runs ours; with DMABUF_REAL_KERNEL=1, which `in_vm` sets, the kernel.
Each test gets a `system` (face.py) and says which rows (rows.py) it shows. What random programs of
calls answer is compared directly (random_calls.py).
"""
