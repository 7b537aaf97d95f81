"""Ends its process while it is imported."""

import os

from dmabuf import design  # noqa: F401

os._exit(0)
