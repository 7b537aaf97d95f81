"""The facade: few names, all of them real, none of them loaded before it is used."""

import subprocess
import sys
from importlib import import_module

import dmabuf


def test_facade_names_are_few():
    """The facade has at most 40 names."""
    assert len(dmabuf.__all__) <= 40


def test_facade_names_are_those_of_their_homes():
    """Every name is the object that its home module has."""
    for name, home in dmabuf._HOME.items():
        assert getattr(dmabuf, name) is getattr(import_module(f"dmabuf.{home}"), name)

    assert sorted([*dmabuf._HOME, "__version__"]) == sorted(dmabuf.__all__)


def test_facade_import_loads_no_submodule():
    """`import dmabuf` alone loads nothing else of ours."""
    code = "import dmabuf, sys; print([m for m in sys.modules if m.startswith('dmabuf.')])"

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"
