"""One module per source. A connector cannot write, it only reports events."""
