"""What speaks for a way that breaks a rule by the letter: an excuse a module."""
