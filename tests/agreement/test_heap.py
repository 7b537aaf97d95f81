"""Rows of section 6: buffers of the system heap."""

import os
from errno import EINVAL, ENOMEM

import pytest

from tests.agreement.face import errno_of
from tests.agreement.rows import row
from tests.agreement.scenes import PAGE

DEFAULT = os.O_RDWR | os.O_CLOEXEC
U64 = 1 << 64


@row("A6.01")
@pytest.mark.parametrize(
    ("length", "size"), [(1, PAGE), (PAGE, PAGE), (PAGE + 1, 2 * PAGE), (100_000, 25 * PAGE)]
)
def test_length_is_rounded_up(system, length, size):
    """Buffers are whole pages."""
    assert size == system.size(system.heap_alloc(length))


@row("A6.02")
@pytest.mark.parametrize("length", [0, U64 - 1, U64 - PAGE + 1])
def test_no_length(system, length):
    """0, or what becomes 0 when rounded up."""
    assert EINVAL == errno_of(system.heap_alloc, length)


@row("A6.03")
@pytest.mark.parametrize("flags", [1, 1 << 63])
def test_heap_flags(system, flags):
    """There are none yet."""
    assert EINVAL == errno_of(system.heap_alloc, PAGE, DEFAULT, flags)


@row("A6.04")
@pytest.mark.parametrize("flags", [os.O_NONBLOCK, os.O_APPEND | os.O_RDWR, 1 << 31])
def test_descriptor_flags(system, flags):
    """Only the access mode and closing on exec."""
    assert EINVAL == errno_of(system.heap_alloc, PAGE, flags)


@row("A6.05")
def test_descriptor_on_entry(system):
    """The answer's field must come empty."""
    assert EINVAL == errno_of(system.heap_alloc, PAGE, fd=1)


@row("A6.06")
def test_memory_is_zeroed(system):
    """Nothing of whoever had the pages before."""
    first = system.heap_alloc(8 * PAGE)
    system.bytes_of(first, 0, b"secret" * 1000)
    system.close(first)

    assert bytes(8 * PAGE) == system.bytes_of(system.heap_alloc(8 * PAGE), 0, 8 * PAGE)


@row("A6.07")
def test_memory_keeps(system):
    """Bytes stay where they were written."""
    buf = system.heap_alloc(2 * PAGE)

    system.bytes_of(buf, PAGE - 2, b"across")

    assert b"\0across\0" == system.bytes_of(buf, PAGE - 3, 8)


@row("A6.08")
def test_more_than_any_machine_has(system):
    """ENOMEM here; the kernel's OOM killer ends the process, so it is not asked."""
    if system.name == "kernel":
        pytest.skip("the OOM killer would answer")
    assert ENOMEM == errno_of(system.heap_alloc, 1 << 62)
