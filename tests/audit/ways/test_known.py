"""What the tables of kernel functions say."""

import importlib
import pkgutil

import pytest

import dmabuf
from dmabuf._names import KERNEL_NAMES
from dmabuf.audit.ways.gfp import FLAGS
from dmabuf.audit.ways.known import KNOWN
from dmabuf.audit.ways.known.acts import (
    Allocates,
    Closes,
    Flushes,
    Nothing,
    Opens,
    Takes,
    TouchesUser,
    Waits,
)
from dmabuf.audit.ways.known.allocators import SINCE
from dmabuf.sync.gfp import Gfp


@pytest.fixture(scope="module")
def contexts():
    """Kernel symbol -> "process" or "atomic" or "any", of what our own library mirrors."""
    for room in ("sync", "mm", "core"):
        package = importlib.import_module(f"dmabuf.{room}")
        for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            importlib.import_module(found.name)
    assert dmabuf.__name__ == "dmabuf"
    return {symbol: name.context for symbol, name in KERNEL_NAMES.items()}


def _sleeps(name: str) -> bool:
    for act in KNOWN[name]:
        if isinstance(act, Waits | Flushes | TouchesUser):
            return True
        if isinstance(act, Takes) and not act.attempt and not act.spins and not act.momentary:
            return True
    return False


ANY = {
    "timer_delete_sync", "del_timer_sync", "timer_shutdown_sync", "free_irq",
    "mutex_lock_nested", "mutex_lock_nest_lock", "down_write_nested", "down_write_nest_lock",
    "ww_mutex_lock_nested",
}  # fmt: skip
"""Wait for a handler that is running and do not sleep; or are one function for all kinds of lock
in the library."""


def test_what_waits_here_may_sleep_in_the_library(contexts):
    """What waits, flushes or takes a sleeping lock has context "process" in the library."""
    wrong = [
        name
        for name in sorted(KNOWN.keys() & contexts.keys())
        if _sleeps(name) and contexts[name] != "process" and name not in ANY
    ]

    assert [] == wrong


def test_what_is_harmless_here_does_not_sleep_in_the_library(contexts):
    """What the auditor does not look into never sleeps by what the library says."""
    wrong = [
        name
        for name in sorted(KNOWN.keys() & contexts.keys())
        if isinstance(KNOWN[name][0], Nothing) and contexts[name] == "process"
    ]

    assert ["dma_resv_set_deadline", "schedule"] == wrong or wrong == ["schedule"]


def test_scopes_are_closed_by_somebody():
    """Each scope that some function opens is closed by another."""
    acts = [act for found in KNOWN.values() for act in found]

    opened = {act.scope for act in acts if isinstance(act, Opens)}
    assert opened == {act.scope for act in acts if isinstance(act, Closes)}


def test_flags_have_the_bits_of_the_library():
    """GFP_KERNEL and its kin are the library's; a flag is never two."""
    assert int(Gfp.KERNEL) == FLAGS["GFP_KERNEL"]
    assert int(Gfp.DMA) == FLAGS["__GFP_DMA"]
    assert "GFP_IO" not in FLAGS


@pytest.mark.parametrize(
    ("name", "argument"),
    [("kmalloc", 1), ("kcalloc", 2), ("xa_alloc", 4), ("idr_alloc", 4), ("vmalloc", None),
     ("kmalloc_obj", 1), ("kzalloc_objs", 2), ("krealloc", 2), ("dma_alloc_coherent", 3)],
)  # fmt: skip
def test_allocator_has_its_flags_where_the_header_says(name, argument):
    """The argument with the flags is the one of the kernel's declaration."""
    (act,) = KNOWN[name]

    assert isinstance(act, Allocates)
    assert argument == act.argument


def test_what_is_not_in_every_kernel_is_known():
    """A function of which a version is told is one that the tables know."""
    assert [] == sorted(SINCE.keys() - KNOWN.keys())
