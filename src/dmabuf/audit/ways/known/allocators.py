"""Who allocates, and which argument has the flags.

Sources: the declarations of Linux 6.1, 6.12 and 7.0 in include/linux/{slab,gfp,mm,vmalloc,idr,
xarray,radix-tree,mempool,scatterlist,string,device,dma-mapping,kthread,workqueue,skbuff}.h.

What only sometimes allocates counts; what has a pool of its own and no flags does not.
"""

from __future__ import annotations

from dmabuf.audit.ways.known.acts import Act, Allocates
from dmabuf.sync.gfp import Gfp

__all__ = ["ALLOCATORS", "SINCE"]

_AT_0 = """
get_zeroed_page __get_free_page __get_dma_pages alloc_page __alloc_page alloc_page_vma
mempool_alloc_slab folio_alloc_noprof folio_alloc kasprintf kvasprintf radix_tree_preload
radix_tree_maybe_preload idr_preload alloc_pages get_free_pages __get_free_pages alloc_pages_noprof
get_zeroed_page_noprof get_free_pages_noprof __alloc_pages __alloc_pages_noprof __folio_alloc_node
__folio_alloc_noprof
"""
_AT_1 = """
kmalloc kzalloc kvmalloc kvzalloc __kmalloc kmalloc_noprof kzalloc_noprof kvmalloc_noprof
kmalloc_track_caller kmem_cache_alloc kmem_cache_zalloc kmem_cache_alloc_noprof kstrdup
kstrdup_const alloc_pages_node alloc_pages_exact __vmalloc mempool_alloc mempool_alloc_noprof
ida_alloc alloc_skb bitmap_zalloc bitmap_alloc alloc_pages_exact_noprof alloc_cpumask_var
zalloc_cpumask_var xas_nomem kmalloc_node kzalloc_node kvmalloc_node kvzalloc_node
kmem_cache_alloc_node kmalloc_node_track_caller
"""
_AT_2 = """
kcalloc kmalloc_array kvcalloc kvmalloc_array krealloc kvrealloc kmemdup kmemdup_noprof kvmemdup
kstrndup kmemdup_nul sg_alloc_table devm_kmalloc devm_kzalloc devm_kstrdup devm_kasprintf
drmm_kzalloc drmm_kmalloc drmm_kstrdup ida_alloc_max ida_alloc_min alloc_pages_exact_nid
kmalloc_array_noprof krealloc_noprof kvrealloc_noprof kmem_cache_alloc_lru
shmem_read_mapping_page_gfp shmem_read_folio_gfp read_cache_page_gfp page_frag_alloc_align sk_alloc
bio_alloc_clone
"""
_AT_3 = """
dma_alloc_coherent dma_alloc_wc ida_alloc_range krealloc_array devm_kcalloc devm_kmalloc_array
drmm_kcalloc drmm_kmalloc_array devm_kmemdup devm_krealloc xa_store xa_insert xa_store_bh
xa_store_irq xa_insert_bh xa_insert_irq __xa_store __xa_insert mtree_store mtree_insert
dmam_alloc_coherent dma_alloc_noncontiguous dma_alloc_attrs bio_alloc_bioset
"""
_AT_4 = """
idr_alloc idr_alloc_cyclic xa_alloc xa_alloc_bh xa_alloc_irq __xa_alloc xa_cmpxchg xa_store_range
mtree_store_range mtree_insert_range dma_alloc_pages devm_krealloc_array dma_alloc_noncoherent
"""
_AT_5 = "xa_alloc_cyclic xa_alloc_cyclic_irq xa_alloc_cyclic_bh __xa_alloc_cyclic"
_AT_6 = "mtree_alloc_range "

_FLAGS = {
    **dict.fromkeys(_AT_0.split(), 0),
    **dict.fromkeys(_AT_1.split(), 1),
    **dict.fromkeys(_AT_2.split(), 2),
    **dict.fromkeys(_AT_3.split(), 3),
    **dict.fromkeys(_AT_4.split(), 4),
    **dict.fromkeys(_AT_5.split(), 5),
    **dict.fromkeys(_AT_6.split(), 6),
    "mas_store_gfp": 2,
    "mas_preallocate": 2,
    "xa_reserve": 2,
    "xa_reserve_bh": 2,
    "xa_reserve_irq": 2,
    "idr_alloc_u32": 4,
    "dma_pool_alloc": 1,
    "dma_pool_zalloc": 1,
    "sg_alloc_table_from_pages": 5,
    "sg_alloc_table_from_pages_segment": 6,
    "sg_alloc_append_table_from_pages": 7,
    "devm_kasprintf": 1,
    "devm_kvasprintf": 1,
    "mas_alloc_cyclic": 6,
    "mtree_alloc_cyclic": 6,
    "folio_alloc_mpol": 0,
    "alloc_pages_bulk_array": 0,
    "alloc_pages_bulk": 0,
    "vma_alloc_folio": 0,
    "__folio_alloc": 0,
    "genradix_ptr_alloc": 2,
    "kfifo_alloc": 2,
    "kobject_get_path": 1,
    "iommu_map": 5,
    "iommu_map_sg": 5,
    "usb_alloc_urb": 1,
    "usb_submit_urb": 1,
    "shmem_read_mapping_page_gfp": 2,
    "xas_split_alloc": 3,
    "skb_clone": 1,
    "nlmsg_new": 1,
    "genlmsg_new": 1,
}

_KERNEL = """
vmalloc vzalloc vmalloc_user vmalloc_32 vmalloc_32_user vmalloc_node vzalloc_node vmalloc_noprof
vmap vmap_pfn vm_map_ram ioremap ioremap_wc ioremap_cache ioremap_np devm_ioremap
devm_ioremap_resource devm_ioremap_wc memremap devm_memremap alloc_workqueue
alloc_ordered_workqueue create_singlethread_workqueue create_workqueue create_freezable_workqueue
kthread_create kthread_run kthread_create_on_node kthread_create_worker kthread_run_worker
kthread_create_on_cpu request_irq request_threaded_irq devm_request_irq devm_request_threaded_irq
request_any_context_irq pci_alloc_irq_vectors pci_enable_msi shmem_file_setup
shmem_file_setup_with_mnt shmem_read_mapping_page shmem_read_folio shmem_kernel_file_setup
alloc_file_pseudo anon_inode_getfile anon_inode_getfd get_unused_fd_flags sysfs_create_file
sysfs_create_group sysfs_create_link sysfs_create_files device_create_file debugfs_create_file
debugfs_create_dir proc_create kobject_create_and_add kobject_init_and_add kobject_uevent
kobject_uevent_env device_register device_add device_create platform_device_register
request_firmware firmware_request_nowarn request_firmware_direct request_firmware_into_buf
request_firmware_nowait memdup_user vmemdup_user memdup_user_nul strndup_user memdup_array_user
vmemdup_array_user mempool_create mempool_init mempool_resize kmem_cache_create
kmem_cache_create_usercopy mempool_create_slab_pool mempool_create_kmalloc_pool dma_pool_create
dmam_pool_create iommu_domain_alloc iommu_paging_domain_alloc iommu_attach_device
iommu_attach_group alloc_percpu __alloc_percpu devm_alloc_percpu init_srcu_struct percpu_ref_init
iommu_sva_bind_device init_dummy_netdev kstrdup_quotable kstrdup_quotable_cmdline
kstrdup_quotable_file add_memory arch_io_reserve_memtype_wc arch_phys_wc_add set_memory_wc
set_memory_uc set_pages_array_wc set_pages_array_uc set_pages_array_wb set_memory_wb seq_open
single_open simple_attr_open mmu_notifier_register __mmu_notifier_register mmu_notifier_get
mmu_notifier_get_locked mmu_interval_notifier_insert alloc_anon_inode devm_add_action
devm_add_action_or_reset drmm_add_action drmm_add_action_or_reset component_add component_match_add
input_allocate_device led_classdev_register i2c_add_adapter hwmon_device_register_with_info
thermal_zone_device_register drm_vma_node_allow drm_vma_node_allow_once dma_buf_attach
dma_buf_dynamic_attach dma_buf_export dma_fence_chain_alloc dma_fence_array_create
dma_fence_array_alloc dma_resv_reserve_fences dma_resv_get_fences dma_resv_get_singleton
dma_resv_copy_fences sync_file_create dma_fence_unwrap_merge drm_syncobj_create
dma_fence_allocate_private_stub vm_area_dup acpi_os_allocate anon_vma_alloc devm_kasprintf_strarray
iommu_map_sgtable dev_coredumpm dev_coredumpv dev_coredumpsg dev_coredumpm_timeout
"""
"""With GFP_KERNEL, whatever they are given: dev_coredumpm adds a device whatever its flags say."""

_OBJ = ("obj", 1), ("objs", 2), ("flex", 3)
"""kmalloc_obj(what), kmalloc_objs(what, count), kmalloc_flex(what, field, count): the flags come
last and may be left out."""
_OBJ_OF = [
    f"{family}_{form}"
    for family in ("kmalloc", "kzalloc", "kvmalloc", "kvzalloc")
    for form, _ in _OBJ
]

ALLOCATORS: dict[str, tuple[Act, ...]] = {
    **{name: (Allocates(),) for name in _KERNEL.split()},
    **{name: (Allocates(at),) for name, at in _FLAGS.items()},
    **{name: (Allocates(dict(_OBJ)[name.rpartition("_")[2]]),) for name in _OBJ_OF},
    "vmalloc_huge": (Allocates(1),),
    "alloc_pages_bulk_noprof": (Allocates(0),),
    "dma_map_sgtable": (Allocates(implied=Gfp.ATOMIC),),
    "dma_map_sg": (Allocates(implied=Gfp.ATOMIC),),
    "dma_map_sg_attrs": (Allocates(implied=Gfp.ATOMIC),),
    "dma_map_page": (Allocates(implied=Gfp.ATOMIC),),
    "dma_map_single": (Allocates(implied=Gfp.ATOMIC),),
    "pte_alloc": (Allocates(),),
    "pte_alloc_kernel": (Allocates(),),
    "apply_to_page_range": (Allocates(),),
    "remap_pfn_range": (Allocates(),),
    "io_remap_pfn_range": (Allocates(),),
}
"""By name."""

SINCE: dict[str, str] = {
    **dict.fromkeys(_OBJ_OF, "7.0"),
    "dma_fence_array_alloc": "6.12",
    "kvrealloc": "6.12 without the old size, which was argument 1 before",
    "iommu_map": "6.3 with flags",
    "iommu_map_sg": "6.3 with flags",
    "kthread_run_worker": "6.14",
    "iommu_paging_domain_alloc": "6.11",
    "alloc_pages_bulk": "6.14, alloc_pages_bulk_array before",
}
"""What is not in every kernel: the version that it came with, and what changed then."""
