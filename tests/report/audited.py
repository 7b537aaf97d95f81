"""An audit with a finding of each shape, in words that want to be markup."""

from dmabuf.report.finding import Place
from dmabuf.report.source_finding import Audited, Evidence, Hop, Level, Sink, SourceFinding

EVIL = "<script>alert(1)</script>\"'&\u202e\x1b"

RUN = Place("drivers/gpu/drm/toy/toy sched.c", 40, "toy_run_job")
EMIT = Place("drivers/gpu/drm/toy/toy_ring.c", 12, "toy_emit")
LOCKED = Place("drivers/gpu/drm/toy/toy_gem.c", 7, "toy_pin")

ALLOCATES = SourceFinding(
    "DF301",
    Level.ERROR,
    "allocates with GFP_KERNEL on the way to a signal",
    EMIT,
    "toy_run_job",
    "run_job of toy_sched_ops, a callback of the scheduler",
    "work of the scheduler on an ordered queue (WQ_MEM_RECLAIM)",
    (Hop(RUN, "calls toy_emit", "field"), Hop(EMIT, "kzalloc(..., GFP_KERNEL)", note="if big")),
    (Sink(Place("drivers/gpu/drm/toy/toy_ring.c", 19, "toy_emit"), "kmalloc(..., GFP_KERNEL)"),),
    hint="might_alloc(GFP_KERNEL) at the start of toy_emit()",
    key="DF301:toy_run_job>toy_emit:reclaim",
    sure=0.8,
)
LOCKS = SourceFinding(
    "DF202",
    Level.WARNING,
    "takes toy_device.lock, which is held over an allocation elsewhere",
    Place("drivers/gpu/drm/toy/toy_irq.c", 3, "toy_irq_thread"),
    "toy_irq_thread",
    evidence=(Evidence("toy_pin() holds it", (Hop(LOCKED, "kzalloc(..., GFP_KERNEL)"),)),),
    key="DF202:toy_irq_thread:toy_device.lock",
)
EVILLY = SourceFinding(
    "DF606",
    Level.INFO,
    EVIL,
    Place(f"drivers/{EVIL}/Kconfig", 1, EVIL),
    EVIL,
    EVIL,
    EVIL,
    (Hop(Place(EVIL, 1, EVIL), EVIL, EVIL, EVIL),),
    (Sink(Place(EVIL, 1, EVIL), EVIL),),
    (Evidence(EVIL, (Hop(Place(EVIL, 1, EVIL), EVIL),)),),
    EVIL,
    EVIL,
)
AUDITED = Audited(
    "drivers/gpu/drm",
    (ALLOCATES, LOCKS, EVILLY),
    files=3,
    functions=1234,
    bytes_read=1000,
    bytes_in_flaws=10,
    suppressed=1,
    known=2,
    seconds=1.25,
    notes=(f"one file could not be read: {EVIL}",),
)
