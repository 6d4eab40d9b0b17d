"""Ingesting messages: sources, and the pipeline that writes their events."""
