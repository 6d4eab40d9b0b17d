"""Files beside the database: media, keys, and how they are written for good."""
