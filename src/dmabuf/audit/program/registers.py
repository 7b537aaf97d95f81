"""Who takes down a function to be called later: which argument is it, and what runs it.

Sources: include/linux/{workqueue,kthread,timer,hrtimer,interrupt,irq_work,dma-fence,rcupdate,
device}.h, include/drm/drm_managed.h. Linking needs these: they are how C says "this runs there".
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MAKERS", "REGISTERS", "Maker", "Register"]


@dataclass(frozen=True, slots=True)
class Register:
    """A call that takes down a function.

    Attributes:
        kind: what runs it: "work", "timer", "tasklet", "irq", "irq thread", "thread", "fence",
            "rcu", "irq work", "release".
        function: which argument it is.
        item: which argument it is tied to (a work, a timer); None without one.
    """

    kind: str
    function: int
    item: int | None = 0


@dataclass(frozen=True, slots=True)
class Maker:
    """A call that makes a workqueue.

    Attributes:
        flags: which argument has its flags; None without one.
        implied: flags that it always sets, as text.
    """

    flags: int | None
    implied: str = ""


_WORK = """
INIT_WORK INIT_WORK_ONSTACK INIT_DELAYED_WORK INIT_DELAYED_WORK_ONSTACK INIT_DEFERRABLE_WORK
INIT_RCU_WORK kthread_init_work kthread_init_delayed_work drm_vblank_work_init DECLARE_WORK
DECLARE_DELAYED_WORK init_task_work
"""

REGISTERS: dict[str, tuple[Register, ...]] = {
    **{name: (Register("work", 1),) for name in _WORK.split()},
    "timer_setup": (Register("timer", 1),),
    "timer_setup_on_stack": (Register("timer", 1),),
    "hrtimer_setup": (Register("timer", 1),),
    "DEFINE_TIMER": (Register("timer", 1),),
    "tasklet_setup": (Register("tasklet", 1),),
    "tasklet_init": (Register("tasklet", 1),),
    "init_irq_work": (Register("irq work", 1),),
    "kthread_run": (Register("thread", 0, None),),
    "kthread_create": (Register("thread", 0, None),),
    "request_irq": (Register("irq", 1, None),),
    "devm_request_irq": (Register("irq", 2, None),),
    "request_threaded_irq": (Register("irq", 1, None), Register("irq thread", 2, None)),
    "devm_request_threaded_irq": (Register("irq", 2, None), Register("irq thread", 3, None)),
    "request_any_context_irq": (Register("irq", 1, None),),
    "dma_fence_add_callback": (Register("fence", 2, 1),),
    "call_rcu": (Register("rcu", 1),),
    "component_add": (),
    "drmm_add_action": (Register("release", 1, None),),
    "drmm_add_action_or_reset": (Register("release", 1, None),),
    "devm_add_action": (Register("release", 1, None),),
    "devm_add_action_or_reset": (Register("release", 1, None),),
}
"""By name."""

MAKERS: dict[str, Maker] = {
    "alloc_workqueue": Maker(1),
    "alloc_ordered_workqueue": Maker(1, "__WQ_ORDERED"),
    "devm_alloc_workqueue": Maker(2),
    "drmm_alloc_ordered_workqueue": Maker(2, "__WQ_ORDERED"),
    "create_workqueue": Maker(None, "WQ_MEM_RECLAIM"),
    "create_freezable_workqueue": Maker(None, "WQ_MEM_RECLAIM"),
    "create_singlethread_workqueue": Maker(None, "WQ_MEM_RECLAIM"),
}
"""By name."""
