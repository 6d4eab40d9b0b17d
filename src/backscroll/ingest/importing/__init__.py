"""Importing what a person gives: recognised by its content, asked about, and taken in as jobs."""
