"""sw_sync: timelines that a program counts up by hand (the VM runner builds it as a module)."""

import errno

import pytest

from tests.agreement.face import errno_of
from tests.agreement.rows import row
from tests.agreement.scenes import is_signaled

INT_MAX = (1 << 31) - 1
U32 = 1 << 32


def _state(system, files):
    return [is_signaled(system, file) for file in files]


@row("A8.01")
@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 1), (1, 0), (5, 0), (INT_MAX, 0), (INT_MAX + 1, 1), (INT_MAX + 2, 1), (U32 - 1, 1)],
)
def test_fence_up_to_the_value_is_signalled(system, value, expected):
    """The difference is a signed 32-bit number: far ahead is behind."""
    line = system.sw_sync()

    file = system.sw_fence(line, value)

    assert expected == system.file_info(file).status


@row("A8.02")
def test_inc_signals_what_the_value_has_come_to(system):
    """And nothing else."""
    line = system.sw_sync()
    files = [system.sw_fence(line, value) for value in (3, 1, 2, 5)]

    system.sw_inc(line, 2)
    first = _state(system, files)
    system.sw_inc(line, 1)

    assert [False, True, True, False] == first
    assert [True, True, True, False] == _state(system, files)


@row("A8.02")
def test_inc_counts_modulo_32_bits(system):
    """A fence on the other side of the wrap waits for it."""
    line = system.sw_sync()
    system.sw_inc(line, U32 - 2)
    files = [system.sw_fence(line, value) for value in (1, U32 - 1)]

    system.sw_inc(line, 1)
    first = _state(system, files)
    system.sw_inc(line, 2)

    assert [False, True] == first
    assert [True, True] == _state(system, files)


@row("A8.02")
def test_inc_of_more_than_half_the_numbers_signals_on_its_way(system):
    """A long way is gone in two steps, so what lies between is not skipped."""
    line = system.sw_sync()
    near = system.sw_fence(line, 7)

    system.sw_inc(line, U32 - 1)

    assert is_signaled(system, near)


@row("A8.03")
def test_two_pending_fences_of_a_number_are_one(system):
    """A merge keeps one, whose deadline is seen through both."""
    line = system.sw_sync()
    one, two = (system.sw_fence(line, 4) for _ in range(2))

    system.set_deadline(one, 77)
    merged = system.merge(one, two)

    assert 1 == system.file_info(merged).num_fences
    assert 77 == system.sw_deadline(line, two)


@row("A8.03")
def test_a_number_whose_files_are_closed_makes_a_new_fence(system):
    """Which has no deadline."""
    line = system.sw_sync()
    one = system.sw_fence(line, 4)
    system.set_deadline(one, 77)

    system.close(one)

    assert errno.ENOENT == errno_of(system.sw_deadline, line, system.sw_fence(line, 4))


@row("A8.04")
def test_closing_the_timeline_signals_what_is_pending(system):
    """With an error; what had signalled keeps its status."""
    line = system.sw_sync()
    done, pending = system.sw_fence(line, 0), system.sw_fence(line, 1)

    system.close(line)

    assert [1, -errno.ENOENT] == [system.file_info(one).status for one in (done, pending)]
    assert is_signaled(system, pending)


@row("A8.05")
def test_get_deadline_is_the_earliest(system):
    """Deadlines are signed: above 2^63 is before zero."""
    line = system.sw_sync()
    file = system.sw_fence(line, 1)

    answers = []
    for deadline in (500, 300, 400, (1 << 64) - 5):
        system.set_deadline(file, deadline)
        answers.append(system.sw_deadline(line, file))

    assert [500, 300, 300, (1 << 64) - 5] == answers


@row("A8.05")
def test_get_deadline_of_a_signalled_fence_stays(system):
    """A deadline that comes after the signal is not noted."""
    line = system.sw_sync()
    file = system.sw_fence(line, 1)
    system.set_deadline(file, 500)

    system.sw_inc(line, 1)
    system.set_deadline(file, 300)

    assert 500 == system.sw_deadline(line, file)


@row("A8.05")
def test_get_deadline_refuses(system):
    """ENOENT without one; EINVAL for merged fences, buffers, -1 and what is to be 0."""
    line = system.sw_sync()
    one, other = system.sw_fence(line, 1), system.sw_fence(system.sw_sync(), 1)
    wrong = [system.merge(one, other), system.heap_alloc(4096), -1]

    assert errno.ENOENT == errno_of(system.sw_deadline, line, one)
    assert errno.ENOENT == errno_of(system.sw_deadline, line, other)
    assert [errno.EINVAL] * 3 == [errno_of(system.sw_deadline, line, fd) for fd in wrong]
    assert errno.EINVAL == errno_of(system.sw_deadline, line, one, pad=1)
    assert errno.EINVAL == errno_of(system.sw_deadline, line, one, deadline_ns=1)
