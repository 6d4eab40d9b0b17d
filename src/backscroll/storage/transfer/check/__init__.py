"""Consistency checks of an archive: problems are reported, and what can be rebuilt is rebuilt."""
