"""Locks of the kernel's core that drivers take by calling into it, and who holds them over what.

The other side of such a lock is in code that is not audited, so that it is known here: one place
for each lock where it is held over an allocation, or over what may wait for a fence.

Sources: kernel/printk/printk.c, drivers/base/power/qos.c, mm/memory.c.
"""

from __future__ import annotations

from dmabuf.audit.ways.known.acts import Act, Passes

__all__ = ["CORE_LOCKS", "HELD_OVER"]

_CALLS = {
    "console_lock": "console_lock",
    "dev_pm_qos_mtx": """
        dev_pm_qos_add_request dev_pm_qos_update_request dev_pm_qos_remove_request
        dev_pm_qos_add_notifier dev_pm_qos_remove_notifier
    """,
    "i_mmap_rwsem": "unmap_mapping_range unmap_mapping_pages",
}

CORE_LOCKS: dict[str, tuple[Act, ...]] = {
    name: (Passes(lock),) for lock, names in _CALLS.items() for name in names.split()
}
"""By name."""

HELD_OVER = {
    "console_lock": "consoles are set up and resized under it, with GFP_KERNEL (drivers/tty/vt)",
    "dev_pm_qos_mtx": "a device's first request allocates under it (drivers/base/power/qos.c)",
    "i_mmap_rwsem": "MMU notifiers are called under it, and may wait for fences (mm/memory.c)",
}
"""Why a lock may not be taken on the way to a signal."""
