"""Writing: a batch of events becomes rows, in one transaction."""
