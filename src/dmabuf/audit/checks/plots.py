"""What stands around a chain in a design, rule by rule: the other side that makes it go wrong.

A plot is text of Python: what is there from the start, what the last function of the chain does,
and the other tasks. A rule without a plot breaks no run, or is not about a chain.
"""

from __future__ import annotations

from dataclasses import dataclass

from dmabuf.audit.ways.known import does
from dmabuf.audit.ways.known.acts import Takes, Waits
from dmabuf.report.source_finding import SourceFinding

__all__ = ["Plot", "plot_of"]


@dataclass(frozen=True, slots=True)
class Plot:
    """The text around a chain.

    Attributes:
        imports: lines.
        before: what is there when it begins.
        act: what the last function does.
        others: the other tasks.
        signals: the first function signals the fence at its end.
        runs: how the first function is started.
    """

    imports: tuple[str, ...]
    before: tuple[str, ...]
    act: tuple[str, ...]
    others: tuple[str, ...] = ()
    signals: bool = True
    runs: str = "machine.kthread({root})"


_TIMELINE = "from dmabuf import Timeline"
_ALLOCATE = "from dmabuf import allocate"
_GFP = "from dmabuf import Gfp"
_SHRINKER = "from dmabuf.mm.shrinker import SHRINK_STOP, ShrinkControl, Shrinker"
_MM = "from dmabuf.mm.mm_struct import MmStruct"
_FENCE = 'fence = Timeline("{driver}").fence()'

_WAITING_SHRINKER = (
    "",
    "def scan(control: ShrinkControl) -> int:  # any driver that waits in reclaim, as it may",
    "    if not control.gfp & Gfp.FS:",
    "        return SHRINK_STOP",
    "    fence.wait()",
    "    return 1",
    "",
    'Shrinker("buffers", lambda _control: 1, scan)',
)
_WAITING_NOTIFIER = (
    'mm = MmStruct("process")',
    'mm.mmap(0x1000, name="user buffer").populate()',
    "",
    "def invalidate(notifier: IntervalNotifier, _range: Range, seq: int) -> bool:",
    "    notifier.set_seq(seq)",
    "    fence.wait()  # any driver that waits in a notifier, as it may",
    "    return True",
    "",
    "IntervalNotifier(mm, 0x1000, 0x1000, invalidate).insert()",
)


def plot_of(finding: SourceFinding) -> Plot | None:
    """The plot for a finding; None where there is none."""
    if " in reclaim" in finding.message and finding.code != "DF304":
        return None  # the entry is reclaim itself: no fence of its own is in play
    if finding.code == "DF202":
        return _lock(finding)
    if finding.code == "DF302":
        return _notifier("NOIO" if "GFP_NOIO" in finding.message else "NOFS")
    return _PLOTS.get(finding.code)


def _notifier(flags: str) -> Plot:
    return Plot(
        (
            _TIMELINE,
            "from dmabuf.mm.mmu_notifier import IntervalNotifier, Range",
            _MM,
            _ALLOCATE,
            _GFP,
        ),
        ("machine.memory()", _FENCE, *_WAITING_NOTIFIER),
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
        return Plot(imports, (_FENCE, *lock), act, _holder(evidence, ("fence.wait()",)))
    if any(isinstance(one, Takes) and one.kind == "resv" for one in acts):
        evict = ("", "def evict() -> None:  # as anybody may", "    with buffer:")
        return Plot(
            ("from dmabuf import Mutex, Resv, Timeline",),
            (_FENCE, *lock, 'buffer = Resv("buffer")'),
            act,
            (
                *_holder(evidence, ("with buffer:", "    pass")),
                *evict,
                "        fence.wait()",
                "",
                "machine.kthread(evict)",
            ),
        )
    return Plot(
        (*imports, _SHRINKER, _ALLOCATE, _GFP),
        ("machine.memory()", _FENCE, *lock, *_WAITING_SHRINKER),
        act,
        _holder(evidence, (f'allocate(Gfp.KERNEL, "{what or "memory"}")',)),
    )


def _holder(evidence: tuple[object, ...], inside: tuple[str, ...]) -> tuple[str, ...]:
    where = ""
    if evidence:
        place = getattr(evidence[0], "place")  # noqa: B009 - both kinds of hop have one
        where = f"  # {place.function}(), {place.file}:{place.line}"
    return (
        "",
        f"def holder() -> None:{where}",
        "    with lock:",
        *(f"        {line}" for line in inside),
        "",
        "machine.kthread(holder)",
    )


_KERNEL = Plot(
    (_TIMELINE, _SHRINKER, _ALLOCATE, _GFP),
    ("machine.memory()", _FENCE, *_WAITING_SHRINKER),
    ('allocate(Gfp.KERNEL, "{name}")',),
)
_PLOTS: dict[str, Plot] = {
    "DF102": Plot(
        (_TIMELINE,),
        (_FENCE, "fence.publish()"),
        ("pass  # nothing ends the job when it hangs",),
        ('engine = machine.engine("{driver}")', 'engine.run(fence.check_and_signal, "job")'),
        signals=False,
    ),
    "DF105": Plot(
        (_TIMELINE, _ALLOCATE, _GFP),
        ("machine.memory()", _FENCE),
        ('if not allocate(Gfp.ATOMIC, "{name}"):', "    return", "fence.signal()"),
        ('machine.kthread(fence.wait, "client")',),
        signals=False,
    ),
    "DF107": Plot(
        (
            "from dmabuf import Timeline, Work",
            _SHRINKER,
            _GFP,
            "from dmabuf.sync.workqueue import WorkQueue",
        ),
        (
            "machine.memory(kswapd=False)",
            _FENCE,
            'queue = WorkQueue("{driver}")  # without mem_reclaim=True',
            *_WAITING_SHRINKER,
        ),
        ("fence.signal()",),
        signals=False,
        runs='machine.kthread(lambda: queue.queue(Work({root}, "{root}")), "gpu done")',
    ),
    "DF108": Plot(
        ("from dmabuf import Completion, Timeline",),
        (_FENCE, "fence.publish()", 'event = Completion("what {name}() waits for")'),
        ("event.wait()",),
        ('machine.userspace(event.complete, "whoever ends that wait")',),
    ),
    "DF109": Plot(
        ("from dmabuf import Completion, Timeline",),
        (_FENCE, 'pushed = Completion("job is pushed")'),
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
            _FENCE,
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
        (_TIMELINE, _SHRINKER, _GFP, _MM, "from dmabuf.mm.fault import copy_to_user"),
        (
            "machine.memory()",
            _FENCE,
            'user = MmStruct("process").mmap(0x1000, name="user memory")',
            *_WAITING_SHRINKER,
        ),
        ("copy_to_user(user, 0)",),
    ),
    "DF209": Plot(
        ("from dmabuf import Resv", _MM, "from dmabuf.mm.fault import copy_from_user"),
        (
            'buffer = Resv("buffer")',
            'user = MmStruct("process").mmap(0x1000, name="user memory")',
        ),
        ("with buffer:", "    copy_from_user(user)"),
        signals=False,
    ),
    "DF301": _KERNEL,
    "DF305": _KERNEL,
    "DF304": Plot(
        ("from dmabuf import Resv", "from dmabuf.mm.shrinker import ShrinkControl, Shrinker"),
        ("machine.memory()", 'victim, other = Resv("victim"), Resv("other")'),
        ("with victim:", "    pass"),
        (
            "",
            "def scan(_control: ShrinkControl) -> int:",
            "    {root}()",
            "    return 1",
            "",
            'Shrinker("buffers", lambda _control: 1, scan)',
            "",
            "def submit() -> None:  # anybody who allocates under a reservation lock",
            "    with other:",
            "        other.reserve_fences(1)",
            "",
            "machine.kthread(submit)",
        ),
        signals=False,
        runs="",
    ),
}
