"""Waiting without threads, and trying again."""
