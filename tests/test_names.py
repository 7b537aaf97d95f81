"""Kernel names: every public function of the mirrored layers has one, or says why not."""

import importlib
import inspect
import pkgutil

import pytest

import dmabuf.core.fence
import dmabuf.machine
import dmabuf.mm
import dmabuf.sync
from dmabuf._names import KERNEL_NAMES, kernel, kernel_names_of, no_kernel

HELPERS = {
    "dmabuf.core._fused",
    "dmabuf.core.compiled",
    "dmabuf.core.fence_steps",
    "dmabuf.core.fence_fused",
}
"""Modules of steps: internal to their room, they mirror no function of their own."""


def _modules():
    for package in (dmabuf.sync, dmabuf.mm, dmabuf.core):
        for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            if found.name not in HELPERS:
                yield importlib.import_module(found.name)


def _public(module):
    """(qualified name, function or property) of everything a user may call."""
    for name in module.__all__:
        member = getattr(module, name)
        if inspect.isfunction(member) and member.__module__ == module.__name__:
            yield f"{module.__name__}.{name}", member
        if inspect.isclass(member) and member.__module__ == module.__name__:
            for attribute, value in vars(member).items():
                callable_here = inspect.isfunction(value) or isinstance(value, property)
                if callable_here and not attribute.startswith("_"):
                    yield f"{module.__name__}.{name}.{attribute}", value


ACTIONS = {"release_spinning", "take_spinning", "check_names"}
"""Shared by modules of the same layer, not part of what a driver calls."""
INHERITED = {"get_driver_name", "get_timeline_name"}


def test_names_every_public_function_has_a_kernel_name_or_a_reason():
    """A public function of sync or core mirrors a kernel symbol or says why it does not."""
    nameless = [
        name
        for module in _modules()
        for name, member in _public(module)
        if kernel_names_of(member) is None and name.rpartition(".")[2] not in ACTIONS | INHERITED
    ]

    assert [] == nameless


def test_names_mirror_one_place_each():
    """A second mirror of the same symbol is refused when it is made."""
    with pytest.raises(ValueError, match="mirrored twice"):
        kernel("dma_fence_signal")(lambda: None)


def test_names_point_to_what_exists():
    """Every registered symbol leads to a function or class that is there."""
    for entry in KERNEL_NAMES.values():
        module, _, rest = entry.where.partition(".<locals>")[0].rpartition(".")
        assert rest
        assert module.startswith("dmabuf.")


def test_names_without_a_counterpart_give_the_reason():
    """The reason of a function without a kernel name can be asked for."""

    @no_kernel("only here")
    def helper():
        pass

    assert "only here" == kernel_names_of(helper)
    assert ("dma_fence_signal", "dma_fence_signal_timestamp") == kernel_names_of(
        dmabuf.Fence.signal
    )
