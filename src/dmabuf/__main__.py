"""`python -m dmabuf` is the console command."""

from dmabuf.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
