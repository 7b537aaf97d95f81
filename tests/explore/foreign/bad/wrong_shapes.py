"""Marked, but nothing that can be explored."""

from dmabuf import Machine, design


@design
async def coroutine(machine: Machine) -> None:
    """Would never run."""
    del machine
