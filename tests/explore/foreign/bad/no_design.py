"""Holds a function, and no design."""

from dmabuf import Machine, design  # noqa: F401


def plain(machine: Machine) -> None:
    """Not marked."""
    del machine
