"""SQLite files of other programs: opened without a trace, read row by row, past what is damaged."""
