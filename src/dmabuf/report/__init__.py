"""What checkers found, as data, and its renderings."""
