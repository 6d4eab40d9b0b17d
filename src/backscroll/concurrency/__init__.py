"""Waiting without threads, and retries."""
