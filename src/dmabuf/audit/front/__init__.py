"""From files of a tree to facts: find, read, parse, extract, keep."""
