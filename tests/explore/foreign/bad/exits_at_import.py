"""A program without `if __name__ == "__main__"`."""

import sys

from dmabuf import design  # noqa: F401

sys.exit(0)
