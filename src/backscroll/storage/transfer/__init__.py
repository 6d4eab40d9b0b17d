"""Whole archives: out, in again, copied, checked."""
