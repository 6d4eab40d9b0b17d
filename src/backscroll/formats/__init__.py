"""Text formats that more than one room reads or writes."""
