"""Ways to pick the next transition. None of them knows what a fence is."""
