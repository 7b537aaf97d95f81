"""What code does, and the way there: from a function to an allocation, a lock or a wait."""
