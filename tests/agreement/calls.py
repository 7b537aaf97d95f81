"""Random calls: what may be called, with which arguments, and what of an answer is compared.

A program is a list of calls; a call is a name and small numbers. The numbers pick among what the
program has made so far (the third sync_file, the first buffer), so that a call means the same on
every system and any call can be left out of a program, which is how programs are made smaller.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from dmabuf.abi import dma_buf, drm_syncobj, vgem_drm
from tests.agreement.face import Info, System

__all__ = ["CALLS", "Call", "World", "a_program", "answer"]

PAGE = 4096
END = dma_buf.DMA_BUF_SYNC_END
IN, PRI, OUT = 1, 2, 4
IMPORT = drm_syncobj.DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE
EXPORT = drm_syncobj.DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE
POINTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 1 << 40, (1 << 63) + 1, (1 << 64) - 1)
SW_VALUES = (8, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, (1 << 32) - 2, (1 << 32) - 1)
SOON = 6
DEADLINES = (0, 1, 2, 3, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
LENGTHS = (0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 1 << 20, (1 << 64) - 1)
_MADE_NAME = re.compile(rb"(vgem|sw_sync|stub|detached-driver|dma_fence_(array|chain))-")
_NUMBERS = 6
BUFFERS = 4
HANDLES = 5
FILES_MAX = 24


class Call(NamedTuple):
    """One call: its name in `CALLS`, and the numbers that its arguments are picked by."""

    name: str
    numbers: tuple[int, ...]


class World:
    """What a program has made so far on one system, each kind in order of making."""

    def __init__(self, system: System, *, with_sw_sync: bool = True) -> None:
        self.system = system
        self.vgem = system.vgem()
        self.gpus = [system.gpu(), system.gpu()]
        self.files: list[int] = []
        self.objects: list[int] = []
        self.events: list[int] = [system.eventfd(), system.eventfd()]
        self.lines = [system.sw_sync(), system.sw_sync()] if with_sw_sync else []
        self.values = [0, 0]
        self.memfds = [system.memfd(4 * PAGE), system.memfd(PAGE, 0)]
        self.handles: list[int] = []
        self.buffers: list[int] = []
        self.fences: list[int] = []
        for gpu, count in zip(self.gpus, (4, 1), strict=True):
            for _ in range(count):
                system.syncobj_create(gpu)
        for _ in range(BUFFERS):
            handle, _ = system.dumb_create(self.vgem, 8, 8)
            self.handles.append(handle)
            self.buffers.append(system.prime_export(self.vgem, handle))

    def close_line(self, which: int) -> None:
        """Close a timeline, which signals its fences with an error.

        Each pending one is held by a file of ours meanwhile: pending fences of a number are one.
        For where a callback of that signal puts the last reference (an eventfd of a sync object
        does) the kernel takes the timeline's lock a second time, and hangs (seen on 6.12.117).
        """
        line, now = self.lines[which], self.values[which]
        numbers = [*range(now, now + SOON), *SW_VALUES]
        holders = [self.system.sw_fence(line, number % (1 << 32)) for number in numbers]
        self.system.close(line)
        for holder in holders:
            self.system.close(holder)

    def end(self) -> None:
        """Close what must not be closed in any order."""
        for which in range(len(self.lines)):
            self.close_line(which)
        self.lines.clear()

    def some_fd(self, number: int, right: list[int]) -> int:
        """Mostly one of the right kind; now and then a wrong one or none."""
        if number % 8 == 7:
            wrong = [-1, 1000, *self.buffers, *self.files, *self.objects]
            return wrong[number // 8 % len(wrong)]
        return right[number // 8 % len(right)] if right else -1


def _handle(number: int) -> int:
    """Of a sync object: the first few are mostly there, 0 and 99 never are."""
    return (0, 99)[number // 16 % 2] if number % 16 == 15 else 1 + number // 16 % HANDLES


def _point(number: int) -> int:
    """Often 0, which means the fence as a whole; mostly small, now and then huge."""
    return POINTS[number // 97 % len(POINTS)] if number % 3 else 0


def _flags(number: int, usual: tuple[int, ...], odd: tuple[int, ...] = (16, 1 << 31)) -> int:
    """Mostly one that means something."""
    return odd[number // 8 % len(odd)] if number % 8 == 7 else usual[number // 8 % len(usual)]


def _pad(number: int) -> int:
    return int(number % 16 == 15)


def _gpu(world: World, number: int) -> int:
    return world.gpus[number % 8 == 7]


def _file(world: World, fd: int) -> str:
    world.files.append(fd)
    if len(world.files) > FILES_MAX:
        world.system.close(world.files.pop(0))
    return "a sync_file"


# --- buffers


def _attach(world: World, n: tuple[int, ...]) -> Any:
    handle = world.handles[n[0] // 8 % BUFFERS] if n[0] % 8 != 7 else 99
    flags = _flags(n[1], (0, vgem_drm.VGEM_FENCE_WRITE), (2, 1 << 31))
    world.fences.append(world.system.vgem_attach(world.vgem, handle, flags, _pad(n[2])))
    return world.fences[-1]


def _signal(world: World, n: tuple[int, ...]) -> Any:
    is_new = world.fences and n[0] % 8 != 7
    fence = world.fences.pop(n[0] // 8 % len(world.fences)) if is_new else n[0] // 8 % 12
    return world.system.vgem_signal(world.vgem, fence, _flags(n[1], (0,), (1,)))


def _export(world: World, n: tuple[int, ...]) -> Any:
    buf = world.buffers[n[0] % len(world.buffers)]
    return _file(world, world.system.export_sync_file(buf, _flags(n[1], (1, 2, 3), (0, 4, 7))))


def _import(world: World, n: tuple[int, ...]) -> Any:
    buf = world.buffers[n[0] % len(world.buffers)]
    file = world.some_fd(n[1], world.files)
    return world.system.import_sync_file(buf, file, _flags(n[2], (1, 2, 3), (0, 4, 7)))


def _poll_buffer(world: World, n: tuple[int, ...]) -> Any:
    buf = world.buffers[n[0] % len(world.buffers)]
    return world.system.poll(buf, n[1] % 8)


def _sync(world: World, n: tuple[int, ...]) -> Any:
    buf = world.buffers[n[0] % len(world.buffers)]
    is_idle = world.system.poll(buf, IN | OUT) == IN | OUT
    flags = _flags(n[1], (1, 2, 3), (0, 8, 1 << 63))
    return world.system.sync(buf, flags if is_idle else flags | END)  # else it would wait


def _name(world: World, n: tuple[int, ...]) -> Any:
    buf = world.buffers[n[0] % len(world.buffers)]
    before = world.system.get_name(buf)
    world.system.set_name(buf, b"n" * (n[1] % 34))
    return before, world.system.get_name(buf)


def _heap(world: World, n: tuple[int, ...]) -> Any:
    length = LENGTHS[n[0] % len(LENGTHS)]
    fd = world.system.heap_alloc(length, None, n[1] % 16 == 15, int(n[2] % 16 == 15))
    size = world.system.size(fd)
    world.system.close(fd)
    return size


def _udmabuf(world: World, n: tuple[int, ...]) -> Any:
    memfd = world.some_fd(n[0], world.memfds)
    offset, size = ((one % 6) * PAGE + (one % 16 == 15) for one in n[1:3])
    fd = world.system.udmabuf_create(memfd, offset, size)
    answers = world.system.size(fd), world.system.bytes_of(fd, 0, 8)
    world.system.bytes_of(fd, 0, n[3].to_bytes(8, "little"))
    world.system.close(fd)
    return answers


def _udmabuf_list(world: World, n: tuple[int, ...]) -> Any:
    ranges = [
        (world.some_fd(one, world.memfds), one % 4 * PAGE, one % 3 * PAGE) for one in n[: n[4] % 4]
    ]
    fd = world.system.udmabuf_create_list(ranges)
    size = world.system.size(fd)
    world.system.close(fd)
    return size


# --- sync files


def _merge(world: World, n: tuple[int, ...]) -> Any:
    if not world.files:
        return None
    one, two = world.files[n[0] % len(world.files)], world.some_fd(n[1], world.files)
    name = b"m" * (n[2] % 33)
    return _file(world, world.system.merge(one, two, name, 0, _pad(n[3])))


def _info(world: World, n: tuple[int, ...]) -> Any:
    if not world.files:
        return None
    room = None if n[1] % 2 else n[1] // 2 % 4
    return world.system.file_info(world.files[n[0] % len(world.files)], room)


def _poll_file(world: World, n: tuple[int, ...]) -> Any:
    if not world.files:
        return None
    return world.system.poll(world.files[n[0] % len(world.files)], n[1] % 8)


def _deadline(world: World, n: tuple[int, ...]) -> Any:
    if not world.files:
        return None
    deadline = DEADLINES[n[1] % len(DEADLINES)]
    return world.system.set_deadline(world.files[n[0] % len(world.files)], deadline, _pad(n[2]))


def _close_file(world: World, n: tuple[int, ...]) -> Any:
    if world.files:
        world.system.close(world.files.pop(n[0] % len(world.files)))


# --- timelines counted up by hand


def _sw_fence(world: World, n: tuple[int, ...]) -> Any:
    value = SW_VALUES[n[1] // 16 % len(SW_VALUES)] if n[1] % 16 == 15 else _soon(world, n)
    return _file(world, world.system.sw_fence(world.lines[n[0] % 2], value))


def _soon(world: World, n: tuple[int, ...]) -> int:
    """A number that the timeline has just passed or will soon come to."""
    return (world.values[n[0] % 2] + n[1] // 16 % SOON) % (1 << 32)


def _sw_inc(world: World, n: tuple[int, ...]) -> Any:
    steps = n[1] // 32 % 3 if n[1] % 32 != 31 else SW_VALUES[n[1] // 32 % len(SW_VALUES)]
    world.values[n[0] % 2] += steps
    return world.system.sw_inc(world.lines[n[0] % 2], steps)


def _sw_deadline(world: World, n: tuple[int, ...]) -> Any:
    file = world.some_fd(n[1], world.files)
    return world.system.sw_deadline(world.lines[n[0] % 2], file, _pad(n[2]), _pad(n[3]))


def _sw_import(world: World, n: tuple[int, ...]) -> Any:
    """What drivers do: another fence of a timeline on a buffer, beside or in place of an older."""
    file = world.system.sw_fence(world.lines[n[0] % 2], _soon(world, n))
    world.system.import_sync_file(world.buffers[n[2] % 2], file, 1 + n[3] % 3)
    world.system.close(file)


def _sw_merge(world: World, n: tuple[int, ...]) -> Any:
    """Two fences of one timeline, of which a merge keeps the later."""
    system, line = world.system, world.lines[n[0] % 2]
    one = system.sw_fence(line, _soon(world, n))
    two = system.sw_fence(line, _soon(world, (n[0], n[2])))
    made = _file(world, system.merge(one, two))
    system.close(one)
    system.close(two)
    return made


def _sw_point(world: World, n: tuple[int, ...]) -> Any:
    """A point of a timeline of sync objects, which may be reached before the point before it."""
    gpu, line, point = world.gpus[0], 2 + n[3] % (HANDLES - 1), _point(n[2])
    file = world.system.sw_fence(world.lines[n[0] % 2], _soon(world, n))
    world.system.syncobj_fd_to_handle(gpu, file, IMPORT, 1)
    world.system.close(file)
    return world.system.syncobj_transfer(gpu, 1, line, 0, point)


def _sw_open(world: World, n: tuple[int, ...]) -> Any:
    """The timeline is closed, and another one opened in its place."""
    world.close_line(n[0] % 2)
    world.lines[n[0] % 2] = world.system.sw_sync()
    world.values[n[0] % 2] = 0


# --- sync objects


def _create(world: World, n: tuple[int, ...]) -> Any:
    return world.system.syncobj_create(_gpu(world, n[0]), _flags(n[1], (0, 0, 1), (2, 1 << 31)))


def _destroy(world: World, n: tuple[int, ...]) -> Any:
    return world.system.syncobj_destroy(_gpu(world, n[0]), _handle(n[1]), _pad(n[2]))


def _handle_to_fd(world: World, n: tuple[int, ...]) -> Any:
    flags = _flags(n[2], (0, EXPORT, EXPORT), (4, 1 << 31))
    fd = world.system.syncobj_handle_to_fd(_gpu(world, n[0]), _handle(n[1]), flags, _pad(n[3]))
    if flags == EXPORT:
        return _file(world, fd)
    world.objects.append(fd)
    return "an object"


def _fd_to_handle(world: World, n: tuple[int, ...]) -> Any:
    gpu, pad = _gpu(world, n[0]), _pad(n[3])
    if n[2] % 3 == 0:
        fd = world.some_fd(n[1], world.objects)
        return world.system.syncobj_fd_to_handle(gpu, fd, _flags(n[5], (0,)), 0, pad)
    file, handle = world.some_fd(n[1], world.files), _handle(n[4])
    return world.system.syncobj_fd_to_handle(gpu, file, _flags(n[2], (IMPORT,)), handle, pad)


def _some_handles(n: tuple[int, ...]) -> list[int]:
    count = 0 if n[2] % 16 == 15 else 1 + n[2] // 16 % 3
    return [_handle(one) for one in n[3 : 3 + count]]


def _wait(world: World, n: tuple[int, ...]) -> Any:
    handles, flags = _some_handles(n), _flags(n[1], (0, 1, 2, 3, 8))
    return world.system.syncobj_wait(_gpu(world, n[0]), handles, 0, flags)


def _timeline_wait(world: World, n: tuple[int, ...]) -> Any:
    handles, flags = _some_handles(n), _flags(n[1], (0, 1, 2, 3, 4, 5, 8))
    points = [_point(one) for one in n[3 : 3 + len(handles)]]
    return world.system.syncobj_timeline_wait(_gpu(world, n[0]), handles, points, 0, flags)


def _reset(world: World, n: tuple[int, ...]) -> Any:
    return world.system.syncobj_reset(_gpu(world, n[0]), _some_handles(n), _pad(n[1]))


def _object_signal(world: World, n: tuple[int, ...]) -> Any:
    return world.system.syncobj_signal(_gpu(world, n[0]), _some_handles(n), _pad(n[1]))


def _timeline_signal(world: World, n: tuple[int, ...]) -> Any:
    handles = _some_handles(n)
    points = [_point(one) for one in n[3 : 3 + len(handles)]]
    flags = _flags(n[1], (0,), (1,))
    return world.system.syncobj_timeline_signal(_gpu(world, n[0]), handles, points, flags)


def _query(world: World, n: tuple[int, ...]) -> Any:
    flags = _flags(n[1], (0, 1), (2, 1 << 31))
    return world.system.syncobj_query(_gpu(world, n[0]), _some_handles(n), flags)


def _transfer(world: World, n: tuple[int, ...]) -> Any:
    points = (_point(n[3]) if n[3] % 2 else 0, _point(n[4]))
    source, target = _handle(n[1]), _handle(n[2])
    return world.system.syncobj_transfer(_gpu(world, n[0]), source, target, *points, 0, _pad(n[5]))


def _eventfd(world: World, n: tuple[int, ...]) -> Any:
    point, event = _point(n[2]), world.some_fd(n[3], world.events)
    flags = _flags(n[4], (0, 4), (1, 8))
    gpu = _gpu(world, n[0])
    return world.system.syncobj_eventfd(gpu, _handle(n[1]), point, event, flags, _pad(n[5]))


def _read_event(world: World, n: tuple[int, ...]) -> Any:
    return world.system.eventfd_read(world.events[n[0] % 2])


def _add_point(world: World, n: tuple[int, ...]) -> Any:
    """What programs do: a new job's fence at a point of a timeline."""
    handle, line, point = world.handles[n[0] % BUFFERS], 2 + n[1] % (HANDLES - 1), _point(n[2])
    buf, gpu = world.buffers[n[0] % BUFFERS], world.gpus[0]
    world.fences.append(world.system.vgem_attach(world.vgem, handle))
    _file(world, world.system.export_sync_file(buf, 2))
    world.system.syncobj_fd_to_handle(gpu, world.files[-1], IMPORT, 1)
    return world.system.syncobj_transfer(gpu, 1, line, 0, point)


def _look(world: World, n: tuple[int, ...]) -> Any:
    """All that can be seen without changing anything, of one gpu and all files."""
    system, gpu = world.system, world.gpus[n[0] % 8 == 7]
    found: list[Any] = [system.poll(fd, IN | OUT) for fd in (*world.buffers, *world.files)]
    found += [_comparable(system.file_info(fd)) for fd in world.files]
    found += [_owed(system, fd, flags) for fd in world.buffers[:2] for flags in (1, 2)]
    for handle in range(1, HANDLES + 1):
        for flags in (0, 1):
            found.append(_or_errno(system.syncobj_query, gpu, [handle], flags))
        for point in range(n[1] % 3, 10, 2):
            found.append(_or_errno(system.syncobj_timeline_wait, gpu, [handle], [point]))
    return found


def _owed(system: System, buf: int, flags: int) -> Any:
    """The fences that an access of a buffer waits for."""
    file = system.export_sync_file(buf, flags)
    info = _comparable(system.file_info(file))
    system.close(file)
    return info


def _or_errno(call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except OSError as error:
        return OSError, error.errno


CALLS: dict[str, tuple[Callable[[World, tuple[int, ...]], Any], int]] = {
    "vgem_attach": (_attach, 6),
    "vgem_signal": (_signal, 8),
    "export_sync_file": (_export, 6),
    "import_sync_file": (_import, 4),
    "poll_buffer": (_poll_buffer, 3),
    "sync": (_sync, 1),
    "set_name": (_name, 1),
    "heap_alloc": (_heap, 1),
    "udmabuf_create": (_udmabuf, 1),
    "udmabuf_create_list": (_udmabuf_list, 1),
    "merge": (_merge, 5),
    "file_info": (_info, 6),
    "poll_file": (_poll_file, 3),
    "set_deadline": (_deadline, 3),
    "close_file": (_close_file, 2),
    "sw_fence": (_sw_fence, 6),
    "sw_inc": (_sw_inc, 4),
    "sw_deadline": (_sw_deadline, 2),
    "sw_import": (_sw_import, 8),
    "sw_merge": (_sw_merge, 4),
    "sw_point": (_sw_point, 8),
    "sw_open": (_sw_open, 1),
    "syncobj_create": (_create, 5),
    "syncobj_destroy": (_destroy, 1),
    "syncobj_handle_to_fd": (_handle_to_fd, 4),
    "syncobj_fd_to_handle": (_fd_to_handle, 6),
    "syncobj_wait": (_wait, 4),
    "syncobj_timeline_wait": (_timeline_wait, 6),
    "syncobj_reset": (_reset, 1),
    "syncobj_signal": (_object_signal, 2),
    "syncobj_timeline_signal": (_timeline_signal, 4),
    "syncobj_query": (_query, 4),
    "syncobj_transfer": (_transfer, 6),
    "syncobj_eventfd": (_eventfd, 3),
    "eventfd_read": (_read_event, 3),
    "add_point": (_add_point, 8),
    "look_at_all": (_look, 3),
}
"""By name: how it is made, and how often it is taken."""


def a_program(chance: random.Random, length: int, *, with_sw_sync: bool = True) -> list[Call]:
    """A program of that many calls; without sw_sync the same one, without calls of that."""
    names = [*CALLS]
    weights = [weight for _, weight in CALLS.values()]
    taken = chance.choices(names, weights, k=length)
    calls = [Call(one, tuple(chance.randrange(1 << 16) for _ in range(_NUMBERS))) for one in taken]
    return [one for one in calls if with_sw_sync or not one.name.startswith("sw_")]


def answer(world: World, call: Call) -> Any:
    """What a call answers: its value, or its errno; without what no two systems share."""
    try:
        return _comparable(_or_errno(CALLS[call.name][0], world, call.numbers))
    except Exception as error:  # noqa: BLE001 - no other system answers that
        return type(error), str(error)


def _comparable(value: Any) -> Any:
    """Names of signalled fences differ by kernel, contexts by everything; the rest is compared."""
    if not isinstance(value, Info):
        return value
    fences = tuple(
        one if one.status == 0 else ("signalled", one.status, one.has_timestamp)
        for one in value.fences
    )
    return _name_of(value), value.status, value.num_fences, fences


def _name_of(info: Info) -> bytes:
    if not _MADE_NAME.match(info.name):
        return info.name
    return b"made" if info.status else re.sub(rb"\d+", b"N", info.name)
