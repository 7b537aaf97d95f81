"""What stands around a chain that begins in reclaim: a shrinker, or a notifier of user pages.

No fence has to have a part in it. Who reclaims runs in the task that asked for memory, with all
that this task holds; so what the chain takes may be held by its own caller, and the circle has
one task. The explorer reports such a circle as what it is (DF004: it locks what it holds).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dmabuf.audit.checks.plot import ALLOCATE, FENCE, GFP, MM, NOTIFIERS, TIMELINE, Plot, holder
from dmabuf.audit.ways.known import does
from dmabuf.audit.ways.known.acts import Takes
from dmabuf.report.source_finding import SourceFinding

__all__ = ["plot_in_reclaim"]

_ITSELF = "who reclaims does so in the task that asked for memory, and waits for itself"
_CIRCLE = "no fence has a part in it, it is a circle of two tasks"
_PRICE = "it is advice; this is its price, as what signals may now allocate nothing"


def plot_in_reclaim(finding: SourceFinding) -> Plot | None:
    """The plot for a finding whose way begins in a shrinker or notifier; None: there is none."""
    make = _PLOTS.get(finding.code)
    if make is None:
        return None
    notifier = "notifier" in finding.entry
    return (_in_notifier if notifier else _in_shrinker)(make(finding, notifier))


def _in_shrinker(plot: Plot) -> Plot:
    return replace(
        plot,
        imports=(*plot.imports, "from dmabuf.mm.shrinker import ShrinkControl, Shrinker"),
        before=("machine.memory()", *plot.before),
        others=(
            "",
            "def scan(_control: ShrinkControl) -> int:",
            "    {root}()",
            "    return 1",
            "",
            'Shrinker("buffers", lambda _control: 1, scan)',
            *plot.others,
        ),
        signals=False,
        runs="",
    )


def _in_notifier(plot: Plot) -> Plot:
    return replace(
        plot,
        imports=(*plot.imports, MM, NOTIFIERS),
        before=(
            "machine.memory()",
            'mm = MmStruct("process")',
            'pages = mm.mmap(0x1000, name="user buffer")',
            "pages.populate()",
            *plot.before,
        ),
        others=(
            "",
            "def invalidate(notifier: IntervalNotifier, _range: Range, seq: int) -> bool:",
            "    notifier.set_seq(seq)",
            "    {root}()",
            "    return True",
            "",
            "IntervalNotifier(mm, 0x1000, 0x1000, invalidate).insert()",
            *plot.others,
        ),
        signals=False,
        runs="",
    )


def _resv(_finding: SourceFinding, _notifier: bool) -> Plot:
    return Plot(
        ("from dmabuf import Resv",),
        ('victim, other = Resv("victim"), Resv("other")',),
        ("with victim:", "    pass"),
        (
            "",
            "def submit() -> None:  # anybody who allocates under a reservation lock",
            "    with other:",
            "        other.reserve_fences(1)",
            "",
            "machine.kthread(submit)",
        ),
    )


def _lock(finding: SourceFinding, _notifier: bool) -> Plot:
    """The lock, and who holds it over what may reclaim."""
    name = finding.message.removeprefix("takes ").partition(" in ")[0]
    evidence = finding.evidence[0].hops if finding.evidence else ()
    what = evidence[-1].text.removesuffix("()") if evidence else ""
    lock, act = f'lock = Mutex("{name}")', ("with lock:", "    pass")
    if any(isinstance(one, Takes) and one.kind == "resv" for one in does(what) or ()):
        submit = ("", "def submit() -> None:  # anybody who allocates under it", "    with buffer:")
        return Plot(
            ("from dmabuf import Mutex, Resv", ALLOCATE, GFP),
            (lock, 'buffer = Resv("buffer")'),
            act,
            (
                *holder(evidence, ("with buffer:", "    pass")),
                *submit,
                '        allocate(Gfp.KERNEL, "memory")',
                "",
                "machine.kthread(submit)",
            ),
            shows="DF001",
            why=_CIRCLE,
        )
    return Plot(
        ("from dmabuf import Mutex", ALLOCATE, GFP),
        (lock,),
        act,
        holder(evidence, (f'allocate(Gfp.KERNEL, "{what or "memory"}")',)),
        shows="DF004",
        why=_ITSELF,
    )


def _user_memory(_finding: SourceFinding, notifier: bool) -> Plot:
    copies = "from dmabuf.mm.fault import copy_from_user"
    if notifier:
        return Plot(
            (copies,),
            ('user = mm.mmap(0x3000, name="user memory")',),
            ("copy_from_user(user)  # takes mmap_lock",),
            ("", 'machine.kthread(lambda: mm.munmap(pages), "munmap")'),
            shows="DF004",
            why="who unmaps holds mmap_lock when the notifier is called, and waits for itself",
        )
    return Plot(
        (copies, MM, ALLOCATE, GFP),
        ('mm = MmStruct("process")', 'user = mm.mmap(0x3000, name="user memory")'),
        ("copy_from_user(user)  # takes mmap_lock",),
        (
            "",
            "def map_more() -> None:  # as any mmap() does",
            "    with mm.mmap_lock.write():",
            '        allocate(Gfp.KERNEL, "a mapping")',
            "",
            "machine.kthread(map_more)",
        ),
        shows="DF004",
        why=_ITSELF,
    )


def _allocation(finding: SourceFinding, _notifier: bool) -> Plot:
    """A notifier takes a lock to stop the device; memory asked for under it comes back for it."""
    flags = "KERNEL" if finding.code == "DF301" else "NOFS"
    if "GFP_NOIO" in finding.message:
        flags = "NOIO"
    return Plot(
        ("from dmabuf import Mutex", ALLOCATE, GFP),
        ('lock = Mutex("what the notifier stops the device with")',),
        ("with lock:", f'    allocate(Gfp.{flags}, "{{name}}")'),
        ("", 'machine.kthread(lambda: mm.munmap(pages), "munmap")'),
        shows="DF004",
        why="memory that a notifier asks for may come from pages of which it must hear again",
    )


def _wait(_finding: SourceFinding, notifier: bool) -> Plot:
    """A wait for a fence is no fault by itself; what signals that fence is bound by it."""
    flags = "NOFS" if notifier else "KERNEL"
    return Plot(
        (TIMELINE, ALLOCATE, GFP),
        (FENCE,),
        ("fence.wait()",),
        (
            "",
            "def done() -> None:  # what signals it: does it allocate, or call who does?",
            f'    allocate(Gfp.{flags}, "anything")',
            "    fence.signal()",
            "",
            "machine.kthread(done)",
        ),
        shows="DF302" if notifier else "DF301",
        why=_PRICE,
    )


_PLOTS: dict[str, Callable[[SourceFinding, bool], Plot]] = {
    "DF202": _lock,
    "DF203": _user_memory,
    "DF301": _allocation,
    "DF302": _allocation,
    "DF303": _wait,
    "DF304": _resv,
}
