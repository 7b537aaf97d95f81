"""Marked, but takes no machine."""

from dmabuf import design


@design
def takes_nothing() -> None:
    """No parameter."""
