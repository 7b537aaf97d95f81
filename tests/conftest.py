"""Fixtures of all tests: `rt`, the ground on which one test body runs on every runtime."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dmabuf.core.compiled import is_compiled, use
from tests.support import KINDS, Ground, ground


def pytest_configure(config: pytest.Config) -> None:
    """`@fact("F1.07")` names the facts that a test shows; tests/test_facts.py counts them."""
    config.addinivalue_line("markers", "fact(*ids): the facts of tests/facts.py that it shows")


@pytest.fixture(params=KINDS)
def rt(request: pytest.FixtureRequest) -> Ground:
    """Every runtime: threads (compiled, pure), observed ones, greenlets (three orders), baton."""
    return ground(request.param)


@pytest.fixture(params=[kind for kind in KINDS if kind.startswith(("threads", "observed"))])
def live(request: pytest.FixtureRequest) -> Ground:
    """Real threads only, for what virtual time does not have; the test says why."""
    return ground(request.param)


@pytest.fixture(params=[kind for kind in KINDS if kind.startswith(("greenlets", "baton"))])
def explored(request: pytest.FixtureRequest) -> Ground:
    """Virtual time only, for what threads cannot be made to do; the test says why."""
    return ground(request.param)


@pytest.fixture(params=["compiled", "pure"] if is_compiled() else ["pure"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """The quick ways of a fence in C, where they were built, and in Python."""
    before = use(request.param == "compiled")
    yield request.param
    use(before)
