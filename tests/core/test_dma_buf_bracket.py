"""CPU access as a with-block: the view, its end, and whether brackets are balanced."""

import errno
import pickle

import pytest

from dmabuf.core.dma_map import Access, Direction
from dmabuf.core.heap import SystemHeap
from tests.core.exporters import exported
from tests.core.test_memory import failure

READ, WRITE = Access.READ, Access.WRITE
TO_READ, TO_WRITE = Direction.FROM_DEVICE, Direction.TO_DEVICE


def frame():
    """A buffer of one page."""
    return SystemHeap().alloc(1, name="frame")


@pytest.mark.parametrize(("access", "readonly"), [(READ, True), (WRITE, False), (3, False)])
def test_bracket_gives_a_view_for_its_access(rt, access, readonly):
    """Read-only for READ; all bytes; ended with the block."""

    def main():
        buf = frame()
        with buf.cpu_access(access) as view:
            found = view.readonly, len(view) == buf.size
        with pytest.raises(ValueError, match="released"):
            view[0]
        buf.put()
        return found

    assert (readonly, True) == rt.run(main)


def test_bracket_of_other_storage_has_no_view(rt):
    """Where the bytes are is known for a `Memory` only."""

    def main():
        with exported().cpu_access(READ) as view:
            return view

    assert rt.run(main) is None


@pytest.mark.parametrize("access", [0, 4, 7])
def test_bracket_for_no_access(rt, access):
    """Refused before anything is begun."""
    assert errno.EINVAL == rt.run(lambda: failure(frame().cpu_access(access).__enter__))


def test_bracket_ends_when_an_error_comes_through(rt):
    """The error comes out, the view has ended, and nothing else is reported."""

    def main():
        buf = frame()
        seen = []
        with pytest.raises(KeyError), buf.cpu_access(WRITE) as view:
            view[0] = 1
            seen.append(view)
            raise KeyError
        with buf.cpu_access(READ) as again:
            found = again[0]
        buf.put()
        return found

    assert 1 == rt.run(main)


def test_bracket_whose_view_is_kept_is_reported(rt):
    """What was made of a view and is there after the bracket may use bytes at any time."""
    kept = []

    def main():
        buf = frame()
        with buf.cpu_access(WRITE) as view:
            kept.append(pickle.PickleBuffer(view))

    found = rt.reports(main)
    kept.clear()

    message = "main keeps what it made of a view of frame after its bracket"
    assert [("DF601", message)] == found


def test_bracket_pairs_are_not_reported(rt):
    """One after the other, in two tasks at once, of two buffers in one task."""

    def main():
        one, two = frame(), frame()
        for _ in range(2):
            with one.cpu_access(READ), two.cpu_access(WRITE):
                pass
        rt.spawn(lambda: one.begin_cpu_access(TO_READ) or one.end_cpu_access(TO_READ))
        with one.cpu_access(READ):
            rt.settle()

    assert [] == rt.reports(main)


UNBALANCED = {
    "nothing begun": ("writing", [("end", TO_WRITE)]),
    "ended twice": ("reading", [("begin", TO_READ), ("end", TO_READ), ("end", TO_READ)]),
    "begun for another": ("reading", [("begin", TO_WRITE), ("end", TO_READ)]),
}


def calls(steps):
    """Begin and end as told."""
    buf = frame()
    for what, direction in steps:
        (buf.begin_cpu_access if what == "begin" else buf.end_cpu_access)(direction)


@pytest.mark.parametrize("case", UNBALANCED)
def test_bracket_unbalanced_is_reported(rt, case):
    """Ended without a beginning, or for another direction; the call goes through all the same."""
    kind, steps = UNBALANCED[case]

    found = rt.reports(lambda: calls(steps))

    assert [("DF601", f"main ends a bracket of frame for {kind} that nobody began")] == found


def test_bracket_inside_another_is_not_reported(rt):
    """A library brackets its part, and its caller the whole."""

    def main():
        buf = frame()
        with buf.cpu_access(WRITE), buf.cpu_access(READ):
            pass
        buf.put()

    assert [] == rt.reports(main)
