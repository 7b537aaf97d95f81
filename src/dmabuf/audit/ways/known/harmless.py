"""Functions whose bodies are not looked at, though they are there: they do nothing that matters.

Of each its body would suggest otherwise: it reports, or ends what cannot matter for a signal any
more, or what it calls has a root of its own.
"""

from __future__ import annotations

from dmabuf.audit.ways.known.acts import Act, Nothing

__all__ = ["HARMLESS"]

_REPORTS = """
printk _printk pr_err pr_warn pr_info pr_debug pr_notice dev_err dev_warn dev_info dev_dbg
dev_notice dev_err_ratelimited dev_warn_once dev_err_once dev_WARN dev_printk __dev_printk
drm_dev_printk drm_dev_dbg drm_err drm_warn drm_info drm_dbg drm_dbg_core drm_dbg_driver
drm_dbg_kms drm_dbg_prime drm_dbg_atomic drm_WARN drm_WARN_ON drm_WARN_ONCE drm_WARN_ON_ONCE
drm_err_once drm_err_ratelimited drm_printf __drm_err __drm_dbg drm_notice drm_dbg_vbl
drm_dbg_state drm_dbg_lease drm_dbg_dp drm_dbg_drmres drm_warn_once DRM_ERROR DRM_DEBUG DRM_INFO
DRM_WARN DRM_NOTE DRM_DEBUG_DRIVER DRM_DEBUG_KMS DRM_DEBUG_ATOMIC DRM_DEV_ERROR DRM_DEV_DEBUG
DRM_DEV_INFO DRM_DEV_DEBUG_DRIVER DRM_DEBUG_PRIME DRM_DEBUG_VBL DRM_DEBUG_LEASE
DRM_ERROR_RATELIMITED DRM_DEBUG_DP DRM_DEV_DEBUG_KMS DRM_INFO_ONCE WARN WARN_ON WARN_ONCE
WARN_ON_ONCE BUG BUG_ON BUILD_BUG_ON BUILD_BUG_ON_ZERO BUILD_BUG dump_stack VM_BUG_ON
lockdep_assert_held lockdep_assert_held_write lockdep_assert_not_held lockdep_assert_irqs_disabled
dma_resv_assert_held lockdep_assert lockdep_assert_once lockdep_is_held mutex_is_locked
assert_spin_locked snprintf scnprintf sprintf sysfs_emit sysfs_emit_at seq_printf seq_puts
seq_putc
"""

_COUNTED = "dma_fence_put dma_fence_get dma_fence_get_rcu dma_fence_get_rcu_safe dma_fence_free"
"""The release of a fence must not sleep: `fence_ops` are roots of their own."""

_FENCES = """
dma_fence_add_callback dma_fence_remove_callback dma_fence_init dma_fence_init64
dma_fence_is_signaled dma_fence_is_signaled_locked dma_fence_set_error
dma_fence_enable_sw_signaling dma_fence_set_deadline dma_fence_context_alloc dma_fence_get_status
dma_fence_is_later dma_resv_add_fence dma_resv_replace_fences dma_resv_test_signaled dma_resv_init
dma_resv_fini dma_resv_describe dma_fence_describe dma_resv_iter_first dma_resv_iter_next
dma_resv_iter_first_unlocked dma_resv_iter_next_unlocked dma_resv_iter_begin dma_resv_iter_end
"""

_WAKES = """
wake_up wake_up_all wake_up_interruptible wake_up_interruptible_all wake_up_locked wake_up_process
__wake_up wake_up_bit wake_up_var
"""

_PLAIN = """
kfree kvfree vfree kfree_sensitive kfree_rcu kfree_const kmem_cache_free __free_pages free_page
free_pages put_page memcpy memset memcmp memmove strcmp strncmp strlen strscpy strcpy strncpy min
max clamp ARRAY_SIZE container_of list_add list_add_tail list_del list_del_init list_empty
list_move list_move_tail INIT_LIST_HEAD atomic_read atomic_set atomic_inc atomic_dec atomic_add
atomic_sub atomic_dec_and_test kref_get kref_init readl writel ioread32 iowrite32 readq writeq
udelay ndelay mdelay cpu_relax barrier mb wmb rmb smp_mb smp_wmb smp_rmb spin_lock_init mutex_init
init_rwsem mutex_destroy __mutex_init ww_mutex_init init_waitqueue_head init_completion
reinit_completion sema_init __init_rwsem lockdep_set_class lockdep_init_map ww_mutex_destroy
srcu_read_lock srcu_read_unlock
in_interrupt in_atomic
irqs_disabled ktime_get jiffies_to_msecs msecs_to_jiffies usecs_to_jiffies nsecs_to_jiffies
time_after time_before IS_ERR PTR_ERR ERR_PTR IS_ERR_OR_NULL PTR_ERR_OR_ZERO ERR_CAST IS_ENABLED
likely unlikely READ_ONCE WRITE_ONCE lower_32_bits upper_32_bits test_bit set_bit clear_bit
__set_bit __clear_bit test_and_set_bit test_and_clear_bit sizeof offsetof typeof
"""

_CHECKERS = """
kasan_record_aux_stack kasan_record_aux_stack_noalloc kasan_save_stack kmsan_internal_poison_memory
kmsan_free_page kmsan_alloc_page kmsan_slab_free kmsan_slab_alloc kmsan_kfree_large
kmemleak_alloc kmemleak_free kmemleak_free_part kmemleak_free_part_phys kmemleak_alloc_phys
kmemleak_vmalloc kmemleak_update_trace kmemleak_not_leak kmemleak_ignore stack_depot_save
stack_depot_save_flags debug_object_init debug_object_free debug_object_activate should_fail
should_failslab set_page_owner reset_page_owner ref_tracker_alloc ref_tracker_free
"""
"""Only in kernels that look for bugs, and made to be called from anywhere."""

HARMLESS: dict[str, tuple[Act, ...]] = {
    name: (Nothing(),)
    for names in (_REPORTS, _COUNTED, _FENCES, _WAKES, _PLAIN, _CHECKERS)
    for name in names.split()
}
"""By name."""
