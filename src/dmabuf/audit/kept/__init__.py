"""What the last audit of a tree found out, and how much of it still holds (docs/design/0024)."""
