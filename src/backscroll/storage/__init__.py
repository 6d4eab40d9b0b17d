"""Storing and finding messages: the only access to the database and the media files."""
