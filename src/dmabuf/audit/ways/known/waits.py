"""Who waits, for what, and whether the wait ends by itself; who flushes, and who signals.

Sources: include/linux/{dma-fence,dma-resv,wait,completion,swait,workqueue,kthread,timer,hrtimer,
interrupt,rcupdate,srcu,delay,sched}.h, include/drm/{drm_syncobj,gpu_scheduler}.h.
"""

from __future__ import annotations

from dmabuf.audit.ways.known.acts import Act, Allocates, Flushes, Nothing, Signals, Sleeps, Waits

__all__ = ["WAITS"]


_FENCES: dict[str, tuple[Act, ...]] = {
    "dma_fence_wait": (Waits("fence"),),
    "dma_fence_wait_timeout": (Waits("fence", 0, 2),),
    "dma_fence_wait_any_timeout": (Allocates(), Waits("fence", 0, 3)),
    "dma_fence_default_wait": (Waits("fence", 0, 2),),
    "dma_resv_wait_timeout": (Waits("fence", 0, 3),),
    "drm_gem_dma_resv_wait": (Waits("fence", None, 3),),
    "drm_sched_entity_flush": (Waits("fence", 0, 1),),
    "drm_atomic_helper_wait_for_fences": (Waits("fence", 1),),
}

_OTHERS: dict[str, tuple[Act, ...]] = {
    **{
        name: (Waits("event"),)
        for name in [
            "wait_event",
            "wait_event_interruptible",
            "wait_event_killable",
            "wait_event_freezable",
            "wait_event_lock_irq",
            "wait_event_cmd",
            "wait_event_interruptible_lock_irq",
            "wait_event_idle",
            "wait_event_interruptible_locked",
            "wait_event_interruptible_locked_irq",
            "io_wait_event",
            "wait_event_exclusive_cmd",
            "wait_event_interruptible_exclusive",
            "wait_event_killable_exclusive",
            "wait_event_idle_exclusive",
            "wait_event_state",
            "swait_event_exclusive",
            "swait_event_interruptible_exclusive",
            "swait_event_idle_exclusive",
        ]
    },
    **{
        name: (Waits("event", 0, 2),)
        for name in [
            "wait_event_timeout",
            "wait_event_interruptible_timeout",
            "wait_event_killable_timeout",
            "wait_event_freezable_timeout",
            "wait_event_idle_timeout",
            "wait_event_idle_exclusive_timeout",
            "wait_event_hrtimeout",
            "wait_event_interruptible_hrtimeout",
            "swait_event_timeout_exclusive",
            "swait_event_interruptible_timeout_exclusive",
        ]
    },
    "wait_event_lock_irq_timeout": (Waits("event", 0, 3),),
    "wait_event_interruptible_lock_irq_timeout": (Waits("event", 0, 3),),
    **{
        name: (Waits("completion"),)
        for name in [
            "wait_for_completion",
            "wait_for_completion_interruptible",
            "wait_for_completion_killable",
            "wait_for_completion_io",
            "wait_for_completion_state",
        ]
    },
    **{
        name: (Waits("completion", 0, 1),)
        for name in [
            "wait_for_completion_timeout",
            "wait_for_completion_interruptible_timeout",
            "wait_for_completion_killable_timeout",
            "wait_for_completion_io_timeout",
        ]
    },
    "wait_on_bit": (Waits("bit"),),
    "wait_on_bit_lock": (Waits("bit"),),
    "wait_on_bit_timeout": (Waits("bit", 0, 3),),
    "wait_var_event": (Waits("event"),),
    "schedule_timeout": (Waits("schedule", None, 0),),
    "schedule_timeout_interruptible": (Waits("schedule", None, 0),),
    "schedule_timeout_uninterruptible": (Waits("schedule", None, 0),),
    "schedule": (Waits("schedule", None),),
    "kthread_park": (Waits("thread"),),
    "drain_workqueue": (Flushes("queue"),),
    **{
        name: (Waits("grace period", None, owed=True),)
        for name in [
            "synchronize_rcu",
            "synchronize_rcu_expedited",
            "synchronize_net",
            "rcu_barrier",
            "synchronize_srcu",
            "synchronize_srcu_expedited",
            "srcu_barrier",
            "synchronize_rcu_tasks",
            "synchronize_shrinkers",
        ]
    },
}

_SLEEPS = """
msleep msleep_interruptible usleep_range usleep_range_state ssleep fsleep might_sleep cond_resched
might_fault
"""

_FLUSHES = {
    "flush_work": "work",
    "cancel_work_sync": "work",
    "flush_delayed_work": "work",
    "cancel_delayed_work_sync": "work",
    "disable_work_sync": "work",
    "disable_delayed_work_sync": "work",
    "flush_rcu_work": "work",
    "kthread_flush_work": "work",
    "kthread_cancel_work_sync": "work",
    "kthread_cancel_delayed_work_sync": "work",
    "flush_workqueue": "queue",
    "__flush_workqueue": "queue",
    "drain_workqueue": "queue",
    "destroy_workqueue": "queue",
    "kthread_flush_worker": "queue",
    "kthread_destroy_worker": "queue",
    "flush_scheduled_work": "queue",
    "del_timer_sync": "timer",
    "timer_delete_sync": "timer",
    "timer_shutdown_sync": "timer",
    "hrtimer_cancel": "timer",
    "tasklet_kill": "tasklet",
    "tasklet_disable": "tasklet",
    "irq_work_sync": "irq work",
    "disable_irq": "irq",
    "synchronize_irq": "irq",
    "free_irq": "irq",
    "devm_free_irq": "irq",
    "kthread_stop": "thread",
    "kthread_stop_put": "thread",
}

_SIGNALS = """
dma_fence_signal dma_fence_signal_locked dma_fence_signal_timestamp
dma_fence_signal_timestamp_locked dma_fence_check_and_signal dma_fence_check_and_signal_locked
drm_sched_fence_finished drm_sched_fence_scheduled
"""

_COMPLETES = "complete complete_all "

WAITS: dict[str, tuple[Act, ...]] = {
    **_FENCES,
    **_OTHERS,
    **{name: (Sleeps(),) for name in _SLEEPS.split()},
    **{name: (Flushes(what),) for name, what in _FLUSHES.items()},
    **{name: (Signals("fence"),) for name in _SIGNALS.split()},
    **{name: (Signals("completion"),) for name in _COMPLETES.split()},
    "schedule": (Nothing(),),
}
"""By name. A bare `schedule` tells nothing: the loop around it does."""
