"""Designs are foreign code: found in files, imported and explored in a child that is watched."""
