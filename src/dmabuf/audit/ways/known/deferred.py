"""Who queues work, and who calls one of its arguments at once.

Sources: include/linux/{workqueue,kthread,kref,rcupdate,stop_machine,idr,xarray,list_sort}.h.
"""

from __future__ import annotations

from dmabuf.audit.ways.known.acts import Act, Calls, Queues

__all__ = ["DEFERRED"]

_SYSTEM = "system_wq"

DEFERRED: dict[str, tuple[Act, ...]] = {
    "queue_work": (Queues(1, 0),),
    "queue_delayed_work": (Queues(1, 0),),
    "mod_delayed_work": (Queues(1, 0),),
    "queue_rcu_work": (Queues(1, 0),),
    "queue_work_on": (Queues(2, 1),),
    "queue_delayed_work_on": (Queues(2, 1),),
    "mod_delayed_work_on": (Queues(2, 1),),
    "queue_work_node": (Queues(2, 1),),
    "schedule_work": (Queues(0, None, _SYSTEM),),
    "schedule_delayed_work": (Queues(0, None, _SYSTEM),),
    "schedule_work_on": (Queues(1, None, _SYSTEM),),
    "schedule_delayed_work_on": (Queues(1, None, _SYSTEM),),
    "kthread_queue_work": (Queues(1, 0),),
    "kthread_queue_delayed_work": (Queues(1, 0),),
    "kthread_mod_delayed_work": (Queues(1, 0),),
    "kref_put": (Calls(1, (0,), 0.8),),
    "kref_put_lock": (Calls(1, (0,), 0.8),),
    "kref_put_mutex": (Calls(1, (0,), 0.8),),
    "stop_machine": (Calls(0, (1,)),),
    "idr_for_each": (Calls(1),),
    "list_sort": (Calls(2),),
    "sort": (Calls(3),),
    "bsearch": (Calls(4),),
    "device_for_each_child": (Calls(2),),
    "bus_for_each_dev": (Calls(3),),
    "pci_walk_bus": (Calls(1),),
    "on_each_cpu": (Calls(0),),
    "smp_call_function_single": (Calls(1),),
    "work_on_cpu": (Calls(1),),
    "apply_to_page_range": (Calls(3),),
}
"""By name."""
