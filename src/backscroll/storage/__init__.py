"""Keeping and finding messages: the one door to the database and the media files."""
