"""All files together: names, types and calls through pointers resolved."""
