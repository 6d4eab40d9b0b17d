"""Rows of Evolution API's own database."""
