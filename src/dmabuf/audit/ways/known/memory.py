"""Who touches the memory of a process, and who changes what allocations may do.

Sources: include/linux/{uaccess,mm,sched/mm,dma-fence,hmm,mmu_notifier,lockdep}.h.

`get_user_pages_fast` takes mmap_lock where its quick way fails; the `_fast_only` forms never do.
The last reference of an address space ends it in `mmput`; under a second one of the same task it is
not the last.
"""

from __future__ import annotations

from dmabuf.audit.ways.known.acts import Act, Allocates, Closes, Opens, Takes, TouchesUser
from dmabuf.sync.gfp import Gfp

__all__ = ["MEMORY"]

_USER = """
copy_from_user copy_to_user __copy_from_user __copy_to_user copy_struct_from_user clear_user
__clear_user get_user put_user __get_user __put_user strncpy_from_user strnlen_user
fault_in_readable fault_in_writeable fault_in_safe_writeable copy_page_from_iter copy_page_to_iter
copy_to_iter copy_from_iter simple_write_to_buffer simple_read_from_buffer
fixup_user_fault memdup_user vmemdup_user memdup_user_nul strndup_user memdup_array_user
vmemdup_array_user
"""

_FAULTS = """
get_user_pages_fast pin_user_pages_fast get_user_pages_unlocked pin_user_pages_unlocked
pin_user_pages_remote get_user_pages_remote vm_mmap vm_munmap do_mmap vm_brk exit_mmap
access_remote_vm
"""
"""Take mmap_lock themselves, and fault."""

_HELD = "get_user_pages pin_user_pages handle_mm_fault hmm_range_fault faultin_page"
"""Fault under the mmap_lock that the caller holds."""

_ATOMIC = """
rcu_read_lock rcu_read_lock_bh preempt_disable local_irq_save local_irq_disable local_bh_disable
kmap_atomic io_mapping_map_atomic_wc get_cpu
"""
_ATOMIC_END = """
rcu_read_unlock rcu_read_unlock_bh preempt_enable local_irq_restore local_irq_enable
local_bh_enable kunmap_atomic io_mapping_unmap_atomic put_cpu
"""

_MMAP = Takes(None, "mmap_lock", momentary=True)

MEMORY: dict[str, tuple[Act, ...]] = {
    **{name: (TouchesUser(),) for name in _USER.split()},
    **{name: (_MMAP, TouchesUser()) for name in _FAULTS.split()},
    **{name: (TouchesUser(),) for name in _HELD.split()},
    "get_task_mm": (Opens("mm"),),
    "mmget": (Opens("mm"),),
    "mmget_not_zero": (Opens("mm"),),
    "mmput": (Takes(None, "mmap_lock", momentary=True, last="mm"), Closes("mm")),
    "mmput_async": (Closes("mm"),),
    "mmu_notifier_register": (_MMAP, Allocates()),
    "mmu_notifier_get": (_MMAP, Allocates()),
    "mmu_interval_notifier_insert": (_MMAP, Allocates()),
    "import_iovec": (TouchesUser(), Allocates()),
    "might_alloc": (Allocates(0),),
    "fs_reclaim_acquire": (Opens("reclaim"), Allocates(0)),
    "fs_reclaim_release": (Closes("reclaim"),),
    "memalloc_noreclaim_save": (Opens("noreclaim"),),
    "memalloc_noreclaim_restore": (Closes("noreclaim"),),
    "memalloc_nofs_save": (Opens("nofs"),),
    "memalloc_nofs_restore": (Closes("nofs"),),
    "memalloc_noio_save": (Opens("noio"),),
    "memalloc_noio_restore": (Closes("noio"),),
    "pagefault_disable": (Opens("nofault"),),
    "pagefault_enable": (Closes("nofault"),),
    "dma_fence_begin_signalling": (Opens("signalling"),),
    "dma_fence_end_signalling": (Closes("signalling"),),
    **dict.fromkeys(_ATOMIC.split(), (Opens("atomic"),)),
    **dict.fromkeys(_ATOMIC_END.split(), (Closes("atomic"),)),
    "might_lock": (Takes(momentary=True),),
    "might_lock_nested": (Takes(momentary=True),),
    "might_lock_read": (Takes(momentary=True),),
    "mmu_notifier_invalidate_range_start": (Allocates(implied=Gfp(0)),),
}
"""By name."""
