"""Allocation flags: their bits, and what they allow."""

import re

import pytest

from dmabuf.mm.gfp import current_gfp_context, gives_up, may_reclaim, never_fails, spelled
from dmabuf.rt.api import Scope
from dmabuf.sync.gfp import Gfp
from tests.facts import fact
from tests.kernel_source import needs_source, source

OF_DEBUGGING = {"SKIP_ZERO", "SKIP_KASAN", "NOLOCKDEP", "NO_OBJ_EXT", "UNUSED", "LAST"}


def _bits_of(text):
    """The single bits of the header, by name."""
    names = re.findall(r"^\t___GFP_(\w+)_BIT,", text, re.MULTILINE)
    return {name: 1 << bit for bit, name in enumerate(names) if name not in OF_DEBUGGING}


def _composites_of(text, bits):
    """The composites of the header, by name."""
    known = {f"__GFP_{name}": value for name, value in bits.items()}
    known["__GFP_RECLAIM"] = bits["DIRECT_RECLAIM"] | bits["KSWAPD_RECLAIM"]
    known["__GFP_SKIP_KASAN"] = 0
    joined = text.replace("\\\n", " ")
    found = {}
    for name, body in re.findall(r"^#define GFP_(\w+)\s+(.+)$", joined, re.MULTILINE):
        words = re.sub(r"__?\w+|GFP_\w+", lambda m: str(known.get(m[0], m[0])), body)
        if re.fullmatch(r"[\d\s|&~()]+", words):
            found[name] = known[f"GFP_{name}"] = eval(words)
    return found


@fact("F18.01")
@needs_source
def test_gfp_bits_are_those_of_the_header():
    """Every flag of the header that does not depend on a debugging option has its bit here."""
    bits = _bits_of(source("include/linux/gfp_types.h"))

    ours = {name: int(Gfp[name]) for name in bits}

    assert bits == ours


@fact("F18.01")
@needs_source
def test_gfp_composites_are_those_of_the_header():
    """A composite of the header is made of the same flags here; zones have bits of their own."""
    text = source("include/linux/gfp_types.h")
    wanted = _composites_of(text, _bits_of(text))

    ours = {name: int(Gfp[name]) for name in wanted if name != "ZONEMASK"}

    assert {name: wanted[name] for name in ours} == ours
    assert {"KERNEL", "NOFS", "NOIO", "ATOMIC", "NOWAIT", "HIGHUSER_MOVABLE"} <= set(ours)


@fact("F18.02", "F18.03")
@pytest.mark.parametrize(
    ("scope", "left"),
    [
        (Scope.NONE, Gfp.KERNEL),
        (Scope.NOFS, Gfp.NOFS),
        (Scope.NOIO, Gfp.NOIO),
        (Scope.NOIO | Scope.NOFS, Gfp.NOIO),
        (Scope.NORECLAIM, Gfp.KERNEL),
    ],
)
def test_gfp_scope_takes_flags_away(scope, left):
    """What a scope leaves of GFP_KERNEL; PF_MEMALLOC takes no flag away."""
    assert left == current_gfp_context(Gfp.KERNEL, scope)


@pytest.mark.parametrize(
    ("gfp", "order", "never", "once"),
    [
        (Gfp.KERNEL, 0, True, False),
        (Gfp.NOIO, 3, True, False),
        (Gfp.KERNEL, 4, False, True),
        (Gfp.KERNEL | Gfp.RETRY_MAYFAIL, 4, False, False),
        (Gfp.KERNEL | Gfp.NORETRY, 0, False, True),
        (Gfp.KERNEL | Gfp.NOFAIL, 9, True, False),
        (Gfp.ATOMIC, 0, False, False),
        (Gfp.ATOMIC | Gfp.NOFAIL, 0, False, False),
    ],
)
def test_gfp_says_whether_an_allocation_fails(gfp, order, never, once):
    """Who goes on for ever, and who gives up after one pass."""
    assert (never, once) == (never_fails(gfp, order), gives_up(gfp, order))


@pytest.mark.parametrize(
    ("gfp", "words"),
    [
        (Gfp.KERNEL | Gfp.ZERO, "GFP_KERNEL"),
        (Gfp.HIGHUSER_MOVABLE, "GFP_KERNEL"),
        (Gfp.NOFS, "GFP_NOFS"),
        (Gfp.NOIO | Gfp.NORETRY, "GFP_NOIO"),
        (Gfp.ATOMIC | Gfp.NOWARN, "GFP_ATOMIC"),
        (Gfp.NOWAIT, "GFP_NOWAIT"),
        (Gfp.DIRECT_RECLAIM | Gfp.FS, "gfp 0x480"),
    ],
)
def test_gfp_is_spelled_by_what_rules_speak_of(gfp, words):
    """The composite that says how far an allocation may go, whatever else it asks for."""
    assert words == spelled(gfp)


def test_gfp_no_reclaim_with_pf_memalloc():
    """PF_MEMALLOC keeps an allocation from reclaim that its flags would allow."""
    assert may_reclaim(Gfp.NOIO, Scope.NOIO)
    assert not may_reclaim(Gfp.KERNEL, Scope.NORECLAIM)
