"""These files are inputs of tests, not tests: most of them do harm when they are imported."""

collect_ignore_glob = ["*.py"]
