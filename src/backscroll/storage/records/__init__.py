"""What rows mean: from observations to a message, identity, counters."""
