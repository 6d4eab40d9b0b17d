"""One module a source. A connector cannot write, it can only say."""
