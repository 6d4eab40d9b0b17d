"""Importing the databases of other programs: piece by piece, with their files, and resumable after an interruption."""
