"""Users of dma-bufs whose configuration does not ask for them (DF606)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dmabuf.audit.checks.build_files import BuildFiles
from dmabuf.audit.checks.found import local_finding
from dmabuf.audit.checks.index import Calls
from dmabuf.audit.checks.kconfig import Option, Options, built_by, parse_kconfig
from dmabuf.report.finding import Place
from dmabuf.report.source_finding import Hop, Level, SourceFinding

__all__ = ["missing_selects"]

_SYMBOL = "DMA_SHARED_BUFFER"
_CORE = "drivers/dma-buf/"
_USES_TEXT = """
dma_buf_export dma_buf_fd dma_buf_get dma_buf_put dma_buf_attach dma_buf_dynamic_attach
dma_buf_detach dma_buf_pin dma_buf_unpin dma_buf_map_attachment dma_buf_unmap_attachment
dma_buf_map_attachment_unlocked dma_buf_unmap_attachment_unlocked dma_buf_move_notify
dma_buf_begin_cpu_access dma_buf_end_cpu_access dma_buf_mmap dma_buf_vmap dma_buf_vunmap
dma_buf_vmap_unlocked dma_buf_vunmap_unlocked
"""


def missing_selects(calls: Calls, build: BuildFiles) -> Iterator[SourceFinding]:
    """Options that build a caller of dma-buf functions without guaranteeing that there are any."""
    users = _first_uses(calls)
    suspects = _unsure(users, build.near(users))
    if suspects:
        yield from _unsure(suspects, build.all()).values()


def _first_uses(calls: Calls) -> dict[str, Hop]:
    """The first call in each file; not of functions that are compiled only with the symbol."""
    found: dict[str, Hop] = {}
    for routine, index in calls.of(*_USES_TEXT.split()):
        conditional = any(_SYMBOL in one for one in routine.function.conditions)
        path = routine.path
        if conditional or not path.endswith(".c") or path.startswith(_CORE):
            continue
        instruction = routine.function.code[index]
        hop = Hop(routine.place(instruction[1]), f"calls {instruction[2][1]}", "direct")
        if path not in found or hop.place.line < found[path].place.line:
            found[path] = hop
    return dict(sorted(found.items()))


class _Missing(dict[str, SourceFinding]):
    """Findings by the file of the caller."""


def _unsure(users: Mapping[str, Hop | SourceFinding], texts: Mapping[str, str]) -> _Missing:
    """Those that these texts do not clear, one for each option."""
    kconfigs = {p: t for p, t in texts.items() if p.rpartition("/")[2].startswith("Kconfig")}
    options = Options(one for path, text in kconfigs.items() for one in parse_kconfig(path, text))
    sure = options.guarantee(_SYMBOL)
    found = _Missing()
    told: set[str] = set()
    for path, user in users.items():
        hop = user.hops[0] if isinstance(user, SourceFinding) else user
        for needed in built_by(path, texts):
            names = sorted(name for name in needed if name in options.by_name)
            if not needed & sure and names and not told & needed:
                told |= needed
                found[path] = _missing(options.by_name[names[-1]][0], hop)
    return found


def _missing(option: Option, hop: Hop) -> SourceFinding:
    place = Place(option.file, option.line)
    text = f"config {option.name} neither selects {_SYMBOL} nor depends on what does"
    return local_finding(
        "DF606",
        Level.WARNING,
        f"builds {hop.place.file}, which uses dma-bufs, and does not select {_SYMBOL}",
        (hop, Hop(place, text)),
        entry=f"config {option.name}",
        detail=option.name,
    )
