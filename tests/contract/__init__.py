"""Both APIs through HTTP against a real archive: each row of the contracts as a test."""
