"""The fixture `system`: our objects, and the real kernel where one was asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from dmabuf.errors import NotAvailable
from tests.agreement.face import NotBuiltYet, System
from tests.agreement.kernel import Kernel
from tests.agreement.ours import Ours
from tests.agreement.rows import ROWS, By

SYSTEMS = {"ours": Ours, "kernel": Kernel}
ASKED = "DMABUF_REAL_KERNEL"
"""Set to 1 where tests may use this machine's own devices: in the VM."""


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
    """Without a real kernel its tests are left out, not passed and not skipped."""
    if os.environ.get(ASKED) != "1":
        real = [item for item in items if _system_of(item) == "kernel"]
        config.hook.pytest_deselected(items=real)
        left_out = set(map(id, real))
        items[:] = [item for item in items if id(item) not in left_out]


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


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function):
    """What is not built yet, or not in this kernel, is skipped and said."""
    try:
        return (yield)
    except (NotBuiltYet, NotAvailable) as missing:
        if isinstance(missing, NotAvailable) and _system_of(pyfuncitem) != "kernel":
            raise
        pytest.skip(f"{type(missing).__name__}: {missing}")
