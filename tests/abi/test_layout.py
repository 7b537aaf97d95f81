"""Structs: values to bytes and back, and what is refused on the way."""

from __future__ import annotations

import struct
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmabuf.abi.drm import drm_version
from dmabuf.abi.drm_syncobj import drm_syncobj_handle, drm_syncobj_wait
from dmabuf.abi.layout import Field, Struct, c_string, pack_numbers, unpack_numbers
from dmabuf.abi.sync_file import sync_fence_info, sync_merge_data
from dmabuf.abi.udmabuf import udmabuf_create_item
from tests.abi.test_numbers import ALL, STRUCTS

CLASSES: list[type[Struct]] = [ALL[name] for name in STRUCTS]
FEW = settings(max_examples=20, deadline=None)  # of each struct
SIGNED = {"s32", "s64"}
NUMBERS = {*SIGNED, "u8", "u32", "u64", "size_t", "ptr"}
"""Kinds of field; all others are bytes."""


def _any_value(field: Field) -> st.SearchStrategy[int | bytes]:
    if field.kind not in NUMBERS:
        return st.binary(max_size=field.size).filter(lambda name: not name.endswith(b"\0"))
    bits = 8 * field.size
    low = -(1 << bits - 1) if field.kind in SIGNED else 0
    return st.integers(low, low + (1 << bits) - 1)


def _values(cls: type[Struct]) -> st.SearchStrategy[Struct]:
    return st.builds(cls, **{field.name: _any_value(field) for field in cls.FIELDS})


@pytest.mark.parametrize("cls", CLASSES)
@FEW
@given(data=st.data())
def test_value_comes_back_from_its_bytes(cls: type[Struct], data: st.DataObject) -> None:
    """Every value of every struct packs to SIZE bytes that unpack to an equal value."""
    value = data.draw(_values(cls))

    packed = value.pack()

    assert cls.SIZE == len(packed)
    assert value == cls.unpack(packed)


@pytest.mark.parametrize("cls", CLASSES)
@FEW
@given(data=st.data())
def test_bytes_come_back_from_their_value(cls: type[Struct], data: st.DataObject) -> None:
    """Any bytes, whatever a foreign program left there, survive but for holes without a name."""
    raw = bytearray(data.draw(st.binary(min_size=cls.SIZE, max_size=cls.SIZE)))
    named = {at for one in cls.FIELDS for at in range(one.offset, one.offset + one.size)}
    for at in range(cls.SIZE):
        raw[at] = raw[at] if at in named else 0

    assert bytes(raw) == cls.unpack(bytes(raw)).pack()


@pytest.mark.parametrize("cls", CLASSES)
@FEW
@given(data=st.data())
def test_field_lies_at_its_offset(cls: type[Struct], data: st.DataObject) -> None:
    """The bytes at a field's offset are that field's, in native order."""
    value = data.draw(_values(cls))

    packed = value.pack()

    for one in cls.FIELDS:
        there = packed[one.offset : one.offset + one.size]
        number = int.from_bytes(there, sys.byteorder, signed=one.kind in SIGNED)
        found = number if one.kind in NUMBERS else there.rstrip(b"\0")
        assert getattr(value, one.name) == found


@pytest.mark.parametrize("cls", CLASSES)
def test_default_is_all_zero(cls: type[Struct]) -> None:
    """A struct made without arguments is what C gets from `= {0}`."""
    assert bytes(cls.SIZE) == cls().pack()


@pytest.mark.parametrize("cls", CLASSES)
@FEW
@given(data=st.data())
def test_array_comes_back(cls: type[Struct], data: st.DataObject) -> None:
    """An array of structs packs without gaps and unpacks to equal values."""
    values = data.draw(st.lists(_values(cls), max_size=3))

    packed = cls.pack_array(values)

    assert cls.SIZE * len(values) == len(packed)
    assert values == cls.unpack_array(packed)


@pytest.mark.parametrize("kind", ["u32", "s32", "u64", "s64"])
@FEW
@given(data=st.data())
def test_numbers_come_back(kind: str, data: st.DataObject) -> None:
    """An array of numbers packs without gaps and unpacks to the same numbers."""
    numbers = data.draw(st.lists(_any_value(Field("", kind, 0, int(kind[1:]) // 8)), max_size=4))

    packed = pack_numbers(kind, numbers)

    assert len(numbers) * (4 if kind.endswith("32") else 8) == len(packed)
    assert numbers == unpack_numbers(kind, packed)


@pytest.mark.parametrize("handle", [-1, 2**32])
def test_number_out_of_range_is_refused(handle: int) -> None:
    """A number that does not fit its field is an error; nothing is cut off."""
    with pytest.raises(struct.error):
        drm_syncobj_handle(handle=handle).pack()


def test_name_too_long_is_refused() -> None:
    """A name longer than its field is an error; as long as the field it needs no NUL."""
    assert b"x" * 32 == sync_merge_data.unpack(sync_merge_data(name=b"x" * 32).pack()).name
    with pytest.raises(ValueError, match="33 bytes > 32"):
        sync_merge_data(name=b"x" * 33).pack()


@pytest.mark.parametrize("length", [0, 39, 41])
def test_other_length_is_refused(length: int) -> None:
    """Bytes of another length than the struct's are an error, also those of an older one."""
    with pytest.raises(ValueError, match="drm_syncobj_wait is 40 bytes"):
        drm_syncobj_wait.unpack(bytes(length))


def test_array_of_broken_length_is_refused() -> None:
    """An array that ends within an element is an error."""
    with pytest.raises(ValueError, match="no array of udmabuf_create_item"):
        udmabuf_create_item.unpack_array(bytes(25))
    with pytest.raises(ValueError, match="no array of u64"):
        unpack_numbers("u64", bytes(12))


@pytest.mark.parametrize(
    ("values", "named"),
    [((1, 2, 3, 4, 5, 6), {}), ((1,), {"handle": 1}), ((), {"handles": 1})],
    ids=["too many", "twice", "unknown"],
)
def test_arguments_that_fit_no_field_are_refused(
    values: tuple[int, ...], named: dict[str, int]
) -> None:
    """More values than fields, one field twice, or a field that does not exist: TypeError."""
    with pytest.raises(TypeError, match="drm_syncobj_handle has the fields handle, flags, fd"):
        drm_syncobj_handle(*values, **named)


def test_unknown_field_cannot_be_assigned() -> None:
    """A misspelt field is an error where it is written."""
    with pytest.raises(AttributeError):
        drm_syncobj_handle().flag = 1  # type: ignore[attr-defined]


def test_fields_by_position_and_by_name_are_the_same() -> None:
    """Values may be given in the header's order, and matched in it."""
    value = drm_syncobj_handle(1, 2, fd=-1)

    match value:
        case drm_syncobj_handle(handle, flags, fd):
            assert (1, 2, -1) == (handle, flags, fd)
    assert drm_syncobj_handle(handle=1, flags=2, fd=-1) == value
    assert "drm_syncobj_handle(handle=1, flags=2, fd=-1, pad=0, point=0)" == repr(value)


def test_values_of_two_structs_are_not_equal() -> None:
    """Structs of one layout and different names stay different, and none is a dictionary key."""
    assert drm_syncobj_handle() != sync_fence_info()
    with pytest.raises(TypeError):
        hash(drm_syncobj_handle())


def test_hole_is_zero() -> None:
    """The four bytes after three integers, where the next field is aligned, are zero."""
    packed = drm_version(version_patchlevel=-1, name_len=2**64 - 1).pack()

    assert bytes(4) == packed[12:16]


def test_c_string_ends_at_the_first_nul() -> None:
    """What a program left behind the NUL is not part of the name."""
    value = sync_merge_data.unpack(b"gpu\0junk".ljust(sync_merge_data.SIZE, b"\0"))

    assert b"gpu\0junk" == value.name
    assert b"gpu" == c_string(value.name)


def test_import_loads_nothing_else() -> None:
    """All of abi imports nothing of ours but itself, and neither ctypes nor dataclasses."""
    code = (
        "import sys; before = set(sys.modules); import dmabuf.abi.ioctls\n"
        "print(*(m for m in set(sys.modules) - before if m.split('.')[:2] != ['dmabuf', 'abi']"
        " and m.startswith(('dmabuf.', 'ctypes', 'dataclasses', 'inspect'))))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "" == done.stdout.strip()
