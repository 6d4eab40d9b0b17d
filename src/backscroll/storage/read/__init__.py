"""Reading: rows become messages, lists and lines."""
