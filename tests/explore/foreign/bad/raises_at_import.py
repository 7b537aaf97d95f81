"""Raises while it is imported."""

from dmabuf import design  # noqa: F401


def helper() -> None:
    """Fail."""
    raise ValueError("no such device")


helper()
