"""SQLite files of other programs: opened without leaving traces, read row by row, skipping damaged rows."""
