"""What the auditor notices of each rule in C source, and the rules that only it can decide.

Rules without designs are shown by snippets of C: tests/audit/cases marks in each what is found,
beside near-misses where nothing is.
"""

from __future__ import annotations

from dataclasses import dataclass

from dmabuf.rules.frame import Check, Source

__all__ = ["AUDITED", "SOURCE_RULES", "SourceRule"]


@dataclass(frozen=True, slots=True)
class SourceRule:
    """The page of a rule that source alone shows.

    Attributes:
        code: the rule's ID in `codes.CODES`.
        why, sources, checks, allowed: as those of a `frame.Rule`.
        snippets: cases of the auditor's corpus, with findings and near-misses.
    """

    code: str
    why: str
    sources: tuple[Source, ...]
    checks: tuple[Check, ...]
    snippets: tuple[str, ...]
    allowed: str


_JUDGE = "dmabuf.audit.checks.judge.judge"

_NOTICED: dict[str, tuple[str, str]] = {
    "DF102": (
        "dmabuf.audit.checks.timeouts.endless_fences",
        "a scheduler without a timeout handler or with an endless time, a driver with no timer",
    ),
    "DF105": (
        "dmabuf.audit.checks.failures.lost_completions",
        "a handler that returns where its allocation fails, before it signals",
    ),
    "DF107": (
        "dmabuf.audit.checks.rescuers.without_rescuer",
        "work that signals a fence, queued on a queue that was made without WQ_MEM_RECLAIM",
    ),
    "DF108": (_JUDGE, "a wait without a limit on a way from an entry point"),
    "DF109": (
        "dmabuf.audit.checks.submissions.lost_submissions",
        "a way out of a submission between arming its job and pushing it",
    ),
    "DF201": (_JUDGE, "a reservation lock that is waited for on a way from an entry point"),
    "DF202": (
        "dmabuf.audit.checks.taint.Taint",
        "a lock on a way from an entry point, and a function that holds it over what may wait",
    ),
    "DF203": (_JUDGE, "user memory or mmap_lock on a way from an entry point"),
    "DF205": (
        "dmabuf.audit.checks.spans.gaps",
        "a section that is left around what it forbids, and entered again",
    ),
    "DF209": (
        "dmabuf.audit.checks.held.under_reservation_lock",
        "user memory or mmap_lock where a reservation lock is held",
    ),
    "DF301": (_JUDGE, "an allocation that may enter file systems on a way from an entry point"),
    "DF302": (_JUDGE, "an allocation that reclaims at all on a way from an entry point"),
    "DF303": (_JUDGE, "a fence wait below a shrinker or notifier outside drivers/gpu"),
    "DF304": (_JUDGE, "a reservation lock that a shrinker or notifier waits for"),
    "DF305": (
        "dmabuf.audit.checks.roots.find_roots",
        "commit tails as entry points; what they may not do is told under the rule about it",
    ),
    "DF606": (
        "dmabuf.audit.checks.selects.missing_selects",
        "an option that builds a caller of dma-buf functions and guarantees none",
    ),
}

AUDITED: dict[str, Check] = {
    code: Check("audit", where, how) for code, (where, how) in _NOTICED.items()
}
"""By the ID of the rule."""

_PAGES = (
    SourceRule(
        "DF303",
        """\
A fence wait in a shrinker or notifier makes every allocation of the machine depend on a device.
GPU drivers do it because they have all three: memory that is moved under running jobs, user
pages in those jobs, and fences for what runs. That is the reason for the hardest rules here.

Who has no such memory manager gains nothing by the wait and puts all others at risk: pin pages
for the time of a transfer, or let hardware retry, and no fence has to be waited for there.""",
        (
            Source(
                '001, "No driver outside of drivers/gpu should"',
                "should: outside drivers/gpu nobody waits for fences in these callbacks",
            ),
            Source(
                "drivers/dma-buf/dma-fence.c, the text on the contract between drivers",
                "should: only GPU drivers have a reason to need all three",
            ),
        ),
        (AUDITED["DF303"],),
        ("df303_outside.c", "df303_inside.c"),
        "Drivers below drivers/gpu may wait there, and anybody may stop his device there.",
    ),
    SourceRule(
        "DF305",
        """\
User space gets the out-fence of an atomic commit before the commit is done, and may hand it to
any driver. From then on the rest of the commit, its tail, is the way to that signal: what it
waits for, everybody with the fence waits for.

So the tail may not allocate with GFP_KERNEL, touch user memory, or take a lock that is held over
such things: connectors on i2c, clocks and regulators do so below, which is why reports about
tails are at info level until the subsystems below have changed.""",
        (
            Source(
                '004, "most drivers allocate some memory"',
                "fact: commit paths allocate, or take locks under which others do",
            ),
            Source(
                "drivers/gpu/drm/drm_atomic_helper.c, drm_atomic_helper_commit_tail",
                "must: the tail runs after the point of no return and cannot fail",
            ),
        ),
        (AUDITED["DF305"],),
        ("df305_tails.c",),
        "Waiting for the in-fences and for hardware is the work of a tail.",
    ),
    SourceRule(
        "DF606",
        """\
The functions of the framework are built only where DMA_SHARED_BUFFER is on, and no user can
switch it on by hand. A driver that calls them without asking for them links by luck: because
another option of the same configuration asked.

An option that depends on one which asks is safe, and so is one that selects such an option.""",
        (
            Source(
                '002, "Any exporters or users of the"',
                "must: exporters and users of the framework select it",
            ),
            Source(
                "drivers/dma-buf/Kconfig, config DMA_SHARED_BUFFER",
                "fact: the option has no prompt",
            ),
        ),
        (AUDITED["DF606"],),
        ("df606/drivers/toy/Kconfig", "df606/drivers/good/Kconfig"),
        "Code that is compiled only with the option needs no select.",
    ),
)

SOURCE_RULES: dict[str, SourceRule] = {page.code: page for page in _PAGES}
"""By ID."""
