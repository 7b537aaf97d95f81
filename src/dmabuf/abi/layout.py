"""C structs as classes: fields as the header writes them, to bytes and back.

Mirrors: include/uapi/linux/types.h

    >>> class point(Struct):
    ...     x: u32 = 0
    ...     y: u64 = 0
    >>> [(field.name, field.offset) for field in point.FIELDS]
    [('x', 0), ('y', 8)]
    >>> point.unpack(point(x=1, y=2).pack())
    point(x=1, y=2)
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple, Self, TypeAlias, dataclass_transform

__all__ = [
    "Field",
    "Struct",
    "c_string",
    "char16",
    "char32",
    "format_union",
    "pack_numbers",
    "ptr",
    "s32",
    "s64",
    "size_t",
    "timecode",
    "timeval",
    "u8",
    "u8x3",
    "u32",
    "u32x3",
    "u32x11",
    "u64",
    "unpack_numbers",
]

u32: TypeAlias = int
s32: TypeAlias = int
u64: TypeAlias = int
s64: TypeAlias = int
size_t: TypeAlias = int
ptr: TypeAlias = int
"""An address in the caller, in headers a typed pointer."""
char32: TypeAlias = bytes
"""`char[32]`; without the NULs at its end, which packing adds again."""
u8: TypeAlias = int
char16: TypeAlias = bytes
u8x3: TypeAlias = bytes
u32x3: TypeAlias = bytes
u32x11: TypeAlias = bytes
timeval: TypeAlias = bytes
"""`struct timeval`, two `long`."""
timecode: TypeAlias = bytes
"""`struct v4l2_timecode`."""
format_union: TypeAlias = bytes
"""200 bytes that hold a struct according to the type before them, some with pointers."""

_CODES = {
    "u32": "I",
    "s32": "i",
    "u64": "Q",
    "s64": "q",
    "size_t": "Q",
    "ptr": "Q",
    "char32": "32s",
    "u8": "B",
    "char16": "16s",
    "u8x3": "3s",
    "u32x3": "12s",
    "u32x11": "44s",
    "timeval": "16s",
    "timecode": "16s",
    "format_union": "200s",
}
_ALIGNMENT = {
    "char32": 1,
    "char16": 1,
    "u8x3": 1,
    "u32x3": 4,
    "u32x11": 4,
    "timeval": 8,
    "timecode": 4,
    "format_union": 8,
}
"""Where it is not the size."""


class Field(NamedTuple):
    """One field of a struct; offset and size in bytes."""

    name: str
    kind: str
    offset: int
    size: int


@dataclass_transform()
class _StructType(type):
    """Makes the fields slots, so that a wrong name is an error, and places them.

    `dataclasses.dataclass` would do the same at forty times the time of import.
    """

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]
    ) -> _StructType:  # of Struct itself too, whose annotations are no fields
        annotations: dict[str, str] = namespace.get("__annotations__", {})
        if bases:
            fields, codec = _lay_out(annotations)
            names = tuple(field.name for field in fields)
            defaults = {field: namespace.pop(field) for field in names}
            namespace |= {"__slots__": names, "__match_args__": names, "_defaults": defaults}
            namespace |= {"FIELDS": fields, "SIZE": codec.size, "_codec": codec}
        return super().__new__(cls, name, bases, namespace)


class Struct(metaclass=_StructType):
    """Base of all structs: an annotation a field, in the order and with the names of the header.

    Values are mutable, equal if their fields are, and made like those of a dataclass.

    Attributes:
        SIZE: `sizeof`, in bytes.
        OLDER_SIZES: what it was in kernels where the last fields were missing.
        FIELDS: name, kind, offset and size of each field.
    """

    __slots__ = ()

    SIZE: ClassVar[int] = 0
    OLDER_SIZES: ClassVar[tuple[int, ...]] = ()
    FIELDS: ClassVar[tuple[Field, ...]] = ()
    _codec: ClassVar[struct.Struct]
    _defaults: ClassVar[dict[str, int | bytes]] = {}

    def __init__(self, *values: int | bytes, **named: int | bytes) -> None:
        positional = dict(zip(self._defaults, values, strict=False))
        given = self._defaults | positional | named
        twice = positional.keys() & named.keys()
        if len(values) > len(positional) or len(given) > len(self._defaults) or twice:
            takes = ", ".join(self._defaults)
            raise TypeError(f"{type(self).__name__} has the fields {takes}, each at most once")
        for name, value in given.items():
            setattr(self, name, value)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._defaults)
        return f"{type(self).__name__}({fields})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self._defaults)

    __hash__ = None  # type: ignore[assignment]  # mutable; as Python would do, but said

    def pack(self) -> bytes:
        """The bytes that C would have, holes and the rest of names zero.

        Raises:
            struct.error: a number does not fit its field.
            ValueError: a name does not fit its field.
        """
        values = [getattr(self, field.name) for field in self.FIELDS]
        for field, value in zip(self.FIELDS, values, strict=True):
            if isinstance(value, bytes) and len(value) > field.size:
                raise ValueError(f"{field.name}: {len(value)} bytes > {field.size}")
        return self._codec.pack(*values)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """The value of these bytes.

        Raises:
            ValueError: there are not exactly `SIZE` of them; to lengthen or shorten is up to the
                caller, since each kind of file has its own rule.
        """
        if len(data) != cls.SIZE:
            raise ValueError(f"{cls.__name__} is {cls.SIZE} bytes, not {len(data)}")
        values = cls._codec.unpack(data)
        return cls(*(v.rstrip(b"\0") if isinstance(v, bytes) else v for v in values))

    @classmethod
    def unpack_array(cls, data: bytes) -> list[Self]:
        """The values of an array, as it lies behind a pointer or at the end of a struct.

        Raises:
            ValueError: the length is no multiple of `SIZE`.
        """
        if len(data) % cls.SIZE:
            raise ValueError(f"{len(data)} bytes are no array of {cls.__name__} ({cls.SIZE})")
        return [cls.unpack(data[at : at + cls.SIZE]) for at in range(0, len(data), cls.SIZE)]

    @staticmethod
    def pack_array(values: Iterable[Struct]) -> bytes:
        """The bytes of an array."""
        return b"".join(value.pack() for value in values)


def pack_numbers(kind: str, numbers: Iterable[int]) -> bytes:
    """The bytes of an array of numbers ("u32", "u64", ...).

    >>> len(pack_numbers("u32", [1, 2, 3]))
    12
    """
    values = list(numbers)
    return struct.pack(f"={len(values)}{_CODES[kind]}", *values)


def unpack_numbers(kind: str, data: bytes) -> list[int]:
    """The numbers of an array; the inverse of `pack_numbers`.

    Raises:
        ValueError: the length is no multiple of the kind's size.

    >>> unpack_numbers("u64", pack_numbers("u64", [5, 6]))
    [5, 6]
    """
    size = struct.calcsize(f"={_CODES[kind]}")
    if len(data) % size:
        raise ValueError(f"{len(data)} bytes are no array of {kind} ({size})")
    return list(struct.unpack(f"={len(data) // size}{_CODES[kind]}", data))


def c_string(name: bytes) -> bytes:
    """What C reads of a name: up to the first NUL.

    >>> c_string(b"gpu" + bytes(1) + b"left over")
    b'gpu'
    """
    return name.split(b"\0", 1)[0]


def _lay_out(annotations: dict[str, str]) -> tuple[tuple[Field, ...], struct.Struct]:
    """Place fields as C does on 64-bit machines: each at a multiple of its alignment."""
    fields: list[Field] = []
    codec, offset, widest = "=", 0, 1
    for name, kind in annotations.items():  # strings, because the modules postpone annotations
        size = struct.calcsize(f"={_CODES[kind]}")
        alignment = _ALIGNMENT.get(kind, size)
        hole = -offset % alignment
        codec += "x" * hole + _CODES[kind]
        fields.append(Field(name, kind, offset + hole, size))
        offset += hole + size
        widest = max(widest, alignment)
    return tuple(fields), struct.Struct(codec + "x" * (-offset % widest))
