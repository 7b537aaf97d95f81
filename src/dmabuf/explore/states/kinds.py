"""What of a Python object belongs to the state: a form for each kind of object.

A form says an object's plain parts and puts the others on the walk (`explore.states.canonical`).
Objects of a class written in Python are their slots and attributes. Objects of a class written in C
have a form here or in `dmabuf.explore.states.forms`, or none: then nobody can say what they hold.

    >>> form_of(list) is not None, form_of(type(open)) is not None, form_of(type(iter({}))) is None
    (True, True, False)
"""

from __future__ import annotations

import enum
import functools
import types
import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

from dmabuf.explore.foreign.whose import is_of_design
from dmabuf.explore.states.codes_of import class_of, globals_of, is_design_class, name_of, reads_of
from dmabuf.explore.states.frame_values import NULL, contents, position

__all__ = ["FORMS", "Form", "attributes", "class_of", "form_of", "put_code", "told"]

Form = Callable[[Any, Any], None]
"""Called with the walk and the object."""

_HEAP_TYPE = 1 << 9
_NAMES = frozenset({"name", "lock_name"})
"""Of our own objects, for people: a name may tell how many there were before. What a call answers
(a dataclass) is the design's, name and all."""


# -- plain containers ------------------------------------------------------------------------------


def _sequence(walk: Any, value: Any) -> None:
    walk.say(type(value).__name__, len(value))
    walk.put_all(value)


def _mapping(walk: Any, value: Any) -> None:
    walk.say(type(value).__name__, len(value))
    walk.put_all([one for pair in value.items() for one in pair])


def _set(walk: Any, value: Any) -> None:
    walk.say(type(value).__name__)
    walk.put_set(value)


def _deque(walk: Any, value: deque[Any]) -> None:
    walk.say("deque", len(value), value.maxlen)
    walk.put_all(value)


def _default(walk: Any, value: defaultdict[Any, Any]) -> None:
    walk.put(value.default_factory)
    _mapping(walk, value)


def _bytearray(walk: Any, value: bytearray) -> None:
    walk.say("bytearray", bytes(value))


def _range(walk: Any, value: range) -> None:
    walk.say("range", value.start, value.stop, value.step)


def _memoryview(walk: Any, value: memoryview) -> None:
    walk.say("memoryview", value.nbytes, value.readonly)
    walk.put(value.obj)


def _reduced(walk: Any, value: Any) -> None:
    """An iterator over something plain: where it stands is what it would be pickled as."""
    _maker, *state = value.__reduce__()
    walk.say(type(value).__name__, len(state))
    walk.put_all(state)


# -- code ------------------------------------------------------------------------------------------


def put_code(walk: Any, code: types.CodeType) -> None:
    """Which code it is, and what it could ask for."""
    walk.say(name_of(code))
    walk.reads |= reads_of(code)


def _function(walk: Any, function: types.FunctionType) -> None:
    code = function.__code__
    walk.say("function")
    put_code(walk, code)
    walk.put(function.__defaults__)
    walk.put(function.__kwdefaults__)
    for cell in function.__closure__ or ():
        walk.put(cell)
    if is_of_design(code.co_filename):
        walk.put_all(globals_of(code, function.__globals__))


def _method(walk: Any, method: types.MethodType) -> None:
    walk.say("method")
    walk.put(method.__func__)
    walk.put(method.__self__)


def _builtin(walk: Any, function: types.BuiltinMethodType) -> None:
    walk.say("builtin", function.__name__)
    if not isinstance(function.__self__, types.ModuleType):
        walk.put(function.__self__)


def _cell(walk: Any, cell: types.CellType) -> None:
    try:
        found = cell.cell_contents
    except ValueError:
        found = NULL
    walk.say("cell")
    walk.put(found)


def _partial(walk: Any, value: functools.partial[Any]) -> None:
    walk.say("partial")
    walk.put_all((value.func, value.args, value.keywords))


def _generator(walk: Any, value: types.GeneratorType[Any, Any, Any]) -> None:
    frame = value.gi_frame
    if frame is None:
        walk.say("ended")
    elif value.gi_running:
        walk.say("running")  # its frame is one of the task's that runs it
    else:
        walk.say("generator", position(frame))
        put_code(walk, value.gi_code)
        found = contents(frame)
        walk.say(len(found))
        walk.put_all(found)


def _named(walk: Any, value: Any) -> None:
    walk.say(type(value).__name__, getattr(value, "__qualname__", None) or value.__name__)


def _nothing(walk: Any, value: Any) -> None:
    walk.say(type(value).__name__)


def _code(walk: Any, code: types.CodeType) -> None:
    put_code(walk, code)


def _class(walk: Any, kind: type) -> None:
    """A class; those of a design may keep state of their own."""
    walk.say("class", kind.__module__, kind.__qualname__)
    if not is_design_class(kind):
        return
    walk.put_all(kind.__bases__)
    for name, value in sorted(vars(kind).items()):
        if not (name.startswith("__") and name.endswith("__")) or name == "__init__":
            walk.say(name)
            walk.put(value)


def _wrapped(walk: Any, value: Any) -> None:
    walk.say(type(value).__name__)
    walk.put(value.__func__)


def _property(walk: Any, value: property) -> None:
    walk.say("property")
    walk.put_all((value.fget, value.fset))


def _exception(walk: Any, error: BaseException) -> None:
    """Without its traceback and context: nothing goes on from there."""
    walk.say("exception", type(error).__qualname__)
    walk.put(error.args)
    _attributes_in_dict(walk, error)


def _enum(walk: Any, member: enum.Enum) -> None:
    walk.say(type(member).__qualname__, member.name)


def _weak(walk: Any, reference: weakref.ref[Any]) -> None:
    walk.say("ref")
    walk.put(reference())


_PLAIN: tuple[Any, ...] = ([], (), "", b"", range(0), range(1 << 99), {}, set[int]())
_VIEWS: tuple[Any, ...] = (dict[int, int]().values(), dict[int, int]().items())
_ITERATORS: tuple[type, ...] = (
    *(class_of(iter(one)) for one in (*_PLAIN, *_VIEWS)),
    class_of(reversed([0])),
    class_of(reversed(range(0))),
    enumerate,
    reversed,
    zip,
    map,
    filter,
)
_NAMED: tuple[type, ...] = (
    types.ModuleType,
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)

FORMS: dict[type, Form] = {
    list: _sequence,
    tuple: _sequence,
    deque: _deque,
    dict: _mapping,
    OrderedDict: _mapping,
    types.MappingProxyType: _mapping,
    defaultdict: _default,
    set: _set,
    frozenset: _set,
    bytearray: _bytearray,
    memoryview: _memoryview,
    range: _range,
    object: _nothing,
    type(NotImplemented): _nothing,
    type(NULL): _nothing,
    types.FunctionType: _function,
    types.MethodType: _method,
    types.BuiltinMethodType: _builtin,
    types.CellType: _cell,
    types.GeneratorType: _generator,
    types.CodeType: _code,
    functools.partial: _partial,
    type: _class,
    staticmethod: _wrapped,
    classmethod: _wrapped,
    property: _property,
    enum.Enum: _enum,
    weakref.ref: _weak,
    **dict.fromkeys(_ITERATORS, _reduced),
    **dict.fromkeys(_NAMED, _named),
}
"""The form of each class that is not simply its slots and attributes; also of its subclasses."""


# -- objects ---------------------------------------------------------------------------------------


def form_of(kind: Any) -> Form | None:
    """The form of a class's objects; None if nobody can say what they hold."""
    return _looked_up(kind)


@functools.lru_cache(maxsize=4096)
def _looked_up(kind: Any) -> Form | None:
    if issubclass(kind, enum.Enum):
        return _enum
    if issubclass(kind, BaseException):
        return _exception
    exact: Form | None = FORMS.get(kind)
    if exact is not None:
        return exact
    base = next((one for one in kind.__mro__ if one in FORMS and one is not object), object)
    if base is not object and not kind.__flags__ & _HEAP_TYPE:
        return None
    if not _adds_nothing_in_c(kind, base):
        return None
    own = told(kind, base)
    if base is object:
        return own
    return functools.partial(_both, FORMS[base], own)


def _both(first: Form, second: Form, walk: Any, value: Any) -> None:
    first(walk, value)
    second(walk, value)


def attributes(walk: Any, value: Any, *, slots: tuple[Any, ...]) -> None:
    """An object of a class written in Python: its class, slots and attributes."""
    kind: Any = class_of(value)
    walk.say("object", kind.__module__, kind.__qualname__)
    found: list[Any] = []
    for slot in slots:
        try:
            found.append(slot.__get__(value))
        except AttributeError:
            found.append(NULL)
    walk.put_all(found)
    _attributes_in_dict(walk, value)
    if is_design_class(kind):
        walk.put(kind)


def _attributes_in_dict(walk: Any, value: Any) -> None:
    held: dict[str, Any] | None = getattr(value, "__dict__", None)
    if held is not None:
        walk.say(len(held))
        for name in sorted(held):
            walk.say(name)
            walk.put(held[name])


def _members(kind: type) -> list[Any]:
    return [v for v in vars(kind).values() if isinstance(v, types.MemberDescriptorType)]


def _slots(kind: type, base: type) -> tuple[Any, ...]:
    above = set(base.__mro__)
    return tuple(slot for one in kind.__mro__ if one not in above for slot in _members(one))


def told(kind: type, base: type = object, leave_out: frozenset[str] = frozenset()) -> Form:
    """The form of a class written in Python: what its slots hold, but for some."""
    if kind.__module__.startswith("dmabuf.") and not hasattr(kind, "__dataclass_fields__"):
        leave_out |= _NAMES
    slots = tuple(slot for slot in _slots(kind, base) if slot.__name__ not in leave_out)
    return functools.partial(attributes, slots=slots)


def _adds_nothing_in_c(kind: type, base: type) -> bool:
    """Do slots and a dictionary account for all that its objects have beyond the base's?"""
    extra = kind.__basicsize__ - base.__basicsize__ - 8 * len(_slots(kind, base))
    extra -= 8 * (kind.__weakrefoffset__ > 0 and base.__weakrefoffset__ == 0)
    extra -= 8 * (kind.__dictoffset__ > 0 and base.__dictoffset__ == 0)
    return extra <= 0 and kind.__itemsize__ == base.__itemsize__
