"""The kernel's own source: what its functions do, and what the tables say of them."""

import pytest

from dmabuf.audit.front.across import across
from dmabuf.audit.front.extract import extract
from dmabuf.audit.outside.summaries import Outdoors
from dmabuf.audit.program.program import Program
from dmabuf.audit.ways.effect import Kind
from dmabuf.sync.gfp import Gfp
from tests.audit.known_oracle import arguments
from tests.kernel_source import FILES, needs_source, source

HEADERS = sorted(path for path in FILES if path.startswith("include/linux/"))


def program_of(*paths: str) -> Program:
    """These files of the kernel, linked."""
    files = {path: extract(path, source(path).encode()) for path in paths}
    return Program(across(files).values())


@needs_source
@pytest.mark.slow
def test_tables_take_flags_from_the_argument_that_has_them():
    """Flags, works, queues and times stand where the declarations of Linux 6.12 have them."""
    assert [] == arguments(program_of(*HEADERS).names)


@needs_source
@pytest.mark.slow
def test_component_framework_locks_and_allocates():
    """`component_del` takes a static mutex, under which others allocate."""
    outdoors = Outdoors(program_of("drivers/base/component.c", "include/linux/mutex.h"))

    (deed, *_) = outdoors.deeds("component_del", (), frozenset())

    lock = ("drivers/base/component.c", "component_mutex")
    assert (Kind.LOCK, lock) == (deed.effect.kind, deed.effect.subject)
    assert [Kind.RECLAIM] == [
        one.effect.kind
        for one in outdoors.deeds("component_match_add_release", (), frozenset())
        if one.effect.gfp == int(Gfp.KERNEL)
    ]
