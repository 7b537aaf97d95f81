"""From a case to a finding: the simplest schedule of it, told once more, and its token."""
