"""vgem: fences that a program attaches and signals, or that expire."""

import errno

import pytest

from dmabuf.abi.vgem_drm import VGEM_FENCE_WRITE as WRITE
from dmabuf.core.fence_steps import state_of
from dmabuf.core.resv import Resv, Usage
from dmabuf.drivers.vgem import FENCE_TIMEOUT_S, VgemFile
from tests.core.drivers import no_memory
from tests.facts import fact
from tests.support import errno_of

SECOND = 10**9


class Buffer:
    """Something with a reservation object."""

    def __init__(self):
        self.resv = Resv("buffer")


def opened():
    """An open device, a buffer and its handle."""
    file, buffer = VgemFile(), Buffer()
    return file, buffer, file.gem_handle(buffer)


@fact("F16.01")
@pytest.mark.parametrize(("flags", "pad"), [(2, 0), (3, 0), (0, 1), (1 << 31, 0)])
def test_vgem_attach_refuses_flags_and_pad(rt, flags, pad):
    """EINVAL, before an unknown handle."""

    def main():
        file, buffer, _handle = opened()
        return errno_of(file.attach, 99, flags, pad=pad), buffer.resv.fences

    assert (errno.EINVAL, None) == rt.run(main)


@fact("F16.02")
def test_vgem_attach_to_an_unknown_handle(rt):
    """Never given, or closed."""

    def main():
        file, _buffer, handle = opened()
        before = errno_of(file.attach, 0), errno_of(file.attach, handle + 1)
        file.gem_close(handle)
        return before, errno_of(file.attach, handle), errno_of(file.gem_close, handle)

    assert ((errno.ENOENT, errno.ENOENT), errno.ENOENT, errno.EINVAL) == rt.run(main)


@fact("F16.03")
def test_vgem_numbers_are_given_once(rt):
    """A signalled fence's number is not given again."""

    def main():
        file, _buffer, handle = opened()
        numbers = [file.attach(handle), file.attach(handle)]
        file.signal(1)
        other, _buffer, its_handle = opened()
        return [*numbers, file.attach(handle)], other.attach(its_handle)

    assert ([1, 2, 3], 1) == rt.run(main)


@fact("F16.04")
@pytest.mark.parametrize(
    ("pending", "new", "answer"),
    [
        (WRITE, WRITE, errno.EBUSY),
        (WRITE, 0, errno.EBUSY),
        (0, WRITE, errno.EBUSY),
        (0, 0, 0),
    ],
)
def test_vgem_attach_is_refused_where_one_is_in_the_way(rt, pending, new, answer):
    """Until that is signalled; what was errno_of leaves nothing behind."""

    def main():
        file, _buffer, handle = opened()
        number = file.attach(handle, pending)
        first = errno_of(file.attach, handle, new)
        count = len(file.fences)
        file.signal(number)
        if not first:
            file.signal(2)
        return first, count, errno_of(file.attach, handle, new)

    assert (answer, 2 - bool(answer), 0) == rt.run(main)


@fact("F16.05")
def test_vgem_signal_refuses(rt):
    """Flags first; then numbers that stand for nothing."""

    def main():
        file, _buffer, handle = opened()
        number = file.attach(handle)
        return [
            errno_of(file.signal, 99, 1),
            errno_of(file.signal, number, 1),
            errno_of(file.signal, 0),
            errno_of(file.signal, 99),
            errno_of(file.signal, number),
            errno_of(file.signal, number),
        ]

    wrong, unknown = errno.EINVAL, errno.ENOENT
    assert [wrong, wrong, unknown, unknown, 0, unknown] == rt.run(main)


@fact("F16.06", "F16.07")
def test_vgem_fence_expires(explored):
    """Not before its time, and without an error; virtual time only, as nobody waits 10 s."""

    def main():
        file, buffer, handle = opened()
        before = explored.now()
        number = file.attach(handle, WRITE)
        fence = file.fences[number]
        buffer.resv.wait(Usage.WRITE)
        lasted = explored.now() - before
        answers = [errno_of(file.signal, number) for _ in range(2)]
        return lasted, fence.status, answers

    expected = FENCE_TIMEOUT_S * SECOND, 1, [errno.ETIMEDOUT, errno.ENOENT]
    assert expected == explored.run(main)


@fact("F16.07")
def test_vgem_signal_of_a_signalled_fence(rt):
    """However it came to be signalled."""

    def main():
        file, _buffer, handle = opened()
        number = file.attach(handle)
        file.fences[number].signal()
        return errno_of(file.signal, number), errno_of(file.signal, number)

    assert (errno.ETIMEDOUT, errno.ENOENT) == rt.run(main)


@fact("F16.08")
def test_vgem_close_signals_all(rt):
    """Those of others are left alone."""

    def main():
        (file, _b1, handle), (other, _b2, another) = opened(), opened()
        fences = [file.fences[file.attach(handle)] for _ in range(2)]
        left = other.fences[other.attach(another)]
        file.signal(1)
        file.close()
        return [fence.status for fence in fences], left.status, file.fences

    assert ([1, 1], 0, {}) == rt.run(main)


@fact("F16.09")
def test_vgem_fence_names(rt):
    """Each is the first of a context of its own."""

    def main():
        file, _buffer, handle = opened()
        fences = [file.fences[file.attach(handle)] for _ in range(2)]
        ops = fences[0].timeline.ops
        return (
            [fence.seqno for fence in fences],
            fences[0].context == fences[1].context,
            (ops.get_driver_name(fences[0]), ops.get_timeline_name(fences[0])),
        )

    assert ([1, 1], False, ("vgem", "unbound")) == rt.run(main)


@fact("F16.10")
@pytest.mark.parametrize(("flags", "usage"), [(0, Usage.READ), (WRITE, Usage.WRITE)])
def test_vgem_fence_usage(rt, flags, usage):
    """As others of the buffer see it; its own reference and that of the number are counted."""

    def main():
        file, buffer, handle = opened()
        fence = file.fences[file.attach(handle, flags)]
        ((found, as_what),) = buffer.resv.fences.entries
        counted = state_of(fence).references
        file.signal(1)
        return found is fence, as_what, counted, state_of(fence).references

    assert (True, usage, 2, 1) == rt.run(main)


@fact("F16.11")
def test_vgem_release_takes_the_timer_away(rt):
    """It does not fire for a fence that is gone."""

    def main():
        file, buffer, handle = opened()
        fence = file.fences[file.attach(handle)]
        timer = fence.timeline.ops.timer
        armed = timer.is_pending()
        file.signal(1)
        kept = timer.is_pending()
        buffer.resv.fini()
        return armed, kept, timer.is_pending()

    assert (True, True, False) == rt.run(main)


@pytest.mark.parametrize("but", [0, 1, 2])
def test_vgem_attach_without_memory(rt, but):
    """ENOMEM at each point: no number is given, and what others may have seen is signalled."""

    def main():
        file, buffer, handle = opened()
        no_memory(rt, but=but)
        answer = errno_of(file.attach, handle, WRITE)
        return answer, file.fences, buffer.resv.test_signaled(Usage.WRITE)

    assert (errno.ENOMEM, {}, True) == rt.run(main)
