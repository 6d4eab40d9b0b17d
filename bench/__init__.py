"""How fast, how small: the archive measured beside nginx. Not part of the package; see README.md here."""
