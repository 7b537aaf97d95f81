"""Never comes to the end of its import."""

from dmabuf import design  # noqa: F401

while True:
    pass
