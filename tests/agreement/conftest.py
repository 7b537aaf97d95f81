"""The fixture `system`: our objects, or the real kernel where that was asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agreement.face import System
from tests.agreement.in_vm import WITHOUT
from tests.agreement.kernel import Kernel
from tests.agreement.ours import Ours
from tests.agreement.rows import ROWS, By

SYSTEMS = {"ours": Ours, "kernel": Kernel}
ASKED = "DMABUF_REAL_KERNEL"
"""Set to 1 where tests are to use this machine's own devices: in the VM."""


def pytest_configure(config: pytest.Config) -> None:
    """`@row("A4.01")` names the rows that a test shows; test_rows.py counts them."""
    config.addinivalue_line("markers", "row(*ids): the rows of tests/agreement that it shows")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A row of the file layer runs against the kernel only."""
    if "system" in metafunc.fixturenames:
        marks = metafunc.definition.iter_markers("row")
        by = {ROWS[one].by for mark in marks for one in mark.args}
        names = ["kernel"] if by == {By.FILES} else ["ours", "kernel"]
        metafunc.parametrize("system", names, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """One system at a time: the other's tests are left out, neither passed nor skipped."""
    other = "ours" if os.environ.get(ASKED) == "1" else "kernel"
    in_vm = other == "ours"
    left_out = [
        item
        for item in items
        if _system_of(item) == other or _lacks(item) or (in_vm and _is_of_ours_alone(item))
    ]
    config.hook.pytest_deselected(items=left_out)
    numbers = set(map(id, left_out))
    items[:] = [item for item in items if id(item) not in numbers]
    for item in items:
        if _system_of(item):
            # Brackets out of balance are a finding of ours, and no answer of any system.
            item.add_marker(pytest.mark.filterwarnings("ignore:DF601"))


def _is_of_ours_alone(item: pytest.Item) -> bool:
    """A test of this folder without a system has nothing to ask a kernel, and a VM is slow."""
    return item.path.parent == Path(__file__).parent and not _system_of(item)


def _lacks(item: pytest.Item) -> bool:
    """Does the kernel lack what its rows need? The VM's maker has said so in a line."""
    lacking = os.environ.get(WITHOUT, "").split(",")
    rows = {one for mark in item.iter_markers("row") for one in mark.args}
    return _system_of(item) == "kernel" and any(
        ROWS[one].lacks and ROWS[one].lacks in lacking for one in rows
    )


def _system_of(item: pytest.Item) -> str:
    params = getattr(getattr(item, "callspec", None), "params", {})
    return str(params.get("system", ""))


@pytest.fixture
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    """The system under test; all its descriptors are closed at the end."""
    one = SYSTEMS[request.param]()
    try:
        yield one
    finally:
        one.end()
