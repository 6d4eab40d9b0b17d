"""Importing files as jobs: recognising them by content, asking questions, and running the import."""
