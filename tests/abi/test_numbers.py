"""Numbers and layouts are those that the C compiler finds in the kernel's headers."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from dmabuf.abi import drm, ioc
from dmabuf.abi.ioc import _IOC_DIR, _IOC_NR, _IOC_SIZE, _IOC_TYPE
from dmabuf.abi.ioctls import IOCTLS
from dmabuf.abi.layout import Struct
from tests.abi import c_headers
from tests.abi.names import MAY_BE_ABSENT, NAMES

pytestmark = pytest.mark.timeout(300)  # whoever comes first unpacks a kernel

ALL = {
    name: getattr(importlib.import_module(f"dmabuf.abi.{module}"), name, None)
    for module, names in NAMES.items()
    for name in names
}
NUMBERS = [name for name, value in ALL.items() if isinstance(value, int)]
STRUCTS = [name for name, value in ALL.items() if isinstance(value, type)]
ARGUMENTS = {one.name: one.argument for one in IOCTLS}
CALLS = {
    "_IOC(3U, 100, 5, 24)": ioc._IOC(3, 100, 5, 24),
    "_IO(100, 5)": ioc._IO(100, 5),
    "_IOR(100, 5, char[24])": ioc._IOR(100, 5, 24),
    "_IOW(100, 5, char[24])": ioc._IOW(100, 5, 24),
    "_IOWR(100, 5, char[24])": ioc._IOWR(100, 5, 24),
    "_IOC_DIR(0x87654321)": ioc._IOC_DIR(0x87654321),
    "_IOC_TYPE(0x87654321)": ioc._IOC_TYPE(0x87654321),
    "_IOC_NR(0x87654321)": ioc._IOC_NR(0x87654321),
    "_IOC_SIZE(0x87654321)": ioc._IOC_SIZE(0x87654321),
    "DRM_IO(5)": drm.DRM_IO(5),
    "DRM_IOR(5, char[24])": drm.DRM_IOR(5, 24),
    "DRM_IOW(5, char[24])": drm.DRM_IOW(5, 24),
    "DRM_IOWR(5, char[24])": drm.DRM_IOWR(5, 24),
}
SIGNS = {"u32": "unsigned", "u64": "unsigned", "s32": "signed", "s64": "signed"}
SIGNS |= {"size_t": "unsigned", "ptr": "", "u8": "unsigned"}
RENAMED = {
    ("udmabuf_create_item", "__pad"): "pad",  # Python would mangle it
    ("drm_virtgpu_execbuffer", "pad"): "syncobj_stride",  # grew into it
}


@pytest.fixture(scope="session", params=["installed", "kernel"])
def place(request: pytest.FixtureRequest) -> str:
    """Headers that are installed, and those of a kernel's source."""
    if request.param not in c_headers.places():
        pytest.skip("no kernel headers given and no /usr/src/linux-source-*.tar.xz")
    if trouble := c_headers.trouble(request.param):
        pytest.skip(trouble)
    return str(request.param)


@pytest.fixture(scope="session")
def c(place: str, request: pytest.FixtureRequest, tmp_path_factory) -> c_headers.Compiled:
    """What the compiler says."""
    scratch = tmp_path_factory.mktemp("headers")
    cache = getattr(request.config, "cache", None)
    kept = Path(cache.mkdir("dmabuf-headers")) if cache else scratch
    return c_headers.compiled(place, kept, scratch, tuple(ALL), tuple(CALLS))


def _absent(name: str, place: str) -> None:
    """Skip, unless these headers are complete; then only what is newer may be absent."""
    installed_has_no = ("VGEM", "vgem", "VIRTGPU", "virtgpu", "DRM_", "drm_", "SW_SYNC", "sw_sync")
    given_has_no = ("SW_SYNC", "sw_sync") if c_headers.GIVEN else ()
    may_lack = installed_has_no if place == "installed" else given_has_no
    assert name in MAY_BE_ABSENT or name.startswith(may_lack), f"no {name} in any header"
    pytest.skip(f"{place} headers have no {name}")


@pytest.mark.parametrize("module", NAMES)
def test_module_has_the_names(module: str) -> None:
    """A module exports exactly the names that the list asks for."""
    found = importlib.import_module(f"dmabuf.abi.{module}")

    assert sorted(NAMES[module]) == sorted(found.__all__)
    assert [] == [name for name in NAMES[module] if not hasattr(found, name)]


@pytest.mark.parametrize("name", NUMBERS)
def test_number_is_that_of_the_header(name: str, c: c_headers.Compiled, place: str) -> None:
    """A number is the macro's; an ioctl with an older, shorter struct differs in its size only."""
    if name not in c.macros:
        _absent(name, place)
    argument = ARGUMENTS.get(name)
    expected = c.macros[name]

    if argument is not None and _IOC_SIZE(expected) in argument.OLDER_SIZES:
        direction, magic, nr = (part(expected) for part in (_IOC_DIR, _IOC_TYPE, _IOC_NR))
        expected = ioc._IOC(direction, magic, nr, argument.SIZE)

    assert expected == ALL[name]


@pytest.mark.parametrize("name", STRUCTS)
def test_struct_is_that_of_the_header(name: str, c: c_headers.Compiled, place: str) -> None:
    """Fields have the header's names, offsets, sizes and signs; older headers may lack the last."""
    if name not in c.structs:
        _absent(name, place)
    ours, theirs = ALL[name], c.structs[name]
    assert issubclass(ours, Struct)

    named = [
        (RENAMED.get((name, field), field), *theirs.fields[field])
        for field, _ in zip(theirs.fields, ours.FIELDS, strict=False)
    ]

    assert len(theirs.fields) == len(named), "a field of the header is missing here"
    assert named == [
        (field.name, field.offset, field.size, SIGNS.get(field.kind, ""))
        for field in ours.FIELDS[: len(named)]
    ]
    whole = len(named) == len(ours.FIELDS)
    assert theirs.size == ours.SIZE if whole else theirs.size in ours.OLDER_SIZES


@pytest.mark.parametrize("call", CALLS)
def test_macro_is_that_of_the_header(call: str, c: c_headers.Compiled, place: str) -> None:
    """A macro with arguments gives what the header's does."""
    if call not in c.macros:
        _absent(call, place)

    assert c.macros[call] == CALLS[call]


def test_ioctls_are_all_there() -> None:
    """The table has every number with a size that C would call an ioctl, with its struct."""
    made = {n for n in NUMBERS if "IOC" in n or n.startswith(("DMA_BUF_SET_NAME", "UDMABUF_CR"))}
    made -= {n for n in made if n.endswith(("MAGIC", "BASE")) or n in NAMES["ioc"]}
    made |= {"SW_SYNC_GET_DEADLINE"}

    assert made == {one.name for one in IOCTLS}
    assert [] == [one for one in IOCTLS if ALL[one.name] != one.number]
    assert [] == [
        one for one in IOCTLS if one.argument and one.argument.SIZE != _IOC_SIZE(one.number)
    ]
