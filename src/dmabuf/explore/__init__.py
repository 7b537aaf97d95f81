"""Which schedule next: search, diagnosis and explanation of driver designs."""
