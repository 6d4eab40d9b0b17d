"""Both APIs over HTTP with a real archive: a test for each row of the contracts."""
