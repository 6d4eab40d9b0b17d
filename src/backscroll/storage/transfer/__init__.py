"""Whole archives: dump, restore, copy, backup, check."""
