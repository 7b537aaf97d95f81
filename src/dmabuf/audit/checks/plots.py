"""What stands around a chain in a design, rule by rule: the other side that makes it go wrong.

A plot is text of Python: what is there from the start, what the last function of the chain does,
and the other tasks. A rule without a plot is not about a chain.
"""

from __future__ import annotations

from dataclasses import replace

from dmabuf.audit.checks.plot import (
    ALLOCATE,
    FENCE,
    GFP,
    MM,
    NOTIFIERS,
    SHRINKER,
    TIMELINE,
    WAITING_NOTIFIER,
    WAITING_SHRINKER,
    Plot,
    holder,
)
from dmabuf.audit.checks.reclaim_plots import plot_in_reclaim
from dmabuf.audit.ways.known import does
from dmabuf.audit.ways.known.acts import Takes, Waits
from dmabuf.report.source_finding import SourceFinding

__all__ = ["plot_of"]


def plot_of(finding: SourceFinding) -> Plot | None:
    """The plot for a finding; None where there is none."""
    if " in reclaim" in finding.message:
        return plot_in_reclaim(finding)
    if finding.code == "DF205":
        return _gap(finding)
    return _plot_of(finding.code, finding)


def _plot_of(code: str, finding: SourceFinding) -> Plot | None:
    if code == "DF202":
        return _lock(finding)
    if code == "DF302":
        return _notifier("NOIO" if "GFP_NOIO" in finding.message else "NOFS")
    return _PLOTS.get(code)


def _gap(finding: SourceFinding) -> Plot | None:
    """What is done in a gap, by the rule that the section would have held it to."""
    code = next((code for text, code in _FORBIDDEN.items() if text in finding.message), "")
    plot = _plot_of(code, finding)
    if plot is None:
        return None
    return replace(
        plot,
        imports=(*plot.imports, "from dmabuf import signalling"),
        gap=True,
        shows=code,
        why="a gap breaks no run by itself, what is done in it does",
    )


_FORBIDDEN = {
    "GFP_KERNEL": "DF301",
    "GFP_NOFS": "DF302",
    "GFP_NOIO": "DF302",
    "flags that are not known": "DF301",
    "reservation lock": "DF201",
    "mmap_lock": "DF203",
    "user memory": "DF203",
    "without a limit": "DF108",
}
"""Words of a finding in a gap, and the rule that they are about."""


def _notifier(flags: str) -> Plot:
    return Plot(
        (
            TIMELINE,
            NOTIFIERS,
            MM,
            ALLOCATE,
            GFP,
        ),
        ("machine.memory()", FENCE, *WAITING_NOTIFIER),
        (f'allocate(Gfp.{flags}, "{{name}}")',),
    )


def _lock(finding: SourceFinding) -> Plot:
    """The lock, and who holds it over what taints it."""
    name = finding.message.removeprefix("takes ").partition(" on ")[0]
    lock = (f'lock = Mutex("{name}")',)
    evidence = finding.evidence[0].hops if finding.evidence else ()
    act = ("with lock:", "    pass")
    imports = ("from dmabuf import Mutex, Timeline",)
    what = evidence[-1].text.removesuffix("()") if evidence else ""
    acts = does(what) or ()
    if any(isinstance(one, Waits) and one.what == "fence" for one in acts):
        return Plot(imports, (FENCE, *lock), act, holder(evidence, ("fence.wait()",)))
    if any(isinstance(one, Takes) and one.kind == "resv" for one in acts):
        evict = ("", "def evict() -> None:  # as anybody may", "    with buffer:")
        return Plot(
            ("from dmabuf import Mutex, Resv, Timeline",),
            (FENCE, *lock, 'buffer = Resv("buffer")'),
            act,
            (
                *holder(evidence, ("with buffer:", "    pass")),
                *evict,
                "        fence.wait()",
                "",
                "machine.kthread(evict)",
            ),
            shows="DF201",
            why="what the lock is held over is a reservation lock",
        )
    return Plot(
        (*imports, SHRINKER, ALLOCATE, GFP),
        ("machine.memory()", FENCE, *lock, *WAITING_SHRINKER),
        act,
        holder(evidence, (f'allocate(Gfp.KERNEL, "{what or "memory"}")',)),
    )


_KERNEL = Plot(
    (TIMELINE, SHRINKER, ALLOCATE, GFP),
    ("machine.memory()", FENCE, *WAITING_SHRINKER),
    ('allocate(Gfp.KERNEL, "{name}")',),
)
_PLOTS: dict[str, Plot] = {
    "DF102": Plot(
        (TIMELINE,),
        (FENCE, "fence.publish()"),
        ("pass  # nothing ends the job when it hangs",),
        ('engine = machine.engine("{driver}")', 'engine.run(fence.check_and_signal, "job")'),
        signals=False,
        shows="DF101",
        why="with no recovery at all the general rule leads",
    ),
    "DF105": Plot(
        (TIMELINE, ALLOCATE, GFP),
        ("machine.memory()", FENCE),
        ('if not allocate(Gfp.ATOMIC, "{name}"):', "    return", "fence.signal()"),
        ('machine.kthread(fence.wait, "client")',),
        signals=False,
    ),
    "DF107": Plot(
        (
            "from dmabuf import Timeline, Work",
            SHRINKER,
            GFP,
            "from dmabuf.sync.workqueue import WorkQueue",
        ),
        (
            "machine.memory(kswapd=False)",
            FENCE,
            'queue = WorkQueue("{driver}")  # without mem_reclaim=True',
            *WAITING_SHRINKER,
        ),
        ("fence.signal()",),
        signals=False,
        runs='machine.kthread(lambda: queue.queue(Work({root}, "{root}")), "gpu done")',
    ),
    "DF108": Plot(
        ("from dmabuf import Completion, Timeline",),
        (FENCE, "fence.publish()", 'event = Completion("what {name}() waits for")'),
        ("event.wait()",),
        ('machine.userspace(event.complete, "whoever ends that wait")',),
    ),
    "DF109": Plot(
        ("from dmabuf import Completion, Timeline",),
        (FENCE, 'pushed = Completion("job is pushed")'),
        (
            "fence.publish()  # armed",
            'if machine.may_fail("what comes before the job is pushed"):',
            "    return",
            "pushed.complete()",
        ),
        (
            "",
            "def run() -> None:",
            "    pushed.wait()",
            "    fence.signal()",
            "",
            'machine.hardware(run, "gpu", hangs=False)',
        ),
        signals=False,
    ),
    "DF201": Plot(
        ("from dmabuf import Resv, Timeline, Usage",),
        (
            FENCE,
            'buffer = Resv("buffer")',
            "with buffer as resv:",
            "    resv.reserve_fences(1)",
            "    resv.add_fence(fence, Usage.WRITE)",
        ),
        ("with buffer:", "    pass"),
        (
            "",
            "def evict() -> None:  # as memory management may",
            "    with buffer as resv:",
            "        resv.wait(Usage.BOOKKEEP, interruptible=False)",
            "",
            "machine.kthread(evict)",
        ),
    ),
    "DF203": Plot(
        (TIMELINE, SHRINKER, GFP, MM, "from dmabuf.mm.fault import copy_to_user"),
        (
            "machine.memory()",
            FENCE,
            'user = MmStruct("process").mmap(0x1000, name="user memory")',
            *WAITING_SHRINKER,
        ),
        ("copy_to_user(user, 0)",),
    ),
    "DF209": Plot(
        ("from dmabuf import Resv", MM, "from dmabuf.mm.fault import copy_from_user"),
        (
            'buffer = Resv("buffer")',
            'user = MmStruct("process").mmap(0x1000, name="user memory")',
        ),
        ("with buffer:", "    copy_from_user(user)"),
        signals=False,
    ),
    "DF301": _KERNEL,
    "DF305": _KERNEL,
}
