"""Taking messages in: sources, and the pipeline that writes what they say."""
