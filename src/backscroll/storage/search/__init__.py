"""Finding messages by what they say."""
