"""Where ways begin that the contract speaks of, by how surely they lead to a signal.

Error: what is annotated, what a scheduler calls, what fences call, what reclaim calls.
Warning: threads of irqs that signal, works whose name says that they repair. Info: the tails of
commits, power management, and whatever else signals asynchronously.

Callbacks are known by the table that they stand in, which no driver can rename.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass

from dmabuf.audit.checks.index import Calls
from dmabuf.audit.checks.look import calls, driver_of, is_test_code
from dmabuf.audit.checks.schedule import Schedule
from dmabuf.audit.program.program import Program
from dmabuf.audit.program.routine import Routine
from dmabuf.report.source_finding import Level

__all__ = ["Grade", "Root", "find_roots", "makers_of_fences"]


class Grade(enum.Enum):
    """What kind of entry point a root is: which rules hold there, and how grave a finding is."""

    SECTION = "annotated section"
    ARMED = "submission with its job armed"
    SUBMISSION = "submission with its fence published"
    SCHEDULER = "scheduler callback"
    FENCE = "fence callback"
    NOTIFIER = "MMU notifier"
    SHRINKER = "shrinker"
    PREEMPTION = "work of a preemption fence"
    IRQ = "threaded irq handler"
    REPAIR = "work that repairs"
    TAIL = "tail of an atomic commit"
    POWER = "power management"
    WORK = "asynchronous work"

    @property
    def level(self) -> Level:
        """How grave a finding there is at most."""
        if self in (Grade.IRQ, Grade.REPAIR, Grade.ARMED):
            return Level.WARNING
        return Level.INFO if self in (Grade.TAIL, Grade.POWER, Grade.WORK) else Level.ERROR

    @property
    def in_reclaim(self) -> bool:
        """It runs when memory is reclaimed."""
        return self in (Grade.NOTIFIER, Grade.SHRINKER)

    @property
    def must_signal(self) -> bool:
        """It is a root only if it signals a fence."""
        return self in (Grade.IRQ, Grade.WORK, Grade.PREEMPTION)


@dataclass(frozen=True, slots=True)
class Root:
    """A function where a way begins.

    Attributes:
        routine: where.
        grade: which kind.
        entry: what it is, in words.
        scheduled: what runs it, in words.
    """

    routine: Routine
    grade: Grade
    entry: str
    scheduled: str = ""


_SUBMITS = "submits"
_SUBMITTERS = {
    "submit_wq": "work of the scheduler, on its submit_wq",
    "thread": "called by the scheduler's own kthread",
}
"""Who calls what feeds the hardware, by a field of `struct drm_gpu_scheduler`: a work since 6.8."""
_TABLES: dict[str, tuple[Grade, dict[str, str]]] = {
    "struct drm_sched_backend_ops": (
        Grade.SCHEDULER,
        {
            "dependency": _SUBMITS,
            "prepare_job": _SUBMITS,
            "run_job": _SUBMITS,
            "timedout_job": "delayed work of the scheduler, on timeout_wq (system_wq if NULL)",
        },
    ),
    "struct dma_fence_ops": (
        Grade.FENCE,
        {
            "enable_signaling": "called by who waits first, with the lock of the fence held",
            "signaled": "called by everybody who asks, in any context",
        },
    ),
    "struct mmu_interval_notifier_ops": (
        Grade.NOTIFIER,
        {"invalidate": "called by whoever unmaps, reclaim among them"},
    ),
    "struct mmu_notifier_ops": (
        Grade.NOTIFIER,
        {
            "invalidate_range_start": "called by whoever unmaps, reclaim among them",
            "invalidate_range_end": "called by whoever unmaps, reclaim among them",
            "invalidate_range": "called with page table locks held",
            "arch_invalidate_secondary_tlbs": "called with page table locks held",
        },
    ),
    "struct shrinker": (
        Grade.SHRINKER,
        {"scan_objects": "called by reclaim", "count_objects": "called by reclaim"},
    ),
    "struct drm_mode_config_helper_funcs": (
        Grade.TAIL,
        {"atomic_commit_tail": "after the out-fence is visible (DF305)"},
    ),
    "struct dev_pm_ops": (
        Grade.POWER,
        {
            "runtime_resume": "called where somebody needs the device awake",
            "runtime_suspend": "called when nobody needs the device",
        },
    ),
    "struct clk_ops": (
        Grade.POWER,
        dict.fromkeys(("set_rate", "prepare", "unprepare"), "called with the clock's lock held"),
    ),
    "struct regulator_ops": (
        Grade.POWER,
        dict.fromkeys(("enable", "disable", "set_voltage"), "called with the regulator's lock"),
    ),
    "struct i2c_algorithm": (
        Grade.POWER,
        dict.fromkeys(("master_xfer", "xfer"), "called with the bus's lock held"),
    ),
}
_REPAIRS = re.compile(
    r"(?:^|_)(?:recover\w*|reset\w*|hang\w*|tdr|timeout|timedout|fault\w*|oom|heap|grow|overflow)(?:_|$)"
)
_SERVES = re.compile(r"(?:^|_)(?:(?:map|handle|serve)_\w*fault|oom|heap_grow|overflow)(?:_|$)")
_PREEMPTS = re.compile(r"preempt")
_RESUMES = re.compile(r"rebind|resume")
_MAKES_FENCES = {
    "dma_fence_init",
    "dma_fence_init64",
    "drm_sched_init",
    "drm_sched_job_init",
    "drm_sched_fence_init",
    "dma_fence_array_create",
}


def makers_of_fences(program: Program, calls: Calls) -> set[str]:
    """The drivers that make fences of their own."""
    found = {
        driver_of(target.path)
        for (struct, _field), targets in program.tables.fields.items()
        if struct == "struct dma_fence_ops"
        for target in targets
    }
    found.update(driver_of(routine.path) for routine in calls.callers(_MAKES_FENCES))
    return found


def find_roots(program: Program, calls: Calls, schedule: Schedule) -> list[Root]:
    """Every root that a table or a registration gives away, each function once a grade.

    Sections are not among them: where those begin and end is said by the ways.
    """
    makers = makers_of_fences(program, calls)
    found: dict[tuple[Routine, Grade], Root] = {}
    for root in (*_in_tables(program, makers), *_deferred(program, schedule, makers)):
        if not is_test_code(root.routine.path):
            found.setdefault((root.routine, root.grade), root)
    return sorted(found.values(), key=_order)


def _order(root: Root) -> tuple[str, int, str]:
    return (root.routine.path, root.routine.line, root.grade.value)


def _submitter(program: Program) -> str:
    """Who calls run_job in this tree, in words."""
    fields = program.names.fields("struct drm_gpu_scheduler", "include/drm/gpu_scheduler.h")
    return next(
        (_SUBMITTERS[one] for one in _SUBMITTERS if one in fields), "called by the scheduler"
    )


def _in_tables(program: Program, makers: set[str]) -> Iterator[Root]:
    submitter = _submitter(program)
    for routine, places in program.in_tables.items():
        for struct, field, table in places:
            if struct not in _TABLES or field not in _TABLES[struct][1]:
                continue
            grade, fields = _TABLES[struct]
            if grade is Grade.POWER and driver_of(routine.path) not in makers:
                continue
            named = f"{table} ({struct})" if table else f"a {struct}"
            told = submitter if fields[field] == _SUBMITS else fields[field]
            yield Root(routine, grade, f"{field} of {named}", told)


def _deferred(program: Program, schedule: Schedule, makers: set[str]) -> Iterator[Root]:
    for routine, registrations in program.registrations.items():
        if driver_of(routine.path) not in makers:
            continue
        for one in registrations:
            if one.kind == "work":
                name = one.subject[1] if one.subject else ""
                grade = _grade_of_work(routine.name, name)
                yield Root(routine, grade, f"work function of {name}", schedule.told(one))
            elif one.kind == "irq thread":
                where = one.where.place(one.line) if one.where else routine.place()
                told = f"requested by {where.function}() at {where.file}:{where.line}"
                serves = _serves_faults(routine)
                entry = "threaded irq handler" + (", which serves faults of jobs" if serves else "")
                yield Root(routine, Grade.REPAIR if serves else Grade.IRQ, entry, told)


def _serves_faults(routine: Routine) -> bool:
    """Does it fetch what a running job waits for? By the names of what it calls."""
    return any(_SERVES.search(name) for _index, name, _call in calls(routine.function.code))


def _grade_of_work(function: str, field: str) -> Grade:
    if _PREEMPTS.search(field) and not _RESUMES.search(function):
        return Grade.PREEMPTION
    return Grade.REPAIR if any(map(_REPAIRS.search, (function, field))) else Grade.WORK
