"""Who takes and drops locks.

Sources: include/linux/{mutex,rwsem,ww_mutex,spinlock,rwlock,semaphore,seqlock,mmap_lock,
dma-resv,local_lock}.h, include/drm/{drm_exec,drm_modeset_lock,drm_gem}.h, include/linux/cleanup.h.

Spinlocks are told apart, as nobody may wait for a fence under one.
"""

from __future__ import annotations

from dmabuf.audit.ways.known.acts import Act, Drops, Takes

__all__ = ["GUARDS", "LOCKS"]

_TAKE = """
mutex_lock mutex_lock_nested mutex_lock_nest_lock mutex_lock_interruptible mutex_lock_killable
mutex_lock_io mutex_lock_interruptible_nested mutex_lock_killable_nested mutex_lock_io_nested
_mutex_lock_nest_lock down down_interruptible down_killable down_timeout down_read
down_read_nested down_read_interruptible down_read_killable down_read_killable_nested down_write
down_write_nested down_write_killable down_write_nest_lock down_write_killable_nested
rt_mutex_lock rt_mutex_lock_nested rt_mutex_lock_interruptible percpu_down_read percpu_down_write
"""
_TRY = """
mutex_trylock down_trylock down_read_trylock down_write_trylock rt_mutex_trylock
percpu_down_read_trylock atomic_dec_and_mutex_lock
"""
_DROP = """
mutex_unlock up up_read up_write rt_mutex_unlock percpu_up_read percpu_up_write up_read_non_owner
"""
_SPIN = """
spin_lock spin_lock_irq spin_lock_bh spin_lock_irqsave spin_lock_nested spin_lock_irqsave_nested
spin_lock_nest_lock raw_spin_lock raw_spin_lock_irq raw_spin_lock_irqsave raw_spin_lock_bh
raw_spin_lock_nested read_lock read_lock_irq read_lock_irqsave read_lock_bh write_lock
write_lock_irq write_lock_irqsave write_lock_bh write_seqlock write_seqlock_irq
write_seqlock_irqsave write_seqlock_bh read_seqlock_excl bit_spin_lock hlist_bl_lock local_lock
local_lock_irq local_lock_irqsave
"""
_SPIN_TRY = """
spin_trylock spin_trylock_irq spin_trylock_irqsave spin_trylock_bh raw_spin_trylock read_trylock
write_trylock raw_spin_trylock_irqsave atomic_dec_and_lock atomic_dec_and_lock_irqsave
"""
_SPIN_DROP = """
spin_unlock spin_unlock_irq spin_unlock_irqrestore spin_unlock_bh raw_spin_unlock
raw_spin_unlock_irq raw_spin_unlock_irqrestore raw_spin_unlock_bh read_unlock read_unlock_irq
read_unlock_irqrestore read_unlock_bh write_unlock write_unlock_irq write_unlock_irqrestore
write_unlock_bh write_sequnlock write_sequnlock_irq write_sequnlock_irqrestore write_sequnlock_bh
read_sequnlock_excl bit_spin_unlock local_unlock local_unlock_irq local_unlock_irqrestore
"""


_WW: dict[str, tuple[Act, ...]] = {
    "ww_mutex_lock": (Takes(context=1),),
    "ww_mutex_lock_interruptible": (Takes(context=1),),
    "ww_mutex_lock_slow": (Takes(context=1),),
    "ww_mutex_lock_slow_interruptible": (Takes(context=1),),
    "ww_mutex_lock_nested": (Takes(context=1),),
    "ww_mutex_trylock": (Takes(attempt=True),),
    "ww_mutex_unlock": (Drops(),),
}

_RESV: dict[str, tuple[Act, ...]] = {
    "dma_resv_lock": (Takes(kind="resv", context=1),),
    "dma_resv_lock_interruptible": (Takes(kind="resv", context=1),),
    "dma_resv_lock_slow": (Takes(kind="resv", context=1),),
    "dma_resv_lock_slow_interruptible": (Takes(kind="resv", context=1),),
    "dma_resv_trylock": (Takes(kind="resv", attempt=True),),
    "dma_resv_unlock": (Drops(kind="resv"),),
    "drm_gem_lock_reservations": (Takes(None, "resv"),),
    "drm_gem_unlock_reservations": (Drops(None, "resv"),),
    "drm_gem_lock": (Takes(kind="resv"),),
    "drm_gem_unlock": (Drops(kind="resv"),),
    "drm_exec_lock_obj": (Takes(1, "resv"),),
    "drm_exec_prepare_obj": (Takes(1, "resv"),),
    "drm_exec_prepare_array": (Takes(1, "resv"),),
    "drm_exec_unlock_obj": (Drops(1, "resv"),),
    "drm_exec_fini": (Drops(None, "resv"),),
}

_MODESET: dict[str, tuple[Act, ...]] = {
    "drm_modeset_lock": (Takes(0, "modeset", context=1),),
    "drm_modeset_lock_single_interruptible": (Takes(0, "modeset"),),
    "drm_modeset_unlock": (Drops(0, "modeset"),),
    "drm_modeset_lock_all": (Takes(None, "modeset"),),
    "drm_modeset_unlock_all": (Drops(None, "modeset"),),
    "drm_modeset_lock_all_ctx": (Takes(None, "modeset"),),
    "drm_modeset_drop_locks": (Drops(None, "modeset"),),
}

_MMAP: dict[str, tuple[Act, ...]] = {
    **{
        name: (Takes(0, "mmap_lock"),)
        for name in [
            "mmap_read_lock",
            "mmap_write_lock",
            "mmap_read_lock_killable",
            "mmap_write_lock_killable",
            "mmap_write_lock_nested",
        ]
    },
    "mmap_read_trylock": (Takes(0, "mmap_lock", attempt=True),),
    "mmap_write_trylock": (Takes(0, "mmap_lock", attempt=True),),
    **{
        name: (Drops(0, "mmap_lock"),)
        for name in ("mmap_read_unlock", "mmap_write_unlock", "mmap_read_unlock_non_owner")
    },
}

LOCKS: dict[str, tuple[Act, ...]] = {
    **{name: (Takes(),) for name in _TAKE.split()},
    **{name: (Takes(attempt=True),) for name in _TRY.split()},
    **{name: (Drops(),) for name in _DROP.split()},
    **{name: (Takes(spins=True),) for name in _SPIN.split()},
    **{name: (Takes(spins=True, attempt=True),) for name in _SPIN_TRY.split()},
    **{name: (Drops(spins=True),) for name in _SPIN_DROP.split()},
    **_WW,
    **_RESV,
    **_MODESET,
    **_MMAP,
    "atomic_dec_and_mutex_lock": (Takes(1),),
    "refcount_dec_and_mutex_lock": (Takes(1),),
    "kref_put_mutex": (Takes(2, attempt=True),),
    "dma_buf_attach": (Takes(None, "resv", momentary=True),),
    "dma_buf_dynamic_attach": (Takes(None, "resv", momentary=True),),
}
"""By name."""

GUARDS: dict[str, Act] = {
    "mutex": Takes(scoped=True),
    "mutex_try": Takes(scoped=True, attempt=True),
    "mutex_intr": Takes(scoped=True),
    "mutex_kill": Takes(scoped=True),
    "rwsem_read": Takes(scoped=True),
    "rwsem_write": Takes(scoped=True),
    "rwsem_read_try": Takes(scoped=True, attempt=True),
    "rwsem_write_try": Takes(scoped=True, attempt=True),
    "rwsem_write_kill": Takes(scoped=True),
    "rwsem_read_intr": Takes(scoped=True),
    "spinlock": Takes(scoped=True, spins=True),
    "spinlock_irq": Takes(scoped=True, spins=True),
    "spinlock_irqsave": Takes(scoped=True, spins=True),
    "spinlock_bh": Takes(scoped=True, spins=True),
    "raw_spinlock": Takes(scoped=True, spins=True),
    "raw_spinlock_irqsave": Takes(scoped=True, spins=True),
    "raw_spinlock_irq": Takes(scoped=True, spins=True),
    "mmap_read_lock": Takes(0, "mmap_lock", scoped=True),
    "mmap_write_lock": Takes(0, "mmap_lock", scoped=True),
    "dma_resv": Takes(0, "resv", scoped=True),
}
"""What `guard(class)(lock)` and `scoped_guard(class, lock)` take, by class."""
