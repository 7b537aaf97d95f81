"""Designs in the languages of other tools."""
